"""The load generator, a process of its own: keep-alive connections that each send their requests in turn.

Reads a pickled Plan from standard input and prints what it saw as JSON.
"""

import asyncio
import json
import pickle
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import cast

import uvloop

WARM_SECONDS = 1.0
# Requests come in pairs that undo each other, so a run ends behind a whole pair.
PAIR = 2


@dataclass(frozen=True, slots=True)
class Plan:
    port: int
    seconds: float
    connections: list[list[bytes]]


@dataclass(slots=True)
class Seen:
    begins: float
    ends: float
    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    sample: str = ""


class Client(asyncio.Protocol):
    """One connection, one request in flight."""

    def __init__(self, requests: list[bytes], seen: Seen) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._seen = seen
        self._sent = 0
        self._at = 0.0
        self._heard = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no asyncio class.
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head = self._heard.find(b"\r\n\r\n")
        if head < 0 or len(self._heard) < head + 4 + _length(self._heard[:head]):
            return
        self._count(self._heard)
        self._heard = b""
        if self._at >= self._seen.ends and self._sent % PAIR == 0:
            self._finish()
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        self._at = time.perf_counter()
        if self._transport is not None:
            self._transport.write(self._requests[self._sent % len(self._requests)])
        self._sent += 1

    def _finish(self) -> None:
        self.done.set_result(None)
        if self._transport is not None:
            self._transport.close()

    def _count(self, answer: bytes) -> None:
        now = time.perf_counter()
        if answer[9:10] != b"2":
            self._seen.errors += 1
            self._seen.sample = answer.decode(errors="replace")
        elif self._at >= self._seen.begins and now <= self._seen.ends:
            self._seen.latencies.append(now - self._at)


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


async def run(plan: Plan) -> dict[str, float | int | str]:
    loop = asyncio.get_running_loop()
    begins = time.perf_counter() + WARM_SECONDS
    seen = Seen(begins, begins + plan.seconds)
    clients = [Client(requests, seen) for requests in plan.connections]
    waiting = iter(clients)
    for _ in clients:
        await loop.create_connection(lambda: next(waiting), "127.0.0.1", plan.port)
    await asyncio.gather(*(client.done for client in clients))
    ordered = statistics.quantiles(seen.latencies, n=100) if len(seen.latencies) > 1 else [0.0] * 99
    return {
        "rate": len(seen.latencies) / plan.seconds,
        "p50_ms": ordered[49] * 1000,
        "p99_ms": ordered[98] * 1000,
        "errors": seen.errors,
        "sample": seen.sample,
    }


if __name__ == "__main__":
    # Only the bench writes to this pipe.
    print(json.dumps(uvloop.run(run(pickle.load(sys.stdin.buffer)))))
