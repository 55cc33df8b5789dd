"""Acts of agents, people and time, each done on the board and on the model, which are then compared."""

import hashlib
import itertools
from collections import Counter
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.stateful.facts import AGENTS, CLOSED, LEADER, MAKERS, PERSON, REVIEWER, Refusals, Task
from tests.stateful.model import Model
from tests.stateful.world import World, known, seen

STATUS = {"forbidden": 403, "requirement_failed": 422}
GOALS = ("in_progress", "review", "done", "blocked")
VERBS = (*GOALS, "claim", "claim", "update", "message", "release", "heartbeat", "lapse", "sweep")
TIES = (None, "parent", "depends_on")
STATES = ("inbox", "assigned", *GOALS, "archived")
# Who, which verb, with which fence, and whether it says why.
Act = tuple[str, str, str, bool]
TITLES = itertools.count()

indices = st.integers(0, 5)
# `doer` is the holder, else somebody assigned; `closer` is who may close. `right` is the fence of one who knows the rules.
actors = st.sampled_from(("doer", "doer", "doer", "closer", "closer", *AGENTS))
fences = st.sampled_from(("right", "right", "right", "right", "current", "stale", "none"))
names = st.sets(st.sampled_from((*AGENTS, PERSON)), max_size=2)
acts = st.tuples(actors, st.sampled_from(VERBS), fences, st.just(value=True) | st.booleans())
choices = st.sampled_from((None, "archive", "detach"))


class Machine(RuleBasedStateMachine):
    def __init__(self, world: World, met: Counter[str]) -> None:
        super().__init__()
        self.world, self.met, self.model = world, met, Model()

    def teardown(self) -> None:
        self.world.clear(list(self.model.tasks))

    def at(self, index: int, *, closed: bool = False) -> Task:
        """One of the tasks; two of three indices mean those that are closed, if there are any."""
        tasks = list(self.model.tasks.values())
        fit = [one for one in tasks if one.status in CLOSED or not closed]
        chosen = fit if fit and index % 3 else tasks
        return chosen[index % len(chosen)]

    def actor(self, name: str, task: Task) -> str:
        if name == "closer":
            return self.model.closer(task)
        doers = [task.holder, *sorted(task.assignees - {PERSON}), "engineer"]
        return next(one for one in doers if one) if name == "doer" else name

    def fence(self, name: str, who: str, task: Task) -> int | None:
        current = task.fence or None
        given = {"right": current if task.held_by == who else None, "current": current, "stale": max(task.fence - 1, 1)}
        return given.get(name) if task.fence != 1 or name != "stale" else 2

    def agrees(self, act: str, expected: Refusals, answer: tuple[int, dict[str, Any]], task: Task | None = None) -> None:
        """The board refuses for a reason that the model has too, or both accept; then they show the same task."""
        status, content = answer
        if expected:
            error = content.get("error", {})
            told = f"forbidden:{error['details'].get('reason')}" if error.get("code") == "forbidden" else error.get("code")
            assert told in expected, (act, expected, answer)
            assert status == STATUS.get(error["code"], 409), answer
            self.met[f"{act} {told}"] += 1
            self.same_rows()
            return
        assert status in (200, 201), (act, answer)
        self.met[f"{act} accepted"] += 1
        if task is not None:
            shown = content.get("task", content)
            assert (shown["status"], shown["version"]) == (task.status, task.version), (act, answer)
        self.same_rows()

    def same_rows(self) -> None:
        rows = self.world.rows(list(self.model.tasks))
        for one in self.model.tasks.values():
            row = rows[one.id]
            if one.id in self.model.waiting:
                assert row["version"] - one.version in range(2), (one, row)
                one.version = row["version"]
            assert seen(row) == known(one)
            assert row["has_reason"] == (row["status"] == "blocked"), row
            assert (row["holder"] is None) == (row["kind"] is None) == (not row["is_timed"]), row
            assert row["assignees"] or row["status"] not in ("assigned", "in_progress"), row
        self.model.waiting.clear()
        assert all(count == 1 for count in Counter(row["holder"] for row in rows.values() if row["live"]).values()), rows

    def make(self, who: str, *, wanted: str | None, on: set[str], deps: set[str], parent: str | None) -> None:
        made = Task(id="", title=hashlib.sha256(str(next(TITLES)).encode()).hexdigest(), status="inbox")
        expected = self.model.create(who, wanted=wanted, names=on, deps=deps, parent=parent, made=made)
        body: dict[str, Any] = {"title": made.title, "depends_on": sorted(deps), "assignee_slugs": sorted(on - {PERSON})}
        body |= {"status": wanted} if wanted else {}
        body |= {"blocked_reason": "it waits"} if wanted == "blocked" else {}
        if who == PERSON:
            body |= {"assignee_emails": [PERSON] if PERSON in on else []} | ({"parent_id": parent} if parent else {})
            answer = self.world.route("POST", "", **body)
        else:
            answer = self.world.verb(who, "task-create", **body)
        if not expected and answer[0] == 201:
            made.id = answer[1]["id"]
            self.model.tasks[made.id] = made
        self.agrees(f"create {wanted}", expected, answer, made)

    @initialize(
        other=st.sampled_from(AGENTS),
        far=st.lists(st.tuples(st.integers(0, 3), st.lists(acts, max_size=4)), min_size=3, max_size=3),
        tie=st.sampled_from(TIES),
    )
    def some_tasks(self, other: str, far: list[tuple[int, list[Act]]], tie: str | None) -> None:
        for (steps, then), on in zip(far, ({"engineer"}, {"engineer-2", other}, {REVIEWER, other}), strict=True):
            first = next(iter(self.model.tasks), None)
            deps = {first} if first and tie == "depends_on" else set()
            self.make(PERSON, wanted=None, on=on, deps=deps, parent=first if tie == "parent" else None)
            task = list(self.model.tasks.values())[-1]
            for _ in range(steps):
                self.go_on(task)
            self.acts(task, then)

    @rule(
        who=st.sampled_from((PERSON, PERSON, PERSON, *MAKERS, *AGENTS)),
        wanted=st.sampled_from((None, None, "assigned", "in_progress", "blocked")),
        on=names,
        deps=st.sets(indices, max_size=2),
        parent=st.none() | indices,
    )
    def create(self, who: str, wanted: str | None, on: set[str], deps: set[int], parent: int | None) -> None:
        of = self.at(parent).id if parent is not None and who == PERSON else None
        self.make(
            who, wanted=wanted, on=on if who == PERSON else on - {PERSON}, deps={self.at(one).id for one in deps}, parent=of
        )

    @rule(index=indices, who=st.sampled_from((PERSON, LEADER, LEADER, "engineer")), on=names, replace=st.booleans())
    def assign(self, index: int, who: str, on: set[str], *, replace: bool) -> None:
        self.assigned(who, self.at(index), on if who == PERSON else on - {PERSON}, replace=replace)

    def assigned(self, who: str, task: Task, on: set[str], *, replace: bool) -> None:
        expected = self.model.assign(who, task, on, replace=replace)
        body: dict[str, Any] = {"assignee_slugs": sorted(on - {PERSON}), "replace": replace}
        if who == PERSON:
            body["assignee_emails"] = [PERSON] if PERSON in on else []
            answer = self.world.route("POST", f"/{task.id}/assign", **body)
        else:
            answer = self.world.verb(who, "task-assign", task_id=task.id, **body)
        self.agrees("assign", expected, answer, task)

    @rule(index=indices, acts=st.lists(acts, min_size=1, max_size=5))
    def agents_act(self, index: int, acts: list[Act]) -> None:
        self.acts(self.at(index), acts)

    def acts(self, task: Task, acts: list[Act]) -> None:
        for who, verb, fence, why in acts:
            name = self.actor(who, task)
            self.act(name, task, verb, self.fence(fence, name, task), why=why)

    def act(self, name: str, task: Task, verb: str, given: int | None, *, why: bool) -> None:
        match verb:
            case "claim":
                self.claim(name, task)
            case "release" | "heartbeat":
                self.keep(name, task, verb, given)
            case "update":
                self.retitle(name, task, given, is_new=why)
            case "message":
                expected = self.model.speak(name, task)
                self.agrees("message", expected, self.world.verb(name, "task-message", task_id=task.id, content="Well."))
            case "lapse" | "sweep":
                self.time_passes(task, task.fence if given is None else given, lapses=why, sweeps=verb == "sweep")
            case _:
                self.status(name, task, verb, given, why=why)

    def claim(self, who: str, task: Task) -> None:
        expected = self.model.claim(who, task)
        answer = self.world.verb(who, "task-claim", task_id=task.id)
        self.agrees("claim", expected, answer, task)
        assert expected or answer[1]["lease"]["fence"] == task.fence, answer

    def status(self, who: str, task: Task, goal: str, fence: int | None, *, why: bool) -> None:
        expected = self.model.move(who, task, goal, fence=fence, why=why, children=None)
        said = {"blocked_reason": "it waits"} if why and goal == "blocked" else {"reason": "look again"} if why else {}
        answer = self.world.verb(who, "task-status", task_id=task.id, status=goal, fence=fence, **said)
        self.agrees(f"status {goal}", expected, answer, task)

    def keep(self, who: str, task: Task, verb: str, fence: int | None) -> None:
        expected = (self.model.release if verb == "release" else self.model.beat)(who, task, fence)
        answer = self.world.verb(who, f"task-{verb}", task_id=task.id, fence=fence)
        self.agrees(verb, expected, answer, task if verb == "release" else None)

    def time_passes(self, task: Task, fence: int, *, lapses: bool, sweeps: bool) -> None:
        """A lease runs out, and the board notices now, or later, or looks for a lease of before."""
        if task.holder and lapses:
            self.world.lapse(task.id)
            task.live = False
        if sweeps:
            expected = self.model.expire(task, fence)
            assert self.world.expire(task.id, fence) == expected
            self.met[f"expire {expected}"] += 1
        self.same_rows()

    def retitle(self, who: str, task: Task, fence: int | None, *, is_new: bool) -> None:
        title = f"{task.title[:64]} {next(TITLES)}" if is_new else task.title
        expected = self.model.retitle(who, task, title, fence)
        self.agrees("update", expected, self.world.verb(who, "task-update", task_id=task.id, title=title, fence=fence), task)

    @rule(index=indices)
    def somebody_goes_on(self, index: int) -> None:
        self.go_on(self.at(index))

    def go_on(self, task: Task) -> None:
        """What those who know the rules do next, so that tasks come far."""
        doer, closer = self.actor("doer", task), self.actor("closer", task)
        match task.status, task.live:
            case ("assigned", _) | ("in_progress", False):
                self.claim(doer, task)
            case "in_progress", True:
                self.keep(doer, task, "heartbeat", task.fence)
                self.status(doer, task, "review", task.fence, why=True)
            case "review", _:
                self.status(closer, task, "done", self.fence("right", closer, task), why=True)
            case "inbox", _:
                self.assigned(LEADER, task, {"engineer", REVIEWER}, replace=False)
            case "blocked", _:
                self.status(doer, task, "in_progress", None, why=True)

    @rule(index=indices, deps=st.sets(indices, max_size=2))
    def depend(self, index: int, deps: set[int]) -> None:
        task, wanted = self.at(index), {self.at(one).id for one in deps}
        expected = self.model.relink(task, wanted)
        self.agrees("depend", expected, self.world.route("PATCH", f"/{task.id}", depends_on=sorted(wanted)), task)

    @rule(index=indices, goal=st.sampled_from(STATES), why=st.booleans(), children=choices)
    def a_person_moves(self, index: int, goal: str, children: str | None, *, why: bool) -> None:
        task = self.at(index)
        expected = self.model.move(PERSON, task, goal, fence=None, why=why, children=children)
        body = {"status": goal} | ({"blocked_reason": "it waits"} if why else {}) | ({"children": children} if children else {})
        self.agrees(f"person {goal}", expected, self.world.route("POST", f"/{task.id}/status", **body), task)

    @rule(index=indices, who=st.sampled_from((LEADER, LEADER, "engineer", "reviewer")), children=choices)
    def delete(self, index: int, who: str, children: str | None) -> None:
        task = self.at(index)
        expected = self.model.move(who, task, "archived", fence=None, why=True, children=children)
        answer = self.world.verb(who, "task-delete", task_id=task.id, reason="it is not wanted", children=children)
        self.agrees("delete", expected, answer, task)

    @precondition(lambda self: any(one.status in CLOSED for one in self.model.tasks.values()))
    @rule(index=indices, verb=st.sampled_from(("reopen", "restore")))
    def bring_back(self, index: int, verb: str) -> None:
        task = self.at(index, closed=True)
        expected = self.model.bring_back(task, verb)
        self.agrees(verb, expected, self.world.route("POST", f"/{task.id}/{verb}"), task)
