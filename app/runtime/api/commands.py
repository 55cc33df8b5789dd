"""Commands for operators: REST."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Meta

from app.kernel import paging
from app.kernel.edge import CREATED, Call, answered, caller, identity, mutate, read
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body, View
from app.runtime import control, overview, reading
from app.runtime.reading import Filter
from app.runtime.schemas.commands import (
    AttemptPage,
    Cancel,
    CommandPage,
    CommandView,
    Hold,
    NewCommand,
    Resume,
    TraceView,
    Transition,
)
from app.runtime.schemas.overview import QueuesView, TaxonomyView, WorkersView
from app.runtime.types import CommandState, Queue

RUNTIME = "/api/v1/admin/runtime"
COMMANDS = f"{RUNTIME}/commands"
COMMAND = f"{COMMANDS}/{{command_id:str}}"
Number = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Order = Literal["asc", "desc"]


@get(COMMANDS, operation_class=described(view=CommandPage))
async def page(request: Call) -> Response[bytes]:
    """A page of commands by when they were created, newest first; `sort` may be `asc` or `desc`.

    Filters: `status`, `command_type`, `queue`, `policy_profile`, `schedule_id`, `created_after`, `created_before`.
    """
    wanted = Filter(
        status=paging.asked(request, "status", CommandState),
        command_type=paging.asked(request, "command_type", str),
        queue=paging.asked(request, "queue", Queue),
        policy_profile=paging.asked(request, "policy_profile", str),
        schedule_id=paging.asked(request, "schedule_id", UUID),
        created_after=paging.moment(request, "created_after"),
        created_before=paging.moment(request, "created_before"),
        is_oldest_first=paging.asked(request, "sort", Order) == "asc",  # type: ignore[arg-type]
    )
    limit, cursor = paging.limit(request), paging.asked(request, "cursor", str)
    return await read(request, "runtime.read", lambda tx, _: reading.page(tx, wanted, limit=limit, behind=cursor))


@get(COMMAND, operation_class=described(view=CommandView))
async def one(request: Call, command_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(command_id, kind="command")
    return await read(request, "runtime.read", lambda tx, _: reading.one(tx, wanted))


@get(f"{COMMAND}/attempts", operation_class=described(view=AttemptPage))
async def attempts(request: Call, command_id: FromPath[str]) -> Response[bytes]:
    """A page of a command's attempts, the first one first."""
    wanted, limit = identity(command_id, kind="command"), paging.limit(request)
    behind = paging.asked(request, "cursor", Number)
    return await read(request, "runtime.read", lambda tx, _: reading.attempts(tx, wanted, limit=limit, behind=behind))


@get(f"{COMMAND}/trace", operation_class=described(view=TraceView))
async def trace(request: Call, command_id: FromPath[str]) -> Response[bytes]:
    """A command with its attempts, events, children, dead letter, approval and totals."""
    wanted = identity(command_id, kind="command")
    return await read(request, "runtime.read", lambda tx, _: reading.trace(tx, wanted))


@post(COMMANDS, status_code=CREATED, operation_class=described(body=NewCommand, view=CommandView, status=CREATED))
async def submit(request: Call) -> Response[bytes]:
    """Enqueue a command of a type that people may start.

    An `Idempotency-Key` is the command's own, so as long as the command is kept, the same wish again answers it.
    """
    key, was_there = request.headers.get("idempotency-key"), False

    async def act(tx: Transaction, who: Principal, body: NewCommand) -> View:
        nonlocal was_there
        command, was_there = await control.submit(tx, who, body, key=key)
        return command

    answer = await mutate(request, "runtime.manage", NewCommand, act, status=CREATED)
    if was_there:
        answer.headers["Idempotent-Replayed"] = "true"
    return answer


@post(f"{COMMAND}/cancel", status_code=200, operation_class=described(body=Cancel, view=CommandView))
async def cancel(request: Call, command_id: FromPath[str]) -> Response[bytes]:
    """End a command that waits; one that runs is asked to stop, and `cancel_requested_at` says so."""
    return await _moved(request, command_id, Cancel, control.cancel)


@post(f"{COMMAND}/hold", status_code=200, operation_class=described(body=Hold, view=CommandView))
async def hold(request: Call, command_id: FromPath[str]) -> Response[bytes]:
    """Let a command wait until it is resumed; all behind it in its lane wait as well."""
    return await _moved(request, command_id, Hold, control.hold)


@post(f"{COMMAND}/resume", status_code=200, operation_class=described(body=Resume, view=CommandView))
async def resume(request: Call, command_id: FromPath[str]) -> Response[bytes]:
    """Queue a command that an operator or a pause holds."""
    return await _moved(request, command_id, Resume, control.resume)


@post(f"{COMMAND}/transition", status_code=200, operation_class=described(body=Transition, view=CommandView))
async def transition(request: Call, command_id: FromPath[str]) -> Response[bytes]:
    """Try a move by hand; 409 for every one that the lifecycle forbids or makes itself."""
    return await _moved(request, command_id, Transition, control.transition)


async def _moved(
    request: Call,
    command_id: str,
    body: type[Body],
    move: Callable[[Transaction, Principal, UUID, Any], Awaitable[CommandView]],
) -> Response[bytes]:
    wanted = identity(command_id, kind="command")
    return await mutate(request, "runtime.manage", body, lambda tx, who, asked: move(tx, who, wanted, asked))


@get(f"{RUNTIME}/queues", operation_class=described(view=QueuesView))
async def queues(request: Call) -> Response[bytes]:
    """What waits and runs in each queue, by type."""
    return await read(request, "runtime.read", lambda tx, _: overview.queues(tx))


@get(f"{RUNTIME}/workers", operation_class=described(view=WorkersView))
async def workers(request: Call) -> Response[bytes]:
    """The living workers, and how many commands of this account each runs."""
    return await read(request, "runtime.read", lambda tx, _: overview.workers(tx))


@get(f"{RUNTIME}/taxonomy", operation_class=described(view=TaxonomyView))
async def taxonomy(request: Call) -> Response[bytes]:
    """Command types with their payloads, profiles, queues, error classes, states and moves."""
    await caller(request, "runtime.read")
    return answered(overview.taxonomy())


ROUTES = (page, one, attempts, trace, submit, cancel, hold, resume, transition, queues, workers, taxonomy)
