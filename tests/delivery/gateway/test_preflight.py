"""What a profile denies, and whether it could run an agent now."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.types import Adapter
from app.delivery.gateway.reach import denied_within
from app.delivery.types.runs import FailureClass
from app.kernel.outside import Commands
from tests import boards
from tests.delivery.gateway.test_process import failure, run

PROFILES = "/api/v1/executor-profiles"
COMMANDS: dict[str, Any] = {"CALLBOARD_EXECUTOR_COMMANDS": "crew=/usr/bin/env; lost=/nowhere/at/all"}


def installed(place, *names):
    """A command with packages beside it, as installers leave them."""
    (place / "bin").mkdir()
    program = place / "bin" / "tool"
    program.write_text("#!/bin/sh\necho $EXECUTOR_VERSION\n")
    program.chmod(0o755)
    for name in names:
        (place / "lib" / name).mkdir(parents=True)
    return program


def test_a_denied_package_beside_the_command_is_found_by_its_name(tmp_path):
    python, node = "python3.11/site-packages/Bad_Package-1.2.dist-info", "node_modules/@bad/thing"
    program = str(installed(tmp_path, python, node, "node_modules/good"))
    denied = ["bad-package", "@bad/thing", "absent"]
    assert denied_within(denied, program=program, path="/nowhere") == ["bad-package", "@bad/thing"]
    assert denied_within(["sh", "absent"], program="/bin/sh", path="/bin") == ["sh"]


@given(st.lists(st.sampled_from(["sh", "absent", "bad-package"]), unique=True))
def test_what_is_not_denied_is_never_found(denied):
    assert set(denied_within(denied, program="/bin/sh", path="/bin")) <= set(denied)


async def test_a_command_with_a_denied_program_in_reach_is_not_run(tmp_path):
    error = await failure(Commands("crew=/bin/sh -c 'touch ran'"), directory=tmp_path, denied=["sh"])
    assert (error.failure, error.may_have_arrived) == (FailureClass.REFUSED, False)
    assert "sh is within reach" in error.message
    assert not (tmp_path / "ran").exists()


async def test_a_version_reaches_the_commands_of_its_profile_alone(tmp_path):
    commands = Commands(f"crew={installed(tmp_path)}")
    assert (await run(commands, version="2.1")).text == "2.1"
    assert (await run(commands)).text == ""


@pytest.mark.parametrize("denied", [["a/b"], ["../x"], ["-x"], ["x\n"], [""]])
async def test_a_name_that_no_package_bears_cannot_be_denied(board_with_commands, denied):
    wanted = {"name": "p", "adapter": Adapter.PROCESS, "settings": {"command": "crew", "denied": denied}}
    assert (await board_with_commands.person.post(PROFILES, json=wanted)).status_code == 422


async def test_preflight_names_what_is_denied_and_what_is_missing(board_with_commands):
    person = board_with_commands.person

    async def checked(name, **settings):
        made = await person.post(PROFILES, json={"name": name, "adapter": Adapter.PROCESS, "settings": settings})
        answer = await person.post(f"{PROFILES}/{made.json()['id']}/preflight", json={})
        assert answer.status_code == 200, answer.text
        return answer.json()

    sound = await checked("sound", command="crew", denied=["no-such-program"])
    assert sound["passed"]
    assert [check["name"] for check in sound["checks"]] == ["reachable", "denied"]
    denied = await checked("denied", command="crew", denied=["sh", "no-such-program"])
    assert not denied["passed"]
    assert denied["checks"][1]["detail"] == "within reach of the command: sh"
    lost = await checked("lost", command="lost")
    assert (lost["passed"], lost["checks"][0]["passed"]) == (False, False)
    nobody = await board_with_commands.as_("engineer").post(f"{PROFILES}/{'0' * 32}/preflight", json={})
    assert nobody.status_code == 403
    assert (await person.post(f"{PROFILES}/{'0' * 32}/preflight", json={})).status_code == 404


@pytest.fixture(scope="module")
async def board_with_commands(cluster, template):
    from uuid import uuid4

    from tests import make
    from tests.conftest import STRATEGY

    admin, service = cluster
    name = f"t_{uuid4().hex[:12]}"
    await make.execute(admin, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {STRATEGY}")
    async with boards.in_own_task(lambda: boards.opened(make.url_of(service, database=name), **COMMANDS)) as opened:
        yield opened
    await make.execute(admin, f"DROP DATABASE {name} WITH (FORCE)")
