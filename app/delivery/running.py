"""The rounds of a run: what is asked is committed before it is sent, and what was heard before it is acted upon."""

import asyncio

import msgspec

from app.agentapi import functions
from app.delivery import profiles, rounds, service, stopping, tooling
from app.delivery.calling import CLOSING_SECONDS, Calling, encoded, limited, unfunded, waits_while
from app.delivery.gateway.rounds import taking_over
from app.delivery.keeping import lease_kept
from app.delivery.queries import runs as queries
from app.delivery.resources import Resources
from app.delivery.rounds import Done, Round
from app.delivery.tooling import Tools
from app.delivery.turns import Ready, Said
from app.delivery.types.runs import Exchange, ParsedAnswer
from app.events import service as events
from app.kernel.errors import Forbidden
from app.runtime.handlers import Attempt, Failed
from app.runtime.rules.settings import DELIVERY_ROUNDS, SWITCH_AGENTS
from app.runtime.types import ErrorClass
from app.usage import service as usage

EXHAUSTED = "rounds_exhausted"


async def made(attempt: Attempt, ready: Ready) -> Said:
    """Make the rounds that are not made yet; what the agent says in the last one is what it says."""
    run = _Run(attempt, ready)
    async with lease_kept(attempt, ready):
        return await run.said()


class _Run:
    def __init__(self, attempt: Attempt, ready: Ready) -> None:
        self._attempt = attempt
        self._ready = ready
        self._resources: Resources = attempt.resources
        self._tools = Tools(attempt.database, self._resources, ready, origin=attempt.origin)
        self._exchanges: list[Exchange] = []
        self._time = asyncio.get_running_loop().time
        self._began = self._time()
        self._has_asked = False

    async def said(self) -> Said:
        """Go on from where a worker that died left off."""
        *before, one = self._ready.made
        for earlier in before:
            calling = Calling(self._attempt, self._ready, earlier, ())
            self._exchanges.append(rounds.exchange(await calling.heard(), earlier.results))
        while True:
            calling = Calling(self._attempt, self._ready, one, self._exchanges)
            self._has_asked |= one.answer is None
            parsed, one = await calling.heard(), calling.one
            if not parsed.tool_calls or not self._tools.are_offered:
                return Said(text=parsed.text, is_acting=bool(self._exchanges))
            if one.number >= self._most:
                await self._exhausted(one, parsed)
                return Said(text=parsed.text, is_acting=True)
            results = await self._results(one, parsed)
            self._exchanges.append(rounds.exchange(parsed, results))
            one = await self._next(one)

    @property
    def _most(self) -> int:
        return self._attempt.database.controls.limit(self._ready.account_id, DELIVERY_ROUNDS)

    async def _results(self, one: Round, parsed: ParsedAnswer) -> list[Done]:
        """Make the calls that have no result yet, one after the other; each result is kept before the next call."""
        results = list(one.results)
        for index, call in list(enumerate(rounds.heeded(parsed)))[len(results) :]:
            waits_while(self._attempt, SWITCH_AGENTS)
            done, is_kept = await self._tools.call(one, index, call)
            if not is_kept:
                async with self._attempt.transaction() as tx:
                    stopping.unless_stopped(tx, self._ready.notification_id)
                    tx.put(queries.KEEP_RESULTS, tooling.row(self._ready, one, index, call, done))
            results.append(done)
        return results

    async def _exhausted(self, one: Round, parsed: ParsedAnswer) -> None:
        """Leave the calls of the last answer undone, and say so once."""
        calls = rounds.heeded(parsed)
        if len(one.results) == len(calls):
            return
        refused = tooling.done(functions.refusal(_no_more(self._most), self._attempt.origin))
        entity = ("notification", self._ready.notification_id)
        payload = {"ask": one.ask, "round": one.number, "calls": len(calls) - len(one.results), "most": self._most}
        async with self._attempt.transaction() as tx:
            stopping.unless_stopped(tx, self._ready.notification_id)
            for index, call in list(enumerate(calls))[len(one.results) :]:
                tx.put(queries.KEEP_RESULTS, tooling.row(self._ready, one, index, call, refused))
            events.record(tx, "delivery:rounds:exhausted", entity=entity, actor=None, payload=payload)

    async def _next(self, one: Round) -> Round:
        """The round after this one, by the profile that answered, committed and about to be sent."""
        profile, *_ = profiles.order(self._ready.profiles, name=one.profile, adapter=one.adapter)
        self._hand_on(limited(profile, self._attempt).timeout_seconds)
        is_same = (profile.name, profile.adapter) == (one.profile, one.adapter)
        request = encoded(self._resources, self._ready, profile if is_same else taking_over(profile), self._exchanges)
        found = Round(ask=one.ask, number=one.number + 1, profile=profile.name, adapter=profile.adapter, request=request, sends=0)
        async with self._attempt.transaction() as tx:
            stopping.unless_stopped(tx, self._ready.notification_id)
            # Locked before budgets, as everybody does.
            await tx.flush()
            # What was reserved may be used up, and a run may not go on past a budget for ever.
            exhausted = await usage.reserve(tx, self._ready.run)
            if exhausted is None:
                service.write_send(tx, self._ready, found)
        if exhausted is not None:
            raise unfunded(exhausted)
        return msgspec.structs.replace(found, sends=1)

    def _hand_on(self, seconds: float) -> None:
        """Let another attempt go on where too little of this one is left for an answer: it would be cut, and asked for twice."""
        left = self._attempt.profile.timeout - (self._time() - self._began)
        if self._has_asked and left < seconds + CLOSING_SECONDS / 2:
            raise Failed(ErrorClass.UNAVAILABLE, "the run goes on in another attempt", retry_after=0.0)


def _no_more(most: int) -> Forbidden:
    return Forbidden(f"after {most} rounds of tool calls no further ones are made in this turn", reason=EXHAUSTED)
