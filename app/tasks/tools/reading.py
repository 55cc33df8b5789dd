"""What the orchestrator may look over: every task of the account."""

from app.kernel.errors import Invalid
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page
from app.policies.types import Action
from app.policies.verbs import Verb
from app.tasks import hints, reading, scenes, searching
from app.tasks.schemas import TaskPage, TaskView
from app.tasks.schemas.reading import AgentTaskId, AgentTaskList
from app.tasks.schemas.search import AgentSearch, FoundPage


async def newest(tx: Transaction, principal: Principal, body: AgentTaskList) -> Page:
    slug = None if body.assignee_slug is None else scenes.slug(body.assignee_slug)
    scene = await reading.survey(tx, principal, names=[] if slug is None else [slug])
    if slug is not None and not any(agent.slug == slug and agent.is_active for agent in scene.crew):
        raise Invalid.field("assignee_slug", f"no active agent is called {slug}")
    return await reading.page(tx, status=body.status, assignee=slug, limit=body.limit, before=body.cursor)


async def one(tx: Transaction, principal: Principal, body: AgentTaskId) -> TaskView:
    await reading.survey(tx, principal)
    return await hints.read(tx, principal, body.task_id)


async def search(tx: Transaction, principal: Principal, body: AgentSearch) -> FoundPage:
    await reading.survey(tx, principal)
    return await searching.search(tx, body)


VERBS = (
    Verb(
        name="task-list",
        summary="A page of tasks, newest first; for the orchestrator.",
        action=Action.TASK_SURVEY,
        body=AgentTaskList,
        view=TaskPage,
        act=newest,
        reads=True,
    ),
    Verb(
        name="task-get",
        summary="Read a task's card; for the orchestrator.",
        action=Action.TASK_SURVEY,
        body=AgentTaskId,
        view=TaskView,
        act=one,
        reads=True,
    ),
    Verb(
        name="task-search",
        summary="Find tasks by the words of their title, description and blocked reason; for the orchestrator.",
        action=Action.TASK_SURVEY,
        body=AgentSearch,
        view=FoundPage,
        act=search,
        reads=True,
    ),
)
