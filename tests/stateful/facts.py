"""What the model knows of a task, and what it is asked of one: may this actor, with this fence, now?"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

PERSON, LEADER, REVIEWER = "owner@example.com", "orchestrator", "reviewer"
MAKERS = ("engineer", LEADER)
AGENTS = ("engineer", "engineer-2", REVIEWER, LEADER)
CLOSED = ("done", "archived")
TABLE = {
    "inbox": {"assigned", "archived"},
    "assigned": {"in_progress", "blocked", "inbox", "archived"},
    "in_progress": {"review", "blocked", "archived"},
    "review": {"done", "in_progress", "blocked", "archived"},
    "blocked": {"assigned", "in_progress", "archived"},
    "done": {"archived"},
    "archived": set(),
}

# Authority is asked first. Of other refusals that hold at once the board may name any, so an act answers all of them.
Refusals = set[str]


@dataclass
class Task:
    id: str
    title: str
    status: str
    version: int = 1
    assignees: set[str] = field(default_factory=set)
    deps: set[str] = field(default_factory=set)
    parent: str | None = None
    holder: str | None = None
    kind: str | None = None
    live: bool = False
    fence: int = 0
    was_done: bool = False
    worked: set[str] = field(default_factory=set)
    follows: set[str] = field(default_factory=set)

    @property
    def held_by(self) -> str | None:
        return self.holder if self.live else None

    def free(self) -> None:
        self.holder, self.kind, self.live = None, None, False

    def grant(self, who: str, kind: str) -> None:
        self.holder, self.kind, self.live, self.fence = who, kind, True, self.fence + 1


class Facts:
    """`waiting` are the tasks that the last act may have told of it, which is a step of their versions."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.waiting: set[str] = set()

    def children(self, task: Task) -> list[Task]:
        return [one for one in self.tasks.values() if one.parent == task.id and one.status not in CLOSED]

    def closer(self, task: Task) -> str:
        return LEADER if REVIEWER in task.worked else REVIEWER

    def may_close(self, who: str, task: Task) -> Refusals:
        if who in (PERSON, self.closer(task)):
            return set()
        if who == REVIEWER:
            return {"forbidden:self_review"}
        return {"forbidden:orchestrator_required" if self.closer(task) == LEADER else "forbidden:reviewer_required"}

    def may_work(self, who: str, task: Task) -> Refusals:
        judges = task.status == "review" and who == self.closer(task)
        return set() if who in (PERSON, LEADER) or who in task.assignees or judges else {"forbidden:not_assigned"}

    def fenced(self, who: str, task: Task, fence: int | None) -> Refusals:
        mine = task.held_by == who
        if fence is not None:
            return set() if mine and fence == task.fence else {"lease_lost"}
        if mine:
            return {"lease_required"} if task.kind == "work" else set()
        if who in (PERSON, LEADER) or who not in task.assignees:
            return set()
        if task.held_by:
            return {"held"}
        return {"lease_required"} if task.status == "in_progress" else set()

    def is_full(self, who: str, besides: Task | None = None) -> Refusals:
        return {"held"} if any(one.held_by == who and one is not besides for one in self.tasks.values()) else set()

    def unmet(self, deps: Iterable[str]) -> Refusals:
        states = [self.tasks[one].status for one in deps if not self.tasks[one].was_done]
        return {"dependency_archived" if "archived" in states else "dependency_open"} if states else set()

    def linkable(self, task: Task, added: Iterable[str], deps: Iterable[str], parent: str | None) -> Refusals:
        ends = [self.tasks[one] for one in added]
        refusals = {"dependency_archived"} if any(one.status == "archived" and not one.was_done for one in ends) else set()
        refusals |= {"invalid_transition"} if ends and task.status in CLOSED else set()
        refusals |= {"invalid_transition"} if parent and parent != task.parent and self.tasks[parent].status in CLOSED else set()
        seen, ahead = set(), [*deps, *(one.id for one in self.tasks.values() if one.parent == task.id)]
        while ahead:
            one = ahead.pop()
            if one in (task.id, parent):
                return refusals | {"dependency_cycle"} if ends or parent != task.parent else refusals
            if one not in seen:
                seen.add(one)
                ahead += [*self.tasks[one].deps, *(x.id for x in self.tasks.values() if x.parent == one)]
        return refusals

    def needs(self, who: str, task: Task, goal: str, *, why: bool, children: str | None) -> Refusals:
        needs: dict[str, Callable[[], bool]] = {
            "inbox": lambda: bool(task.assignees),
            "assigned": lambda: not task.assignees,
            "in_progress": lambda: not task.assignees or (who != PERSON and task.status == "review" and not why),
            "blocked": lambda: not why,
            "archived": lambda: bool(self.children(task)) and children is None,
        }
        if goal == "done":
            return {"dependency_open"} if self.children(task) else set()
        return {"requirement_failed"} if goal in needs and needs[goal]() else set()
