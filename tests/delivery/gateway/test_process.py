"""Commands of the operator's: what goes in, what they see, and that nothing of them is left."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from app.agents.types import Adapter
from app.delivery.gateway.process import Processes
from app.delivery.types.runs import Ask, FailureClass, GatewayError, Profile
from app.kernel.outside import Commands
from app.kernel.settings import ROOT
from tests import make
from tests.delivery.gateway.kit import CALLER, HEADERS, SESSION
from tests.delivery.gateway.programs import ProcessWorld
from tests.delivery.worlds import NOW

NEUTRAL = str(Path(tempfile.gettempdir()).resolve())


def profile(within=20.0, **settings):
    return Profile(name="cli", adapter=Adapter.PROCESS, settings={"command": "crew"} | settings, timeout_seconds=within)


async def run(commands, *, ask=None, directory=None, **settings):
    processes, wanted = Processes(commands), profile(**settings)
    headers = replace(HEADERS, directories=(str(directory),) if directory else ())
    request = processes.encode(ask or Ask(instructions="Be brief.", input="Hello"), profile=wanted, caller=CALLER)
    raw = await processes.send(request, profile=wanted, token=None, headers=headers, now=NOW)
    return processes.read(raw)


async def failure(commands, **options):
    with pytest.raises(GatewayError) as caught:
        await run(commands, **options)
    return caught.value


async def test_a_prompt_of_more_than_200_kib_goes_in_and_comes_back_whole():
    text = "\u00e9" * 150_000
    assert (await run(Commands("crew=/bin/cat"), ask=Ask(instructions="", input=text))).text == text


async def test_plain_text_is_the_prompt_and_plain_output_the_answer():
    assert (await run(Commands("crew=/bin/cat"))).text == "Be brief.\n\nHello"
    assert (await run(Commands("crew=/bin/echo '{not JSON}'"), output="text")).text == "{not JSON}"
    assert (await run(Commands("crew=/bin/true"))).text == ""


async def test_a_command_sees_what_it_is_handed_and_nothing_of_ours(monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("OPENCLAW_GATEWAY_TOKEN", "secret")
    monkeypatch.setenv("CREW_KEY", "not this one")
    handed = Commands("crew=CREW_KEY ABSENT /usr/bin/env").filled({"CREW_KEY": "of the crew"})
    seen = dict(line.split("=", 1) for line in (await run(handed, directory=tmp_path)).text.splitlines())
    own = {"CREW_KEY": "of the crew", "AGENT_SLUG": "tester", "AGENT_SESSION_KEY": SESSION, "IDEMPOTENCY_KEY": "delivery-1"}
    assert {name: seen.get(name) for name in own} == own
    assert seen.keys() - own.keys() <= {"PATH", "LANG", "LC_ALL", "TZ"}
    assert (await run(Commands("crew=/bin/pwd"), directory=tmp_path)).text == str(tmp_path.resolve())
    assert (await run(Commands("crew=/bin/pwd"), directory=tmp_path / "gone")).text == NEUTRAL


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("echo 'Error 429: Too Many Requests' >&2; exit 1", FailureClass.RATE_LIMITED),
        ("echo 'You have hit your usage limit' >&2; exit 1", FailureClass.QUOTA),
        ("echo 'Not logged in' >&2; exit 1", FailureClass.AUTH),
        ("echo 'unknown model' >&2; exit 1", FailureClass.REFUSED),
        ("echo 'request timed out' >&2; exit 1", FailureClass.TIMEOUT),
        ("echo 'rate limit' ; exit 1", FailureClass.RATE_LIMITED),
        ("exit 75", FailureClass.UNAVAILABLE),
        ("exit 77", FailureClass.AUTH),
        ("exit 1", FailureClass.FORMAT),
        ("kill -9 $$", FailureClass.UNAVAILABLE),
    ],
)
async def test_how_a_command_ends_and_what_it_says_is_its_class(tmp_path, line, expected):
    script = tmp_path / "play.sh"
    script.write_text(line)
    assert (await failure(Commands(f"crew=/bin/sh {script}"))).failure is expected


async def test_a_failure_tells_the_end_of_what_was_said_without_secrets(tmp_path):
    script = tmp_path / "play.sh"
    script.write_text("echo half of an answer; echo $CREW_KEY $AGENT_SESSION_KEY is wrong >&2; exit 1")
    error = await failure(Commands(f"crew=CREW_KEY /bin/sh {script}").filled({"CREW_KEY": "k3y-of-the-crew"}))
    assert error.message == "the command ended with exit code 1: *** *** is wrong"


async def test_a_command_that_is_not_there_was_never_run():
    for commands in (None, Commands("other=/bin/cat"), Commands("crew=/nowhere/at/all")):
        error = await failure(commands)
        assert (error.failure, error.may_have_arrived) == (FailureClass.REFUSED, False)


def guards():
    """The guards of this process, which has children of other tests too."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [pid for pid in children if "guardian" in Path(f"/proc/{pid}/cmdline").read_text()]


async def test_fifty_runs_however_they_end_leave_no_child_behind(tmp_path):
    world = ProcessWorld(tmp_path)
    script = tmp_path / "many.sh"
    script.write_text(f'read how; [ "$how" = answer ] && exec echo done; (sleep {world.mark} &) ; sleep {world.mark}')
    processes, wanted = Processes(Commands(f"crew=/bin/sh {script}")), profile()

    async def once(number):
        how = b"answer\n" if number % 10 else b"hang\n"
        sending = asyncio.create_task(processes.send(how, profile=wanted, token=None, headers=HEADERS, now=NOW))
        if how == b"hang\n":
            await asyncio.sleep(0.3)
            sending.cancel()
        return await asyncio.gather(sending, return_exceptions=True)

    ended = [await asyncio.gather(*(once(number) for number in range(start, start + 10))) for start in range(0, 50, 10)]
    assert sum(not isinstance(one, BaseException) for batch in ended for (one,) in batch) == 45
    assert not world.left()
    assert not guards()


RUNNER = """
import asyncio, sys
from tests.delivery.gateway.programs import ProcessWorld
from tests.delivery.worlds import NOW
from tests.delivery.gateway.kit import Hangs
from pathlib import Path
world = ProcessWorld(Path(sys.argv[1]))
world.mark = sys.argv[2]
asyncio.run(world.send(Hangs()))
"""


async def test_killing_the_worker_ends_its_command_and_all_that_this_started(tmp_path):
    world = ProcessWorld(tmp_path)
    command = (sys.executable, "-c", RUNNER, str(tmp_path), world.mark)
    worker = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)})
    await world.begun()
    worker.send_signal(signal.SIGKILL)
    await worker.wait()

    async def gone():
        return not world.left()

    await make.until(gone, seconds=5)


async def test_json_gets_the_tools_and_brings_back_calls(tmp_path):
    given = tmp_path / "given"
    script = tmp_path / "play.sh"
    script.write_text(f'cat > {given}; echo \'{{"tool_calls": [{{"name": "next", "arguments": {{"a": 1}}}}]}}\'')
    commands = Commands(f"crew=/bin/sh {script}")
    answer = await run(commands, input="json")
    assert [(call.call_id, call.name, call.arguments) for call in answer.tool_calls] == [("call_0", "next", '{"a":1}')]
    told = json.loads(given.read_text())
    assert (told["agent_slug"], told["instructions"], told["input"], told["tools"]) == ("tester", "Be brief.", "Hello", [])
    assert Processes(commands).offers_tools(profile(input="json"))
    assert not Processes(commands).offers_tools(profile())
