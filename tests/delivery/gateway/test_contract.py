"""The five scenarios that every adapter passes."""

import asyncio

import pytest

from app.delivery.types.runs import FailureClass, GatewayError
from tests.delivery.gateway import outsides, peers, programs
from tests.delivery.gateway.kit import (
    CALL,
    FAILURES,
    LIMITS,
    RETRY_AFTER,
    SESSION,
    TOKEN,
    Cut,
    Fails,
    Hangs,
    Malformed,
    Says,
    TooLarge,
    after,
)

WORLDS = {
    "responses": outsides.ResponsesWorld,
    "responses-stream": outsides.StreamedResponsesWorld,
    "chat": outsides.ChatWorld,
    "chat-stream": outsides.StreamedChatWorld,
    "process": programs.ProcessWorld,
    "mcp": peers.McpWorld,
    "scripted": programs.ScriptedWorld,
}


@pytest.fixture(params=WORLDS, scope="module")
async def world(request, tmp_path_factory):
    kind = WORLDS[request.param]
    made = kind(tmp_path_factory.mktemp("crew")) if kind is programs.ProcessWorld else kind()
    ready, leave = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def hold():
        async with made.opened() as opened:
            ready.set_result(opened)
            await leave.wait()

    # Entered and left in one task, as servers want it.
    holding = asyncio.create_task(hold())
    yield await ready
    leave.set()
    await holding


async def failure(world, play, **options):
    with pytest.raises(GatewayError) as caught:
        await world.answer(play, **options)
    shown = f"{caught.value!r} {caught.value.message}"
    assert TOKEN not in shown
    assert SESSION not in shown
    return caught.value


async def test_a_plain_answer_comes_with_what_it_used(world):
    answer = await world.answer(Says("It is \u00e9 done."))
    assert (answer.text, answer.tool_calls) == ("It is \u00e9 done.", ())
    assert answer.usage == {"input_tokens": 7, "output_tokens": 3}
    if world.asked:
        assert "Hello \u00e9" in world.asked[-1]
        assert "task_status" in world.asked[-1]


async def test_a_tool_call_and_its_result_go_round(world):
    first = await world.answer(Says("", (CALL,)))
    (call,) = first.tool_calls
    assert (call.name, call.arguments) == (CALL.name, CALL.arguments)
    assert call.call_id
    second = await world.answer(Says("Done."), ask=after(first))
    assert second.text == "Done."
    if world.asked:
        assert "It is in review now." in world.asked[-1]
        assert call.call_id in world.asked[-1]


async def test_a_failure_has_its_class_and_says_when_to_come_again(world):
    for expected in FAILURES:
        error = await failure(world, Fails(expected))
        assert (error.failure, error.retry_after) == (expected, RETRY_AFTER if expected in LIMITS else None), error.message


async def test_a_call_that_is_cancelled_or_too_late_leaves_nothing_outside(world):
    sending = asyncio.create_task(world.send(Hangs()))
    await world.begun()
    sending.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await sending
        await world.ended()
    error = await failure(world, Hangs(), within=0.25)
    assert error.failure is FailureClass.TIMEOUT
    await world.ended()


async def test_an_answer_that_is_too_large_malformed_or_cut_is_never_text(world):
    for play in (TooLarge(), Malformed(), Cut()):
        if not isinstance(play, world.cannot):
            error = await failure(world, play)
            assert error.failure in (FailureClass.FORMAT, FailureClass.UNAVAILABLE), (play, error.message)
            assert error.may_have_arrived
