"""A command of the operator's: the prompt on its standard input, the answer on its standard output."""

import asyncio
import os
import tempfile
from datetime import datetime
from pathlib import Path

from app.agents.executors import ProcessSettings
from app.delivery.gateway import spoken
from app.delivery.gateway.posting import ANSWER_LIMIT
from app.delivery.gateway.reach import denied_within
from app.delivery.gateway.rounds import settings_of
from app.delivery.gateway.words import excerpt, failure_in, retry_after_in
from app.delivery.types.runs import Ask, Caller, FailureClass, GatewayError, ParsedAnswer, Profile, RawAnswer, SendHeaders
from app.kernel import guard
from app.kernel.outside import Commands, Program

_HEEDED = frozenset({FailureClass.RATE_LIMITED, FailureClass.QUOTA, FailureClass.UNAVAILABLE})
# What `sysexits` and shells say; any other end without an answer is one without a class.
_BY_CODE = {
    64: FailureClass.REFUSED,
    69: FailureClass.UNAVAILABLE,
    75: FailureClass.UNAVAILABLE,
    77: FailureClass.AUTH,
    124: FailureClass.TIMEOUT,
    126: FailureClass.REFUSED,
    127: FailureClass.REFUSED,
}
_PASSING = ("temporarily unavailable", "cannot allocate memory", "too many open files")
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ")


class Processes:
    """`commands` are those that the operator named."""

    def __init__(self, commands: Commands | None) -> None:
        self._commands = commands

    def encode(self, ask: Ask, *, profile: Profile, caller: Caller) -> bytes:
        settings = settings_of(profile, ProcessSettings)
        return spoken.written(ask, form=settings.input, history=settings.history, caller=caller).encode()

    async def send(
        self, request: bytes, *, profile: Profile, token: str | None, headers: SendHeaders, now: datetime
    ) -> RawAnswer:
        settings = settings_of(profile, ProcessSettings)
        program = self._program(settings.command)
        environment = _environment(program, headers) | ({"EXECUTOR_VERSION": settings.version} if settings.version else {})
        await _refuse_denied(settings, program)
        try:
            done = await guard.run(
                program.words,
                environment=environment,
                directory=await asyncio.to_thread(_directory, headers),
                given=request,
                seconds=profile.timeout_seconds,
                most_output=ANSWER_LIMIT,
            )
        except TimeoutError:
            raise GatewayError(FailureClass.TIMEOUT, "the command did not end in time") from None
        except guard.CannotRun as error:
            failure = FailureClass.UNAVAILABLE if _passes(str(error)) else FailureClass.REFUSED
            raise GatewayError(failure, f"the command cannot be run: {error}", may_have_arrived=False) from None
        except guard.GuardLost:
            raise GatewayError(FailureClass.UNAVAILABLE, "the command was killed from outside") from None
        if done.exit_code != 0:
            raise _failed(done, secrets={headers.session_key, *dict(program.environment).values()})
        if done.is_truncated and len(done.output) >= ANSWER_LIMIT:
            raise GatewayError(FailureClass.FORMAT, f"the answer is larger than {ANSWER_LIMIT} bytes")
        return RawAnswer(0, spoken.kind_of(done.output, settings.output), done.output)

    def read(self, raw: RawAnswer) -> ParsedAnswer:
        return spoken.read(raw)

    def offers_tools(self, profile: Profile) -> bool:
        return settings_of(profile, ProcessSettings).input == "json"

    def _program(self, name: str) -> Program:
        found = self._commands.programs.get(name) if self._commands else None
        if found is None:
            message = f"no command is called {name} in CALLBOARD_EXECUTOR_COMMANDS"
            raise GatewayError(FailureClass.REFUSED, message, may_have_arrived=False)
        return found


async def denied_to(settings: ProcessSettings, program: Program) -> list[str]:
    """What the profile denies and the command could reach all the same."""
    if not settings.denied:
        return []
    path = dict(program.environment).get("PATH") or os.environ.get("PATH") or os.defpath
    return await asyncio.to_thread(denied_within, settings.denied, program=program.words[0], path=path)


async def _refuse_denied(settings: ProcessSettings, program: Program) -> None:
    if found := await denied_to(settings, program):
        message = f"{', '.join(found)} is within reach of the command, which its profile denies"
        raise GatewayError(FailureClass.REFUSED, message, may_have_arrived=False)


def _directory(headers: SendHeaders) -> Path:
    """Where the command runs: the first of its directories that is there, else one in which nothing of the board's is."""
    return next((place for place in map(Path, headers.directories) if place.is_dir()), Path(tempfile.gettempdir()))


def _environment(program: Program, headers: SendHeaders) -> dict[str, str]:
    """Key by key, so that nothing of this process gets there that nobody meant to."""
    inherited = {name: value for name in _INHERITED if (value := os.environ.get(name))}
    told = {
        "AGENT_SLUG": headers.agent_slug,
        "AGENT_SESSION_KEY": headers.session_key,
        "IDEMPOTENCY_KEY": headers.idempotency_key,
        "TRACEPARENT": headers.traceparent,
    }
    present = {name: value for name, value in told.items() if value is not None}
    return {"PATH": os.defpath} | inherited | dict(program.environment) | present


def _failed(done: guard.Finished, *, secrets: set[str]) -> GatewayError:
    words = "\n".join(part.decode(errors="replace") for part in (done.output, done.errors))
    # Only standard error is repeated: the other is the answer, which nobody has read.
    said = excerpt(done.errors.decode(errors="replace"), secrets=secrets)
    ended = f"signal {-done.exit_code}" if done.exit_code < 0 else f"exit code {done.exit_code}"
    by_code = FailureClass.UNAVAILABLE if done.exit_code < 0 else _BY_CODE.get(done.exit_code, FailureClass.FORMAT)
    failure = failure_in(words) or by_code
    message = f"the command ended with {ended}: {said}" if said else f"the command ended with {ended}"
    return GatewayError(failure, message, retry_after=retry_after_in(words) if failure in _HEEDED else None)


def _passes(reason: str) -> bool:
    return any(words in reason.lower() for words in _PASSING)
