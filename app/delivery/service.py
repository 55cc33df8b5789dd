"""A run, step by step: decide and freeze, make the rounds, settle what was said."""

from collections.abc import Callable
from typing import Any

import msgspec

from app.delivery import briefing, loops, offering, profiles, prompting, rounds, siting, stopping, wakeups
from app.delivery.ending import end
from app.delivery.queries import runs as queries
from app.delivery.resources import Resources
from app.delivery.rounds import Round
from app.delivery.rules import after_silence, classify_text, should_deliver, wants_answer
from app.delivery.turns import Ready, Said, Settled, Turn
from app.delivery.types import AfterSilence, AuthorKind, Deliver, DeliveryReason, NoReply, Outcome, Reply, Skip
from app.delivery.types.prompts import PromptWakeup
from app.delivery.types.runs import Ask, Tool
from app.kernel.transaction import Transaction
from app.messages import positions
from app.messages import service as messages
from app.notifications.types import NotificationState, NotificationType
from app.policies import legacy
from app.policies.types import AgentActor
from app.runtime.rules.settings import LOOP_DEPTH
from app.tasks.renewing import first_after
from app.usage import service as usage
from app.usage.types import Exhausted

MESSAGE_LIMIT = 100_000
AGENT_RETIRED = "agent_retired"


async def prepare(tx: Transaction, turn: Turn, resources: Resources, *, token: Callable[[], str]) -> Settled | Exhausted | Ready:
    """Decide on the facts of now; freeze the prompt at the first attempt and keep it for all later ones.

    A run that was answered is not decided about again.
    """
    row = await tx.row(queries.NOTIFICATION, tx.account_id, turn.notification_id, turn.session_id, turn.command_id, turn.attempt)
    if row is None:
        return Settled()
    if row["state"] != NotificationState.QUEUED:
        # Whoever ended it together with others released nothing.
        await usage.release(tx, turn.notification_id)
        return Settled()
    if row["retired_at"] is not None:
        return await _skipped(tx, turn, row, reason=AGENT_RETIRED)
    ready = await _ready(tx, turn, row, resources)
    if ready.is_answered:
        return ready
    if ready.is_acting:
        return await usage.reserve(tx, ready.run) or _sent(tx, ready, resources)
    return await _first_sent(tx, ready, row, resources, token=token)


async def _first_sent(
    tx: Transaction, ready: Ready, row: Any, resources: Resources, *, token: Callable[[], str]
) -> Settled | Exhausted | Ready:
    """Nothing was heard yet, so it is decided about, and may still be left."""
    found = await briefing.situation(tx, row)
    decision = _decided(tx, found)
    if isinstance(decision, Skip):
        return await _skipped(tx, ready.turn, row, reason=decision.reason)
    wakeup = await wakeups.of(tx, found)
    if wakeup is not None and wakeups.is_idle(wakeup):
        return await _skipped(tx, ready.turn, row, reason=DeliveryReason.NOTHING_TO_DO)
    if exhausted := await usage.reserve(tx, ready.run):
        return exhausted
    # A replay forgot why it is delivered.
    ready = msgspec.structs.replace(ready, reason=decision.reason if row["reason"] is None else None)
    tx.write(queries.TAKE, tx.account_id, ready.notification_id, ready.reason, expect=1)
    if not ready.prompt:
        ready = await _frozen(tx, ready, found, resources, token=token, wakeup=wakeup)
    return _sent(tx, ready, resources)


def _decided(tx: Transaction, found: briefing.Situation) -> Deliver | Skip:
    return should_deliver(briefing.facts(found), depth_limit=tx.controls.limit(tx.account_id, LOOP_DEPTH))


async def _skipped(tx: Transaction, turn: Turn, row: Any, *, reason: str) -> Settled:
    loops.skipped(reason)
    await end(tx, turn.notification_id, NotificationState.SKIPPED, reason=reason, attempts=turn.attempt, spent=row["spent"])
    return Settled()


async def _frozen(
    tx: Transaction,
    ready: Ready,
    found: briefing.Situation,
    resources: Resources,
    *,
    token: Callable[[], str],
    wakeup: PromptWakeup | None,
) -> Ready:
    tools = _tools(ready, found, resources)
    prompt = await prompting.build(tx, found, settings=resources.settings, token=token, tools=tools, wakeup=wakeup)
    ask = Ask(instructions=prompt.instructions, input=prompt.input, tools=tools, about=ready.type, task_id=ready.task_id)
    frozen, seen = msgspec.json.encode(ask), prompt.seen
    made = (prompt.template_version, prompt.template_source, prompt.digest, prompt.size)
    tx.write(queries.FREEZE, tx.account_id, ready.notification_id, ready.turn.session_id, frozen, *made, seen, expect=1)
    return msgspec.structs.replace(ready, prompt=frozen, seen=seen)


def _tools(ready: Ready, found: briefing.Situation, resources: Resources) -> tuple[Tool, ...]:
    own = ready.profiles[0]
    if found.agent is None or not resources.gateways.of(own.adapter).offers_tools(own):
        return ()
    actor = AgentActor(found.agent, found.policy)
    has_repository = siting.is_on(found.task)
    verbs = offering.offered(resources.verbs, ready.type, actor=actor, account=found.account, has_repository=has_repository)
    return tuple(map(offering.tool, verbs))


def _sent(tx: Transaction, ready: Ready, resources: Resources) -> Ready:
    """The run with its current round about to be sent, for the first time or again."""
    current = ready.made[-1] if ready.made else first(ready, resources)
    write_send(tx, ready, current)
    return msgspec.structs.replace(ready, made=(*ready.made[:-1], msgspec.structs.replace(current, sends=current.sends + 1)))


def first(ready: Ready, resources: Resources) -> Round:
    """The first round of an asking, by the agent's own profile."""
    own = ready.profiles[0]
    request = resources.gateways.of(own.adapter).encode(rounds.asked(ready.prompt, ()), profile=own, caller=ready.caller)
    return Round(ask=ready.ask, number=0, profile=own.name, adapter=own.adapter, request=request, sends=0)


def write_send(tx: Transaction, ready: Ready, one: Round) -> None:
    """Note that the round is sent, in the transaction before."""
    by = (one.profile, one.adapter, one.request, ready.turn.command_id, ready.turn.attempt)
    tx.write(queries.SEND, tx.account_id, ready.notification_id, one.ask, one.number, *by, expect=1)


async def _ready(tx: Transaction, turn: Turn, row: Any, resources: Resources) -> Ready:
    ask = row["asks"] or 0
    kept = await tx.rows(queries.ROUNDS, tx.account_id, turn.notification_id, ask) if row["prompt"] is not None else []
    account = legacy.in_force(tx, row["settings"])
    kind = NotificationType(row["type"])
    return Ready(
        turn=turn,
        account_id=tx.account_id,
        type=kind,
        task_id=row["task_id"],
        agent_id=row["agent_id"],
        agent_name=row["name"],
        slug=row["slug"],
        gateway_id=row["gateway_id"],
        session_key=row["session_key"],
        profiles=profiles.read(row["profiles"], timeout_seconds=resources.settings.gateway_timeout_seconds),
        directories=tuple(row["directories"]),
        prompt=row["prompt"] or b"",
        ask=ask,
        made=tuple(rounds.restored(kept, ask=ask)),
        silences=row["silences"] or 0,
        depth=row["depth"],
        wanted=wants_answer(kind, author_kind=AuthorKind(row["actor_kind"])),
        renew_after=first_after(lease_seconds=account.lease_seconds, left=row["lease_left"]),
        spent=row["spent"],
        seen=row["seen"] or 0,
        reason=None,
    )


def hold(tx: Transaction, ready: Ready) -> None:
    """Let this transaction commit only while the turn lasts: nobody ended the notification, and this attempt still runs."""
    stopping.unless_stopped(tx, ready.notification_id)
    tx.write(queries.STILL_RUNS, tx.account_id, ready.turn.command_id, ready.turn.attempt, expect=1)


async def settle(tx: Transaction, ready: Ready, said: Said, *, attempt: int, is_last: bool = False) -> AfterSilence:
    """Post what the agent said, or end in silence; RETRY, never after the last attempt, leaves it queued, to be asked anew."""
    stopping.unless_stopped(tx, ready.notification_id)
    answer = classify_text(said.text)
    if isinstance(answer, Reply):
        outcome = Outcome.REPLIED if await _post(tx, ready, answer.text[:MESSAGE_LIMIT]) else Outcome.NOT_POSTED
    elif isinstance(answer, NoReply):
        outcome = Outcome.NO_REPLY
    elif said.is_acting:
        outcome = Outcome.ACTED
    else:
        return await _silence(tx, ready, attempt=attempt, is_last=is_last)
    await _over(tx, ready, NotificationState.DELIVERED, outcome, attempt=attempt)
    return AfterSilence.DELIVERED


async def _post(tx: Transaction, ready: Ready, text: str) -> bool:
    """Whether there was a thread to say it in."""
    depth = ready.depth + 1
    if ready.task_id is None:
        return await wakeups.place(tx, ready.principal, ready.notification_id, text, depth=depth) is not None
    await messages.post(tx, ready.principal, ready.task_id, text, answers=ready.notification_id, depth=depth)
    return True


async def _silence(tx: Transaction, ready: Ready, *, attempt: int, is_last: bool) -> AfterSilence:
    after = after_silence(ready.silences + 1, wanted=ready.wanted, is_last=is_last)
    if after is AfterSilence.RETRY:
        tx.write(queries.ASK_ANEW, tx.account_id, ready.notification_id, ready.ask, expect=1)
    else:
        state = NotificationState.NO_RESPONSE if after is AfterSilence.NO_RESPONSE else NotificationState.DELIVERED
        await _over(tx, ready, state, Outcome.SILENT, attempt=attempt)
    return after


async def _over(tx: Transaction, ready: Ready, state: NotificationState, outcome: Outcome, *, attempt: int) -> None:
    """The run is over: everything that follows from that is done here."""
    if ready.task_id is not None and state is NotificationState.DELIVERED:
        positions.advance(tx, ready.task_id, ready.agent_id, ready.seen)
    tx.write(queries.SETTLE, tx.account_id, ready.notification_id, outcome, expect=1)
    # It locks the task, which everybody locks before budgets.
    await loops.run_ended(tx, ready.notification_id)
    await end(tx, ready.notification_id, state, attempts=attempt, reason=ready.reason, spent=ready.spent)
