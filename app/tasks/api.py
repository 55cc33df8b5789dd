"""Cards for people: REST."""

from litestar import Response, get, patch, post
from litestar.params import FromPath

from app.events import reading as log
from app.events.api import Seq
from app.events.schemas import EventPage
from app.kernel import paging
from app.kernel.edge import CREATED, Call, identity, mutate, read
from app.kernel.errors import Invalid
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page
from app.tasks import assigning, evidence, graph, guards, handoffs, reading, reserving_edits, searching, service, stopping, vcs
from app.tasks.schemas import Assignment, NewTask, Reopening, StatusChange, TaskEdit, TaskPage, TaskView
from app.tasks.schemas.evidence import CriteriaView, NewVerdict, VerdictView
from app.tasks.schemas.graph import GraphView
from app.tasks.schemas.guards import Lifting, QuarantineView
from app.tasks.schemas.handoffs import HandoffPage
from app.tasks.schemas.reservations import HeldFilesPage
from app.tasks.schemas.search import AgentSearch, FoundPage, Wanted
from app.tasks.schemas.stopping import Stop, StoppedView
from app.tasks.schemas.vcs import LinkView, NewVcsRef, VcsRefPage
from app.tasks.types import TaskStatus

TASKS = "/api/v1/tasks"
TASK = "/api/v1/tasks/{task_id:str}"


@post(TASKS, status_code=CREATED, operation_class=described(body=NewTask, view=TaskView, status=CREATED))
async def create(request: Call) -> Response[bytes]:
    """Put a task on the board."""
    return await mutate(request, "task.create", NewTask, assigning.create, status=CREATED)


@get(TASKS, operation_class=described(view=TaskPage))
async def newest(request: Call) -> Response[bytes]:
    """A page of tasks, newest first; filters: `status`, `assignee` (a slug), `limit`, `cursor`."""
    status, assignee = paging.asked(request, "status", TaskStatus), paging.asked(request, "assignee", str)
    limit, before = paging.limit(request), paging.cursor(request)
    return await read(
        request, "task.read", lambda tx, _: reading.page(tx, status=status, assignee=assignee, limit=limit, before=before)
    )


@get(TASK, operation_class=described(view=TaskView))
async def one(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(task_id, kind="task")
    return await read(request, "task.read", lambda tx, _: reading.one(tx, wanted))


@get(f"{TASK}/graph", operation_class=described(view=GraphView))
async def around(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """What the task waits for, and what waits for it."""
    wanted = identity(task_id, kind="task")
    return await read(request, "task.read", lambda tx, _: graph.around(tx, wanted))


@patch(TASK, operation_class=described(body=TaskEdit, view=TaskView))
async def edit(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(task_id, kind="task")
    return await mutate(request, "task.update", TaskEdit, lambda tx, who, body: service.edit(tx, who, wanted, body))


@post(f"{TASK}/status", status_code=200, operation_class=described(body=StatusChange, view=TaskView))
async def move(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(task_id, kind="task")
    return await mutate(request, "task.move", StatusChange, lambda tx, who, body: service.move(tx, who, wanted, body))


@post(f"{TASK}/stop", status_code=200, operation_class=described(body=Stop, view=StoppedView))
async def stop(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """Stop the task at once: it is blocked, its holder fenced out, and what waits or runs for it is ended."""
    wanted = identity(task_id, kind="task")
    return await mutate(request, "task.stop", Stop, lambda tx, who, body: stopping.stop(tx, who, wanted, body))


@post(f"{TASK}/assign", status_code=200, operation_class=described(body=Assignment, view=TaskView))
async def assign(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(task_id, kind="task")
    return await mutate(request, "task.assign", Assignment, lambda tx, who, body: assigning.assign(tx, who, wanted, body))


@post(f"{TASK}/reopen", status_code=200, operation_class=described(body=Reopening, view=TaskView))
async def reopen(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(task_id, kind="task")
    return await mutate(request, "task.reopen", Reopening, lambda tx, who, body: service.reopen(tx, who, wanted, body))


@post(f"{TASK}/restore", status_code=200, operation_class=described(body=Reopening, view=TaskView))
async def restore(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(task_id, kind="task")
    return await mutate(request, "task.restore", Reopening, lambda tx, who, body: service.restore(tx, who, wanted, body))


@get(f"{TASK}/quarantine", operation_class=described(view=QuarantineView))
async def quarantine(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """Since when only people wake agents about the task, why, and the chain of wake-ups that led there."""
    wanted = identity(task_id, kind="task")
    return await read(request, "task.read", lambda tx, _: guards.shown(tx, wanted))


@post(f"{TASK}/lift-quarantine", status_code=200, operation_class=described(body=Lifting, view=TaskView))
async def lift_quarantine(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """Let agents be woken about the task again; its assignees are woken once. Without a quarantine nothing happens."""
    wanted = identity(task_id, kind="task")
    return await mutate(request, "task.lift", Lifting, lambda tx, who, body: guards.lift(tx, who, wanted, body))


@get(f"{TASK}/events", operation_class=described(view=EventPage))
async def history(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """What happened to the task, in order."""
    wanted, seq, limit = identity(task_id, kind="task"), paging.asked(request, "after", Seq) or 0, paging.limit(request)

    async def act(tx: Transaction, _principal: Principal) -> Page:
        await reading.one(tx, wanted)
        return await log.of_entity(tx, kind="task", entity_id=wanted, seq=seq, limit=limit)

    return await read(request, "events.read", act)


@get(f"{TASK}/handoffs", operation_class=described(view=HandoffPage))
async def handed_over(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """A page of what holders and reviewers left to the next, newest first."""
    wanted, limit, before = identity(task_id, kind="task"), paging.limit(request), paging.cursor(request)
    return await read(request, "task.read", lambda tx, _: handoffs.page(tx, wanted, limit=limit, before=before))


@get(f"{TASK}/criteria", operation_class=described(view=CriteriaView))
async def criteria(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """The acceptance criteria, and who vouches for each."""
    wanted = identity(task_id, kind="task")
    return await read(request, "task.read", lambda tx, _: evidence.criteria(tx, wanted))


@post(f"{TASK}/evidence", status_code=200, operation_class=described(body=NewVerdict, view=VerdictView))
async def judge(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """Give a verdict on one acceptance criterion."""
    wanted = identity(task_id, kind="task")
    return await mutate(request, "task.evidence", NewVerdict, lambda tx, who, body: evidence.judge(tx, who, wanted, body))


@get(f"{TASKS}/search", operation_class=described(view=FoundPage))
async def search(request: Call) -> Response[bytes]:
    """Tasks by their words, best first: `q`, `limit`, `include_archived`, `include_coordination`."""
    wanted = paging.asked(request, "q", Wanted)
    if wanted is None:
        raise Invalid.field("q", "say what to look for")
    asked = AgentSearch(
        query=wanted,
        limit=paging.limit(request),
        include_archived=bool(paging.asked(request, "include_archived", bool)),
        include_coordination=bool(paging.asked(request, "include_coordination", bool)),
    )
    return await read(request, "task.survey", lambda tx, _: searching.search(tx, asked, field="q"))


@post(f"{TASK}/vcs-refs", status_code=200, operation_class=described(body=NewVcsRef, view=LinkView))
async def link(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """Tie the task to a change request in version control; one that it has already is answered as it is."""
    wanted = identity(task_id, kind="task")
    return await mutate(request, "task.link", NewVcsRef, lambda tx, who, body: vcs.link_by_person(tx, who, wanted, body))


@get(f"{TASK}/vcs-refs", operation_class=described(view=VcsRefPage))
async def refs(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """The change requests of the task, oldest first."""
    wanted = identity(task_id, kind="task")
    return await read(request, "task.read", lambda tx, _: vcs.refs(tx, wanted))


@get("/api/v1/reservations", operation_class=described(view=HeldFilesPage))
async def reservations(request: Call) -> Response[bytes]:
    """A page of the files that holders of tasks have reserved now, newest first; filters: `repository`, `limit`, `cursor`."""
    repository, limit, before = paging.asked(request, "repository", str), paging.limit(request), paging.cursor(request)
    return await read(
        request,
        "task.read",
        lambda tx, _: reserving_edits.page(tx, repository=repository, limit=limit, before=before),
    )


ROUTES = (
    create,
    newest,
    one,
    around,
    edit,
    move,
    stop,
    assign,
    reopen,
    restore,
    quarantine,
    lift_quarantine,
    history,
    handed_over,
    criteria,
    judge,
    search,
    link,
    refs,
    reservations,
)
