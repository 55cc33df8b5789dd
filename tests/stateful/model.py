"""The rules of the board once more, naively: each act answers its refusals, and changes the model where there is none."""

from collections.abc import Collection

from tests.stateful.facts import CLOSED, LEADER, MAKERS, PERSON, REVIEWER, TABLE, Facts, Refusals, Task


class Model(Facts):
    """What each verb does."""

    def create(
        self, who: str, *, wanted: str | None, names: Collection[str], deps: Collection[str], parent: str | None, made: Task
    ) -> Refusals:
        if who not in (PERSON, *MAKERS):
            return {"forbidden:capability_denied"}
        if who == "engineer" and not set(names) <= {who}:
            return {"forbidden:orchestrator_required"}
        goal, on = wanted or "inbox", set(names)
        if who == LEADER:
            on -= {LEADER}
            goal = "blocked" if goal == "blocked" else "assigned" if on else "inbox"
        elif goal == "inbox" and on:
            goal = "assigned"
        if who == "engineer" and goal in ("assigned", "in_progress"):
            on |= {who}
        starts = goal == "in_progress"
        refusals = {"requirement_failed"} if goal in ("assigned", "in_progress") and not on else set()
        refusals |= {"invalid_transition"} if starts and on and who not in on else set()
        refusals |= self.unmet(deps) if starts else set()
        refusals |= self.is_full(who) if starts and who != PERSON else set()
        refusals |= self.linkable(made, deps, deps, parent)
        if refusals:
            return refusals
        made.status, made.assignees, made.deps, made.parent = goal, on, set(deps), parent
        made.follows = on | {who, LEADER}
        if starts and who != PERSON:
            made.grant(who, "work")
            made.worked.add(who)
        return refusals

    def relink(self, task: Task, deps: set[str]) -> Refusals:
        refusals = self.linkable(task, deps - task.deps, deps, task.parent) if deps - task.deps else set()
        if not refusals and deps != task.deps:
            task.deps, task.version = deps, task.version + 1
        return refusals

    def retitle(self, who: str, task: Task, title: str, fence: int | None) -> Refusals:
        refusals = self.may_work(who, task) or self.fenced(who, task, fence)
        if not refusals and title != task.title:
            task.title, task.version = title, task.version + 1
        return refusals

    def assign(self, who: str, task: Task, names: set[str], *, replace: bool) -> Refusals:
        if who not in (PERSON, LEADER):
            return {"forbidden:orchestrator_required"}
        refusals = {"requirement_failed"} if (who == LEADER and who in names) or not (names or replace) else set()
        refusals |= {"invalid_transition"} if task.status in CLOSED else set()
        wanted = names if replace else task.assignees | names
        if refusals or wanted == task.assignees:
            return refusals
        gone, task.assignees = task.assignees - wanted, wanted
        task.follows |= wanted
        stops = task.holder in gone if task.holder else bool(gone & task.worked)
        if task.status == "inbox":
            task.status = "assigned"
        elif task.status in ("assigned", "in_progress") and not wanted:
            task.status = "inbox"
        elif task.status == "in_progress" and stops:
            task.status = "assigned"
        if task.holder in gone:
            task.free()
        task.version += 1
        return refusals

    def move(self, who: str, task: Task, goal: str, *, fence: int | None, why: bool, children: str | None) -> Refusals:
        works = who in task.assignees and who != PERSON
        if who != PERSON and goal == "archived":
            denied = set() if who == LEADER else {"forbidden:orchestrator_required"}
        else:
            denied = self.may_close(who, task) if goal == "done" else self.may_work(who, task)
        refusals = denied or self.fenced(who, task, fence)
        refusals |= {"invalid_transition"} if not denied and goal not in TABLE[task.status] else set()
        refusals |= self.needs(who, task, goal, why=why, children=children) if not denied else set()
        if not denied and goal == "in_progress":
            refusals |= self.unmet(task.deps) if task.status != "review" else set()
            refusals |= self.is_full(who, besides=task) if works else set()
        if refusals:
            return refusals
        start, task.status = task.status, goal
        task.was_done = goal == "done" or (goal == "archived" and start == "done")
        task.free()
        if works and goal in ("in_progress", "review"):
            task.worked.add(who)
        if works and goal == "in_progress":
            task.grant(who, "work")
        task.version += 1
        self._follow(task, children if goal == "archived" else None)
        return refusals

    def _follow(self, task: Task, children: str | None) -> None:
        self.waiting |= {one.id for one in self.tasks.values() if task.id in one.deps} | ({task.parent} if task.parent else set())
        for child in self.children(task) if children else ():
            child.version += 1
            if children == "detach":
                child.parent = None
                continue
            child.status = "archived"
            child.free()
            self._follow(child, children)

    def bring_back(self, task: Task, verb: str) -> Refusals:
        start = "done" if verb == "reopen" else "archived"
        refusals = {"invalid_transition"} if task.status != start else set()
        refusals |= {"invalid_transition"} if task.parent and self.tasks[task.parent].status in CLOSED else set()
        if not refusals:
            task.status = "review" if verb == "reopen" else "assigned" if task.assignees else "inbox"
            task.was_done, task.version = False, task.version + 1
            self._follow(task, None)
        return refusals

    def claim(self, who: str, task: Task) -> Refusals:
        if task.held_by == who:
            return set()
        judges = task.status == "review"
        denied = self.may_close(who, task) if judges else set() if who in task.assignees else {"forbidden:not_assigned"}
        if denied:
            return denied
        refusals = ({"held"} if task.held_by else set()) | self.is_full(who)
        refusals |= {"invalid_transition"} if task.status in ("inbox", "blocked", *CLOSED) else set()
        refusals |= self.unmet(task.deps) if task.status == "assigned" else set()
        if not refusals:
            task.grant(who, "review" if judges else "work")
            task.status = "review" if judges else "in_progress"
            task.worked |= set() if judges else {who}
            task.version += 1
        return refusals

    def beat(self, who: str, task: Task, fence: int | None) -> Refusals:
        if task.held_by != who or fence not in (None, task.fence):
            return {"lease_lost"}
        return {"lease_required"} if fence is None else set()

    def give_back(self, task: Task) -> None:
        task.free()
        task.version += 1
        if task.status == "in_progress":
            task.status = "assigned" if task.assignees else "inbox"

    def release(self, who: str, task: Task, fence: int | None) -> Refusals:
        refusals = self.beat(who, task, fence)
        if not refusals:
            self.give_back(task)
        return refusals

    def expire(self, task: Task, fence: int) -> bool:
        due = task.holder is not None and not task.live and task.fence == fence
        if due:
            self.give_back(task)
        return due

    def speak(self, who: str, task: Task) -> Refusals:
        hears = task.assignees | task.follows | {PERSON, LEADER} | ({REVIEWER} if task.status == "review" else set())
        task.follows |= {who} if who in hears else set()
        return set() if who in hears else {"forbidden:not_assigned"}
