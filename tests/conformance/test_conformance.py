"""One table of cases over HTTP, MCP and function calls: the same effect, the same code, the same answer."""

from typing import Any

import pytest

from app import main
from app.kernel.errors import STATUS, Code
from app.kernel.wire import LIMIT_MOST
from tests.conformance.sameness import Plain, effects
from tests.conformance.steps import Case
from tests.conformance.table import CASES
from tests.conformance.transports import TRANSPORTS, Answer, Ask, Call
from tests.conformance.worlds import Stage, World

STRANGERS = ("author_id", "account_id", "agent_id", "actor_id", "nonsense")


async def answered(call: Call, world: World, case: Case) -> Answer:
    ask = Ask(who=case.who, verb=case.verb, arguments=world.filled(case.sends), key=case.key)
    if case.key is None:
        return await call(world, ask)
    first = await call(world, ask)
    assert (first.code, first.is_replay) == (None, False)
    if case.again is None:
        again = await call(world, ask)
        assert (again.status, again.content, again.is_replay) == (first.status, first.content, True)
        return again
    return await call(world, Ask(who=case.who, verb=case.verb, arguments=world.filled(case.again), key=case.key))


async def played(call: Call, stage: Stage, case: Case) -> Any:
    """What the case came to in an account of its own."""
    async with stage.world() as world:
        for step in case.given:
            await step(world)
        answer = await answered(call, world, case)
        held_to(case, answer, world)
        if case.then:
            await case.then(world, answer)
        plain = Plain()
        return plain.of(await effects(world)), answer.status, plain.of(answer.content)


def held_to(case: Case, answer: Answer, world: World) -> None:
    assert answer.code == case.refused, answer.content
    told = answer.error["details"] if answer.error else answer.content
    assert {name: told[name] for name in case.says} == world.filled(case.says)
    if case.refused:
        assert answer.status == STATUS[Code(case.refused)]
    if case.field:
        assert [one["field"] for one in told["fields"]] == [case.field]
        assert all(one["message"] for one in told["fields"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_every_transport_does_the_same(stage, case):
    seen = {name: await played(call, stage, case) for name, call in TRANSPORTS.items()}
    assert seen["mcp"] == seen["http"]
    assert seen["function"] == seen["http"]


def test_every_verb_is_allowed_in_one_case_and_refused_in_another():
    verbs = {verb.name for verb in main.VERBS}
    assert {case.verb for case in CASES if case.refused is None} == verbs
    assert {case.verb for case in CASES if case.refused is not None} == verbs
    names = [case.id for case in CASES]
    assert len(names) == len(set(names))


async def test_no_verb_takes_an_identity_or_an_unknown_field(stage):
    async with stage.world() as world:
        before = await effects(world)
        for verb in main.VERBS:
            for field in STRANGERS:
                for call in TRANSPORTS.values():
                    ask = Ask(who="orchestrator", verb=verb.name, arguments={field: str(world.account_id)})
                    answer = await call(world, ask)
                    assert (answer.status, answer.code) == (422, "validation_failed")
                    assert [one["field"] for one in answer.error["details"]["fields"]] == [field]
        assert await effects(world) == before


FOREIGN = {case.verb: case for case in reversed(CASES) if "{task}" in case.sends.values() and case.refused is None}


@pytest.mark.parametrize("verb", sorted(FOREIGN))
async def test_the_id_of_another_account_is_answered_like_an_absent_one(stage, verb):
    case = FOREIGN[verb]
    named = next(field for field, value in case.sends.items() if value == "{task}")
    async with stage.world() as world, stage.world() as foreign:
        for step in case.given:
            await step(world)
        known = await foreign.task(assignee_slugs=["engineer"])
        before = await effects(foreign)
        for call in TRANSPORTS.values():
            seen = []
            for identity in (known["id"], world.things["absent"]):
                arguments = world.filled(case.sends) | {named: identity}
                answer = await call(world, Ask(who=case.who, verb=verb, arguments=arguments))
                seen.append((answer.status, repr(Plain().of(answer.content)).replace(identity, "ID")))
            assert seen[0] == seen[1]
            assert seen[0][0] == 404
        assert await effects(foreign) == before


@pytest.mark.parametrize("verb", [verb.name for verb in main.VERBS if "limit" in verb.body.__struct_fields__])
async def test_a_limit_beyond_the_most_is_cut_and_said(stage, verb):
    case = next(case for case in CASES if case.verb == verb and case.refused is None)
    async with stage.world() as world:
        for step in case.given:
            await step(world)
        for call in TRANSPORTS.values():
            answer = await call(world, Ask(who=case.who, verb=verb, arguments=world.filled(case.sends) | {"limit": 9999}))
            assert answer.code is None
            assert answer.content["limit"] <= LIMIT_MOST


async def test_a_body_that_is_no_object_is_refused(stage):
    async with stage.world() as world:
        for verb in main.VERBS:
            for arguments in ([1], "x", 7):
                ask = Ask(who="engineer", verb=verb.name, arguments=arguments)
                for name in ("http", "function"):
                    assert (await TRANSPORTS[name](world, ask)).code == "validation_failed"


async def test_a_session_key_of_nobody_is_refused(stage):
    async with stage.world() as world:
        task = await world.task(assignee_slugs=["engineer"])
        ask = Ask(who="engineer", verb="task-load", arguments={"task_id": task["id"]}, session_key="cbs_nobodys")
        assert {(await call(world, ask)).code for call in TRANSPORTS.values()} == {"unauthenticated"}


@pytest.mark.parametrize("broken", [{"task_id": "\ud800"}, {"\ud800": 1}, {"task_id": {1, 2}}, {"task_id": object()}, {(1,): 2}])
async def test_arguments_that_no_json_can_hold_are_refused_as_a_function_call(stage, broken):
    async with stage.world() as world:
        answer = await TRANSPORTS["function"](world, Ask(who="engineer", verb="task-load", arguments=broken))
        assert answer.code in ("malformed_request", "validation_failed")
        named = await TRANSPORTS["function"](world, Ask(who="engineer", verb="no such \ud800", arguments={}))
        assert (named.status, named.code) == (404, "not_found")
