"""What would be decided and why, and what moves a task next, without doing anything."""

from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath

from app.accounts import queries as accounts
from app.agentapi.schemas import WhyView
from app.agentapi.why import why
from app.agents.schemas import AnswerView, Question
from app.kernel.edge import Call, identity, mutate, read
from app.kernel.errors import Invalid, Missing
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal, Role
from app.policies import legacy, rules, service
from app.policies.types import AccountPolicy, Action, Allowed, Decision, Denied, NeedsApproval, TaskFacts
from app.tasks import scenes
from app.tasks.types import TaskStatus


async def explain(tx: Transaction, principal: Principal, asked: Question) -> AnswerView:
    """The decision of the one function that every transport asks, on the facts of now."""
    action, goal = _action(asked.action), _goal(asked.status)
    who = await _subject(tx, principal, asked)
    names = [scenes.slug(slug) for slug in asked.assignee_slugs]
    if asked.task_id is not None:
        card, scene = await scenes.look(tx, who, asked.task_id, names=names, whole_crew=True)
        status: str = card.status
    else:
        scene, status = await scenes.stage(tx, who, names=names), ""
    assignees = [agent.id for agent in scene.crew if agent.slug in names]
    task = TaskFacts(status=status, crew=scene.crew)

    def decided(account: AccountPolicy) -> Decision:
        actor = service.actor_of(who, scene.crew, account)
        return rules.decide(action, actor=actor, account=account, task=task, goal=goal, assignees=assignees)

    decision: Decision | None = service.stopped(tx, who, action)
    if decision is None:
        decision = decided(scene.account)
        if scene.account.legacy_reviewer_fallback and decided(legacy.without(scene.account)) != decision:
            legacy.remarked()
    facts = {"actor_kind": who.kind, "actor_id": who.id, "task_status": status or None, "goal": goal}
    match decision:
        case Allowed(rule):
            return AnswerView(decision="allow", rule=rule, facts=facts)
        case Denied(reason, detail, flag):
            return AnswerView(decision="deny", reason=reason, detail=detail, flag=flag, facts=facts)
        case NeedsApproval(reason, detail):
            return AnswerView(decision="require_approval", reason=reason, detail=detail, facts=facts)


def _action(text: str) -> Action:
    try:
        return Action(text)
    except ValueError:
        raise Invalid.field("action", f"must be one of {', '.join(Action)}") from None


def _goal(text: str | None) -> str | None:
    if text is not None and text not in set(TaskStatus):
        raise Invalid.field("status", f"must be one of {', '.join(TaskStatus)}")
    return text


async def _subject(tx: Transaction, principal: Principal, asked: Question) -> Principal:
    name = asked.agent_slug or asked.email
    if name is None:
        return principal
    row = await tx.row(accounts.PRINCIPAL, tx.account_id, scenes.slug(name))
    if row is None:
        raise Missing.thing("principal", name)
    kind, identity = ActorKind(row["kind"]), row["id"]
    role = Role(row["role"]) if row["role"] else None
    return _stand_in(principal, kind=kind, identity=identity, name=row["name"], role=role)


def _stand_in(principal: Principal, *, kind: ActorKind, identity: UUID, name: str, role: Role | None) -> Principal:
    return Principal(kind=kind, id=identity, account_id=principal.account_id, name=name, role=role)


@post("/api/v1/policies/explain", status_code=200, operation_class=described(body=Question, view=AnswerView))
async def explained(request: Call) -> Response[bytes]:
    """What would be decided if somebody did something."""
    return await mutate(request, "policies.explain", Question, explain)


@get("/api/v1/tasks/{task_id:str}/why", operation_class=described(view=WhyView))
async def why_not(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """What moves this task next: who has to do what, or what it waits for."""
    wanted = identity(task_id, kind="task")
    return await read(request, "task.read", lambda tx, who: why(tx, who, wanted))


ROUTES = (explained, why_not)
