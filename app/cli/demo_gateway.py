"""The demo's gateway: a process of its own that takes prompts over HTTP and lets the scripted agents act on them."""

import os
import sys
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import msgspec

from app.cli import demo_crew

BEGIN_SECONDS = 10.0


class Listening(msgspec.Struct, frozen=True, tag_field="report", tag=True):
    url: str


class Prompted(msgspec.Struct, frozen=True, kw_only=True, tag_field="report", tag=True):
    """One request as it arrived; `is_second` when another one of its session was still being answered."""

    agent: str
    session: str
    type: str
    status: str
    text: str
    key: str
    lane_seq: int | None
    is_second: bool


class Answered(msgspec.Struct, frozen=True, kw_only=True, tag_field="report", tag=True):
    agent: str
    key: str
    text: str


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag_field="report", tag=True):
    agent: str
    message: str


Report = Listening | Prompted | Answered | Failed | demo_crew.Refused


class Request(msgspec.Struct, frozen=True):
    """What the gateway reads of a body."""

    model: str
    input: str
    user: str
    instructions: str = ""

    @property
    def slug(self) -> str:
        return demo_crew.who(self.instructions) or self.model.rpartition(":")[2]


class Gateway(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.has_begun = threading.Event()
        self._agents: dict[str, demo_crew.Agent] = {}
        self._lock = threading.Lock()
        self._sessions: set[str] = set()
        self._answers: dict[str, str] = {}

    def begin(self, call: demo_crew.Call) -> None:
        self._agents = demo_crew.assemble(call, report=say)
        self.has_begun.set()

    def answer(self, request: Request, *, key: str, lane_seq: str) -> str:
        """Let the agent act and answer; a request that is sent again gets the same answer and no second act."""
        slug = request.slug
        prompt = demo_crew.read(request.instructions, request.input)
        with self._lock:
            is_second = request.user in self._sessions
            self._sessions.add(request.user)
        _prompted(request, prompt, key=key, lane_seq=lane_seq, is_second=is_second)
        try:
            if key not in self._answers:
                agent = self._agents[slug]
                script = demo_crew.script_of(agent)
                self._answers[key] = script(agent, prompt) if script and prompt else demo_crew.NO_REPLY
        finally:
            with self._lock:
                self._sessions.discard(request.user)
        say(Answered(agent=slug, key=key, text=self._answers[key]))
        return self._answers[key]


def _prompted(request: Request, prompt: demo_crew.Prompt | None, *, key: str, lane_seq: str, is_second: bool) -> None:
    say(
        Prompted(
            agent=request.slug,
            session=request.user,
            type=prompt.type if prompt else "",
            status=prompt.status if prompt else "",
            text=request.input,
            key=key,
            lane_seq=int(lane_seq) if lane_seq.isdecimal() else None,
            is_second=is_second,
        )
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/v1/responses" or not self.server.has_begun.wait(BEGIN_SECONDS):
            self._send(HTTPStatus.NOT_FOUND, {"error": {"code": "not_found"}})
            return
        request = msgspec.json.decode(body, type=Request)
        key, lane_seq = self.headers.get("Idempotency-Key", ""), self.headers.get("X-Lane-Seq", "")
        try:
            said = self.server.answer(request, key=key, lane_seq=lane_seq)
        except (demo_crew.Stuck, httpx.HTTPError, KeyError) as error:
            say(Failed(agent=request.slug, message=str(error) or type(error).__name__))
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": {"code": "server_error"}})
            return
        message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": said}]}
        self._send(HTTPStatus.OK, {"object": "response", "output": [message]})

    def _send(self, status: HTTPStatus, body: object) -> None:
        encoded = msgspec.json.encode(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class names it
        """What arrives is told to the demo instead."""


_speaking = threading.Lock()


def say(report: Report) -> None:
    with _speaking, suppress(BrokenPipeError):
        # Past the buffers of sys.stdout, which a thread must not hold while the interpreter ends.
        os.write(1, msgspec.json.encode(report) + b"\n")


def main() -> None:
    """Serve until standard input closes, which it does even when the demo is killed; its first line is the crew."""
    gateway = Gateway()
    threading.excepthook = lambda failure: say(Failed(agent="", message=f"{failure.exc_type.__name__}: {failure.exc_value}"))
    threading.Thread(target=gateway.serve_forever, daemon=True).start()
    say(Listening(f"http://127.0.0.1:{gateway.server_port}"))
    call = sys.stdin.buffer.readline()
    if call:
        gateway.begin(msgspec.json.decode(call, type=demo_crew.Call))
    while sys.stdin.buffer.readline():
        pass


if __name__ == "__main__":
    main()
