"""The whole story, live: a scripted crew takes a task from inbox to done, and every step is looked up in the board."""

import asyncio
import os
import secrets
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx
import msgspec

from app import main as product
from app.bootstrap import service as bootstrap
from app.cli import demo_crew, demo_gateway
from app.cli.demo_board import Board, Event, Sight, Unseen
from app.cli.demo_story import STEPS, Look, steps
from app.kernel.settings import ROOT, Settings
from app.kernel.startup import CannotStart

GATEWAY = (sys.executable, "-P", "-m", "app.cli.demo_gateway")
SECONDS = 60.0
END_SECONDS = 5.0
LOOK_SECONDS = 0.1
WIDTH = 100
SHOWN = ("title", "type", "state", "reason")


class Crew:
    """The gateway process, and what it has reported so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.reports: list[demo_gateway.Report] = []
        self._process = process
        self._lines = process.stdout or ()
        first = msgspec.json.decode(next(iter(self._lines), b"null"), type=demo_gateway.Listening | None)
        if first is None:
            raise CannotStart("the demo's gateway did not start; the reason is above")
        self.url = first.url

    def begin(self, call: demo_crew.Call) -> None:
        # Not by argument or environment, which other processes of the machine can read.
        if self._process.stdin:
            self._process.stdin.write(msgspec.json.encode(call) + b"\n")
            self._process.stdin.flush()
        threading.Thread(target=self._listen, daemon=True).start()

    def check(self) -> None:
        failed = next((report for report in self.reports if isinstance(report, demo_gateway.Failed)), None)
        if failed:
            raise Unseen(failed.message)
        if self._process.poll() is not None:
            raise Unseen("the demo's gateway has ended")

    def _listen(self) -> None:
        for line in self._lines:
            self.reports.append(msgspec.json.decode(line, type=demo_gateway.Report))


class Printer:
    """Prints as things happen; in colour on a terminal only."""

    def __init__(self) -> None:
        self._has_colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._started = time.monotonic()

    def step(self, number: int, title: str, seen: str) -> None:
        at = self._paint(f"{time.monotonic() - self._started:5.1f} s", "2")
        print(f"{at}  {number:2}  {self._paint(title, '1')}", flush=True)
        print(textwrap.indent(seen, " " * 13), flush=True)

    def heading(self, text: str) -> None:
        print(f"\n{self._paint(text, '1;36')}", flush=True)

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._has_colour else text


def main(settings: Settings, url: str, *, gateway: Sequence[str] = GATEWAY, seconds: float = SECONDS) -> int:
    """Play the story on the board at `url`; 0 only if the board showed every step."""
    printer = Printer()
    account = f"demo-crew-{secrets.token_hex(3)}"
    with _crew(gateway) as crew:
        tokens = asyncio.run(_account(settings, account, crew.url))
        owner = next(token for email, token in tokens.items() if "@" in email)
        _offer_no_tools(url, owner)
        board = Board(url, owner)
        try:
            cast = board.cast()
            crew.begin(demo_crew.Call(cast, {slug: token for slug, token in tokens.items() if "@" not in slug}))
            printer.heading(f"Callboard at {url}, account {account}, a crew behind {crew.url}")
            sight = _played(board, cast, crew, printer, deadline=time.monotonic() + seconds)
        except Unseen as missing:
            print(f"callboard: {missing}", file=sys.stderr, flush=True)
            return 1
    _show(sight, printer)
    return 0


@contextmanager
def _crew(command: Sequence[str]) -> Iterator[Crew]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C is for the demo; this one ends when its standard input closes.
        start_new_session=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield Crew(process)
    finally:
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _account(settings: Settings, slug: str, gateway_url: str) -> dict[str, str]:
    """The tokens of the people and agents of a new account whose agents are reached at `gateway_url`."""
    async with product.opened(settings, size=2) as database:
        report = await bootstrap.load(
            database, settings=settings, directory=settings.seeds_dir, account_slug=slug, gateway_url=gateway_url
        )
    return dict(report.credentials)


def _offer_no_tools(url: str, owner: str) -> None:
    """This crew calls the board by itself, as its prompts then say."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {owner}"}, trust_env=False) as client:
        (profile,) = client.get("/api/v1/executor-profiles").raise_for_status().json()["items"]
        client.patch(f"/api/v1/executor-profiles/{profile['id']}", json={"settings": {"tools": False}}).raise_for_status()


def _played(board: Board, cast: demo_crew.Cast, crew: Crew, printer: Printer, *, deadline: float) -> Sight:
    title = STEPS[0][0]
    try:
        task = board.create()
        names = board.names() | {task.created_by_id: "owner"}

        def glance() -> Sight:
            return board.look(task.id, cast=cast, names=names, reports=crew.reports)

        for number, (title, look) in enumerate(steps(cast), start=1):
            printer.step(number, title, _awaited(look, glance, crew, deadline=deadline))
        return glance()
    except (Unseen, httpx.HTTPError, msgspec.ValidationError) as error:
        raise Unseen(f"missing step «{title}»: {error}") from error


def _awaited(look: Look, glance: Callable[[], Sight], crew: Crew, *, deadline: float) -> str:
    while not (seen := look(sight := glance())):
        crew.check()
        if lost := sight.lost():
            raise Unseen(lost)
        if time.monotonic() > deadline:
            raise Unseen(f"not seen in time; {_last(sight)}")
        time.sleep(LOOK_SECONDS)
    return seen


def _last(sight: Sight) -> str:
    state = f"the task is {sight.task.status}"
    return f"{state}, its last event is {sight.events[-1].type}" if sight.events else f"{state} and has no event"


def _show(sight: Sight, printer: Printer) -> None:
    printer.heading(f"The event log of the task «{sight.task.title}»")
    kinds = max(len(event.type) for event in sight.events)
    actors = max(len(sight.name(event.actor_id)) for event in sight.events)
    for event in sight.events:
        actor = sight.name(event.actor_id)
        print(f"{event.seq:5}  {event.at:%H:%M:%S.%f}  {event.type:{kinds}}  {actor:{actors}}  {_detail(event, sight)}".rstrip())
    printer.heading("Its thread")
    for message in sight.thread:
        print(f"{sight.name(message.author_id)}:\n{textwrap.indent(message.content, '    ')}")
    printer.heading(f"Done: all {len(steps(sight.cast))} steps were seen in the board.")


def _detail(event: Event, sight: Sight) -> str:
    start, goal = event.payload.get("from"), event.payload.get("to")
    move = [f"{start} -> {goal}"] if start != goal else []
    told = [f"for {sight.name(n.recipient_id)}" for n in sight.notifications if n.id == event.entity_id]
    shown = [f"{name}={value}" for name, value in event.payload.items() if name in SHOWN and value]
    return textwrap.shorten("  ".join(move + told + shown), WIDTH)
