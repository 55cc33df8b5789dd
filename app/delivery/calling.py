"""The call outside of one round, by one profile after the other until one answers."""

import asyncio
from collections.abc import Sequence

import msgspec

from app.delivery import presence, profiles, rounds, stopping
from app.delivery.failures import FailOver, after_failure
from app.delivery.gateway.rounds import taking_over
from app.delivery.queries import runs as queries
from app.delivery.resources import Resources
from app.delivery.rounds import Round
from app.delivery.turns import Ready
from app.delivery.types.runs import Exchange, GatewayError, ParsedAnswer, Profile, RawAnswer, SendHeaders
from app.events import service as events
from app.kernel import clock
from app.kernel.errors import CircuitOpen
from app.observability import tracing
from app.runtime.breakers import Call, guarded
from app.runtime.handlers import PASSING, Attempt, Failed, failure_of
from app.runtime.rules.settings import SWITCH_DELIVERIES
from app.runtime.types import ErrorClass
from app.usage import service as usage
from app.usage.rules import pricing
from app.usage.types import Exhausted, Spent

STOPPED_SECONDS = 15.0
# How much longer than the gateway's answer a call may take on this side.
CLOSING_SECONDS = 10.0
# When an answer is kept once more while the database is in trouble.
KEPT_AGAIN_SECONDS = (0.05, 0.5, 2.0)
CIRCUIT_OPEN, GONE = "circuit_open", "gone"


class Unheard(Failed):
    """A call outside that brought no answer."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(profiles.ERRORS[error.failure], f"{error.failure}: {error.message}", retry_after=error.retry_after)
        self.error = error


def unfunded(budget: Exhausted) -> Failed:
    """The run waits for the budget without using up an attempt."""
    message = f"a budget of the {budget.scope} in {budget.unit} has no room for a run"
    return Failed(ErrorClass.UNAVAILABLE, message, retry_after=budget.retry_after)


class Calling:
    """`one` is the round as it stands; it changes when another profile takes it over, and when it is answered."""

    def __init__(self, attempt: Attempt, ready: Ready, one: Round, exchanges: Sequence[Exchange]) -> None:
        self.one = one
        self._attempt = attempt
        self._ready = ready
        self._exchanges = exchanges
        self._resources: Resources = attempt.resources

    async def heard(self) -> ParsedAnswer:
        """The answer, kept before this returns; one that was kept already is not asked for again."""
        if self.one.answer is not None:
            return self._read(self.one.answer)
        failures: list[Unheard | CircuitOpen] = []
        left = list(profiles.order(self._ready.profiles, name=self.one.profile, adapter=self.one.adapter))
        while left:
            try:
                return await self._by(left.pop(0), after=failures[-1] if failures else None)
            except (Unheard, CircuitOpen) as error:
                failures.append(error)
                if not self._fails_over(error, has_next=bool(left)):
                    break
        if len(failures) == 1:
            raise failures[0]
        found = profiles.outcome([failure_of(failure) for failure in failures])
        raise Failed(found.error, found.message, retry_after=found.retry_after)

    def _read(self, answer: RawAnswer) -> ParsedAnswer:
        try:
            return self._resources.gateways.of(self.one.adapter).read(answer)
        except GatewayError as error:
            raise Unheard(error) from None

    def _fails_over(self, error: Unheard | CircuitOpen, *, has_next: bool) -> bool:
        if isinstance(error, CircuitOpen):
            return has_next
        known = error.error
        after = after_failure(
            known.failure,
            may_have_arrived=known.may_have_arrived,
            has_next=has_next,
            retry_after=known.retry_after,
            tries=self.one.tries,
        )
        return isinstance(after, FailOver)

    async def _by(self, profile: Profile, *, after: Unheard | CircuitOpen | None) -> ParsedAnswer:
        attempt, gateways = self._attempt, self._resources.gateways
        waits_while(attempt, SWITCH_DELIVERIES)
        try:
            found = gateways.resolved(limited(profile, attempt))
            token = gateways.token(found)
        except GatewayError as error:
            raise Unheard(error) from None
        call = Call(
            account_id=attempt.claim.account_id,
            dependency=gateways.dependency(found),
            timeout=found.timeout_seconds + CLOSING_SECONDS,
            origin=attempt.origin,
        )
        async with guarded(attempt.database, call):
            if (profile.name, profile.adapter) != (self.one.profile, self.one.adapter):
                await self._hand_over(profile, after)
            raw, parsed, seconds = await self._sent(found, token)
        await self._keep(profile, raw, parsed, seconds)
        await presence.answered(attempt, self._resources.signs, profile.name)
        return parsed

    async def _hand_over(self, profile: Profile, after: Unheard | CircuitOpen | None) -> None:
        """Let another profile have the round, before it is asked; it is told all that came before."""
        before, reason = self.one, _reason(after)
        request = encoded(self._resources, self._ready, taking_over(profile) if self._exchanges else profile, self._exchanges)
        one = rounds.moved_on(before, to=profile.name, adapter=profile.adapter, request=request, reason=reason)
        tried = msgspec.json.encode(one.failed_over).decode()
        place = (before.ask, before.number, before.sends)
        payload = {"from": before.profile, "to": one.profile, "reason": reason, "ask": one.ask, "round": one.number}
        entity, sequence = ("notification", self._ready.notification_id), one.failed_over[-1].number
        async with self._attempt.transaction() as tx:
            stopping.unless_stopped(tx, self._ready.notification_id)
            to = (one.profile, one.adapter, one.request, tried)
            tx.write(queries.FAIL_OVER, tx.account_id, self._ready.notification_id, *place, *to, expect=1)
            events.record(tx, "delivery:round:failed_over", entity=entity, actor=None, payload=payload, sequence=sequence)
        self.one = one

    async def _sent(self, profile: Profile, token: str | None) -> tuple[RawAnswer, ParsedAnswer, float]:
        gateway = self._resources.gateways.of(profile.adapter)
        time = asyncio.get_running_loop().time
        began = time()
        try:
            raw = await gateway.send(self.one.request, profile=profile, token=token, headers=self._headers(), now=clock.now())
            return raw, gateway.read(raw), round(time() - began, 6)
        except GatewayError as error:
            raise Unheard(error) from None

    async def _keep(self, profile: Profile, raw: RawAnswer, parsed: ParsedAnswer, seconds: float) -> None:
        """Commit what was heard, and what it used, before anything is made of it."""
        one, ready = self.one, self._ready
        spent = _spent(one, profile, parsed, seconds)
        self._attempt.spent_on(tokens=parsed.usage or None, cost_usd=spent.cost_usd, executor=profile.name)
        told = (raw.body, raw.status, raw.content_type, msgspec.json.encode(dict(parsed.usage)).decode(), spent.cost_usd, seconds)
        left = list(KEPT_AGAIN_SECONDS)
        while True:
            try:
                async with self._attempt.transaction() as tx:
                    place = (one.ask, one.number, one.sends)
                    tx.write(queries.KEEP_ANSWER, tx.account_id, ready.notification_id, *place, *told, expect=1)
                    await usage.spend(tx, ready.run, spent)
                break
            except PASSING:
                if not left:
                    raise
                # It is paid for, and lost with this attempt.
                await asyncio.sleep(left.pop(0))
        self.one = msgspec.structs.replace(one, answer=raw)

    def _headers(self) -> SendHeaders:
        claim, ready = self._attempt.claim, self._ready
        return SendHeaders(
            agent_slug=ready.slug,
            gateway_id=ready.gateway_id,
            session_key=ready.session_key,
            idempotency_key=rounds.key(ready.notification_id, self.one, spent=ready.spent),
            lane_seq=claim.lane_seq,
            lane_epoch=claim.lane_epoch,
            request_id=claim.request_id,
            traceparent=tracing.traceparent(claim.correlation_id),
            directories=ready.directories,
        )


def _spent(one: Round, profile: Profile, parsed: ParsedAnswer, seconds: float) -> Spent:
    tokens = {name: parsed.usage.get(name, 0) for name in ("input_tokens", "output_tokens")}
    cost = pricing.cost(parsed.cost_usd, profile.settings, **tokens)
    return Spent(
        ask=one.ask, round=one.number, profile=profile.name, seconds=seconds, cost_usd=cost, model=parsed.model, **tokens
    )


def _reason(after: Unheard | CircuitOpen | None) -> str:
    match after:
        case None:
            return GONE
        case CircuitOpen():
            return CIRCUIT_OPEN
        case Unheard():
            return after.error.failure


def limited(profile: Profile, attempt: Attempt) -> Profile:
    """The profile with no longer a timeout than an attempt has."""
    most = max(1.0, attempt.profile.timeout - CLOSING_SECONDS)
    return msgspec.structs.replace(profile, timeout_seconds=min(profile.timeout_seconds, most))


def encoded(resources: Resources, ready: Ready, profile: Profile, exchanges: Sequence[Exchange]) -> bytes:
    """The request of the round after these."""
    gateway = resources.gateways.of(profile.adapter)
    try:
        return gateway.encode(rounds.asked(ready.prompt, exchanges), profile=profile, caller=ready.caller)
    except GatewayError as error:
        raise Unheard(error) from None


def waits_while(attempt: Attempt, switch: str) -> None:
    """Let the delivery wait while a kill switch is engaged: nothing is lost, and no attempt is used up."""
    if attempt.database.controls.flag(attempt.claim.account_id, switch):
        raise Failed(ErrorClass.UNAVAILABLE, f"the kill switch {switch} is engaged", retry_after=STOPPED_SECONDS)
