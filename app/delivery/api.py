"""Deliveries for operators: REST."""

from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath

from app.agents.schemas import GatewayPage
from app.delivery import gateways, operating, reading
from app.delivery.schemas import (
    ContextView,
    DecisionView,
    DeliveryDetail,
    DeliveryPage,
    Explain,
    PromptView,
    RawView,
    ReplayDeliveries,
    ReplayedDeliveries,
    Retry,
    SkipDelivery,
)
from app.kernel import paging
from app.kernel.edge import Call, identity, mutate, read
from app.kernel.openapi import described
from app.kernel.settings import Settings
from app.notifications.types import NotificationState, NotificationType

DELIVERIES = "/api/v1/deliveries"
GATEWAYS = "/api/v1/gateways"
DELIVERY = f"{DELIVERIES}/{{delivery_id:str}}"
SEE, READ, MANAGE = "account.read", "runtime.read", "runtime.manage"


@get(DELIVERIES, operation_class=described(view=DeliveryPage))
async def page(request: Call) -> Response[bytes]:
    """Wake-ups of agents, newest first, with how each stands; filters: `state`, `type`, `agent_id`, `task_id`."""
    asked = reading.Asked(
        state=paging.asked(request, "state", NotificationState),
        type=paging.asked(request, "type", NotificationType),
        agent_id=paging.asked(request, "agent_id", UUID),
        task_id=paging.asked(request, "task_id", UUID),
    )
    limit, before = paging.limit(request), paging.cursor(request)
    return await read(request, SEE, lambda tx, _: reading.page(tx, asked, limit=limit, before=before))


@get(DELIVERY, operation_class=described(view=DeliveryDetail))
async def one(request: Call, delivery_id: FromPath[str]) -> Response[bytes]:
    """A delivery with its attempts, calls outside and tool calls."""
    wanted = identity(delivery_id, kind="delivery")
    return await read(request, READ, lambda tx, _: reading.one(tx, wanted))


@get(f"{DELIVERY}/context", operation_class=described(view=ContextView))
async def context(request: Call, delivery_id: FromPath[str]) -> Response[bytes]:
    """On what it is decided now, and every agent that can be named, each with `is_reviewer`."""
    wanted = identity(delivery_id, kind="delivery")
    return await read(request, SEE, lambda tx, _: reading.context(tx, wanted))


@get(f"{DELIVERY}/prompt", operation_class=described(view=PromptView))
async def prompt(request: Call, delivery_id: FromPath[str]) -> Response[bytes]:
    """The prompt that was sent, as it is frozen."""
    wanted = identity(delivery_id, kind="delivery")
    return await read(request, READ, lambda tx, _: reading.prompt(tx, wanted))


@get(f"{DELIVERY}/rounds/{{ask:int}}/{{number:int}}", operation_class=described(view=RawView))
async def raw(request: Call, delivery_id: FromPath[str], ask: FromPath[int], number: FromPath[int]) -> Response[bytes]:
    """The raw request and answer of one call outside, without secrets."""
    wanted = identity(delivery_id, kind="delivery")
    return await read(request, READ, lambda tx, _: reading.raw(tx, wanted, ask=ask, round_=number))


@post(f"{DELIVERIES}/explain", status_code=200, operation_class=described(body=Explain, view=DecisionView))
async def explain(request: Call) -> Response[bytes]:
    """What the policy table decides and why; nothing is sent."""
    return await mutate(request, SEE, Explain, lambda tx, _, body: reading.explain(tx, body))


@post(f"{DELIVERY}/retry", status_code=200, operation_class=described(body=Retry, view=DeliveryDetail))
async def retry(request: Call, delivery_id: FromPath[str]) -> Response[bytes]:
    """Try it now instead of later, or replay it once it was given up."""
    wanted = identity(delivery_id, kind="delivery")
    return await mutate(request, MANAGE, Retry, lambda tx, who, _: operating.retry(tx, who, wanted))


@post(f"{DELIVERY}/skip", status_code=200, operation_class=described(body=SkipDelivery, view=DeliveryDetail))
async def skip(request: Call, delivery_id: FromPath[str]) -> Response[bytes]:
    """Let it go: it ends as skipped, and nothing more of it is sent or posted."""
    wanted = identity(delivery_id, kind="delivery")
    return await mutate(request, MANAGE, SkipDelivery, lambda tx, who, body: operating.skip(tx, who, wanted, body))


@post(f"{DELIVERIES}/replay", status_code=200, operation_class=described(body=ReplayDeliveries, view=ReplayedDeliveries))
async def replay(request: Call) -> Response[bytes]:
    """Replay what was given up, by cause, agent or task."""
    return await mutate(request, MANAGE, ReplayDeliveries, operating.replay)


@get(GATEWAYS, operation_class=described(view=GatewayPage))
async def gateways_page(request: Call) -> Response[bytes]:
    """What runs the agents, by the names of the profiles: whether it is there, and how much waits for it."""
    settings: Settings = request.app.state.settings
    limit, after = paging.limit(request), paging.asked(request, "cursor", str)
    return await read(request, "agents.read", lambda tx, _: gateways.page(tx, settings, limit=limit, after=after))


ROUTES = (gateways_page, page, explain, replay, one, context, prompt, raw, retry, skip)
