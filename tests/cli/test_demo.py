import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from http import HTTPStatus
from uuid import UUID

import httpx
import msgspec
import pytest

from app.cli import demo_crew, demo_gateway
from app.cli.demo_board import Notification, Sight, Task, Unseen
from app.cli.demo_story import MOVES, STEPS, orderly, settled
from app.delivery.render import render
from app.kernel.settings import ROOT
from app.notifications.types import NotificationType
from tests.delivery.worlds import context, task, tokens

FAILING_IN_SECONDS = 6
BROKEN = """
import sys
from app.cli import board, connection, demo
from app.kernel import settings
configured = settings.from_environment()
seconds, *crews = sys.argv[1:]
with board.running(configured) as url:
    connected, gateways = connection.connected(configured), [(sys.executable, "-c", crew) for crew in crews]
    print([demo.main(connected, url, gateway=gateway, seconds=float(seconds)) for gateway in gateways])
"""
CREW = "from app.cli import demo_crew, demo_gateway\ndemo_crew.SCRIPTS['worker'] = {}\ndemo_gateway.main()"
SILENT = CREW.format("lambda agent, prompt: 'NO_REPLY'")
FAILING = CREW.format("lambda agent, prompt: agent.act(prompt, 'task-status', status='review')['id']")


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """Settings of a board of its own, whose database is made by the first demo."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    data = str(tmp_path_factory.mktemp("demo") / "data")
    return {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "CALLBOARD_DATA_DIR": data, "CALLBOARD_PORT": port}


def run(board, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(command, env=board, cwd="/", capture_output=True, text=True, timeout=60, check=False)


def test_the_story_is_played_from_inbox_to_done_on_a_board_that_the_demo_starts(board):
    played = run(board, "-m", "app", "demo")
    assert played.returncode == 0, played.stdout + played.stderr
    steps = re.findall(r"^ *[\d.]+ s +(\d+)  (.+)$", played.stdout, re.MULTILINE)
    assert steps == [(str(number), title) for number, (title, _) in enumerate(STEPS, start=1)]
    moves = re.findall(r"board:task:\w+ +(\S+) +(\S+) -> (\S+)", played.stdout)
    slugs = {"orchestrator": "orchestrator", "worker": "engineer", "reviewer": "reviewer"}
    assert moves == [(slugs[part], start, goal) for start, goal, part in MOVES]
    assert "reviewer_required" in played.stdout
    assert "\x1b" not in played.stdout


def test_a_broken_engineer_fails_the_demo_and_the_missing_step_is_named(board):
    played = run(board, "-c", BROKEN, str(FAILING_IN_SECONDS), SILENT, FAILING)
    assert played.stdout.splitlines()[-1] == "[1, 1]", played.stdout + played.stderr
    missing = re.findall(r"^callboard: missing step «(.+)»: ", played.stderr, re.MULTILINE)
    assert missing[0] == "The worker acknowledges", played.stderr
    assert missing[1] in ("The worker is woken", "The worker acknowledges")
    assert len(missing) == 2


@pytest.fixture
def gateway():
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "app.cli.demo_gateway"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)},
    )
    yield process
    process.kill()
    process.communicate()


def heard(process):
    return msgspec.json.decode(process.stdout.readline(), type=demo_gateway.Report)


def test_the_gateway_ends_when_the_demo_is_gone(gateway):
    assert isinstance(heard(gateway), demo_gateway.Listening)
    gateway.stdin.close()
    assert gateway.wait(5) == 0
    gateway.stdin = None


def test_the_gateway_answers_a_prompt_and_repeats_its_answer_under_the_same_key(gateway):
    url = heard(gateway).url
    call = {"cast": {"orchestrator": "orchestrator", "worker": "w", "reviewer": "r"}, "tokens": {"orchestrator": "a token"}}
    gateway.stdin.write(msgspec.json.encode(call) + b"\n")
    gateway.stdin.flush()
    body = {"model": "x:orchestrator", "user": "a session", "input": "nothing of a task"}
    headers = {"Idempotency-Key": "k", "X-Lane-Seq": "3"}
    answer = httpx.post(f"{url}/v1/responses", json=body, headers=headers)
    assert answer.json()["output"][0]["content"][0]["text"] == "NO_REPLY"
    prompted = heard(gateway)
    assert (prompted.agent, prompted.session, prompted.key, prompted.lane_seq) == ("orchestrator", "a session", "k", 3)
    assert httpx.post(f"{url}/v1/responses", json=body, headers=headers).json() == answer.json()
    assert httpx.post(f"{url}/elsewhere", json=body).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("kind", list(NotificationType))
def test_an_agent_reads_the_prompts_that_the_board_renders(kind):
    given = context(task=task(title="About task, status `done`."))
    given = replace(given, notification=replace(given.notification, type=kind))
    prompt = render(given, token=tokens())
    read = demo_crew.read(prompt.instructions, prompt.input)
    assert read is not None
    assert (read.type, read.task_id, read.status) == (kind, str(UUID(int=7)), "in_progress")
    assert read.board == given.base_url.rstrip("/")


def prompted(**changes):
    plain = demo_gateway.Prompted(
        agent="engineer", session="s", type="", status="", text="", key="1", lane_seq=1, is_second=False
    )
    return msgspec.structs.replace(plain, **changes)


def sight(*reports, states=()) -> Sight:
    told = [
        Notification(id=UUID(int=2), type="x", recipient_kind="agent", recipient_id=UUID(int=1), state=state) for state in states
    ]
    seen = Task(id=UUID(int=7), title="x", status="done", created_by_id=UUID(int=3))
    cast = demo_crew.Cast(orchestrator="o", worker="engineer", reviewer="r")
    return Sight(names={}, cast=cast, task=seen, events=[], thread=[], notifications=told, reports=list(reports))


def test_a_lane_in_order_passes_and_a_prompt_that_is_sent_again_is_no_disorder():
    other = prompted(session="t", key="9")
    assert orderly(sight(prompted(), other, prompted(), prompted(key="2", lane_seq=2))) == "4 prompts in 2 sessions"


@pytest.mark.parametrize(
    "prompts",
    [
        (prompted(key=""),),
        (prompted(lane_seq=None),),
        (prompted(is_second=True),),
        (prompted(lane_seq=2), prompted(key="2", lane_seq=1)),
        (prompted(), prompted(key="2")),
    ],
)
def test_a_gateway_that_was_asked_wrongly_fails_the_demo(prompts):
    with pytest.raises(Unseen):
        orderly(sight(*prompts))


@pytest.mark.parametrize("states", [("queued",), ("dead",), ("delivered", "delivered"), ("skipped",), ()])
def test_a_notification_without_its_end_or_its_prompt_is_not_settled(states):
    assert settled(sight(prompted(), states=states)) is None


def test_delivered_and_skipped_notifications_are_settled():
    assert settled(sight(prompted(), states=("delivered", "skipped"))) == "1 delivered, 1 held back by policy, none lost"
