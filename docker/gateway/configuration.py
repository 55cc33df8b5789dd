"""The gateway's configuration: what the operator wrote, and on top of it what the board did."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from common import BAD_SETTING, NOT_THERE, CannotStart, say, state

LOOK_SECONDS = 0.2


class Unusable(Exception):
    """A file that holds no configuration, or that cannot be written."""


def merged(base: Any, over: Any) -> Any:
    """`over` on top of `base`: objects key by key, lists of things with an `id` thing by thing, all else replaced."""
    if isinstance(base, dict) and isinstance(over, dict):
        both = {key: merged(base[key], over[key]) for key in base.keys() & over.keys()}
        return {**base, **over, **both}
    if isinstance(base, list) and isinstance(over, list) and _have_ids(base) and _have_ids(over):
        mine, theirs = ({one["id"]: one for one in some} for some in (base, over))
        return list(merged(mine, theirs).values())
    return over


def _have_ids(some: list[Any]) -> bool:
    return all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in some)


def read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from None
    except ValueError:
        raise Unusable(f"{path} is not JSON") from None
    if not isinstance(found, dict):
        raise Unusable(f"{path} is not a JSON object")
    return found


class Configuration:
    """The operator's file and the board's, merged into the one that the gateway reads."""

    def __init__(self) -> None:
        self.path = Path(os.environ.get("GATEWAY_CONFIG") or state("gateway.json"))
        self._generated = Path(os.environ["CALLBOARD_GATEWAY_CONFIG"])
        self._base = Path(os.environ["GATEWAY_BASE_CONFIG"]) if os.environ.get("GATEWAY_BASE_CONFIG") else None
        self._seen: object = None

    def first(self, wait: int) -> None:
        """Write it once the board has written its part; raises when that takes longer than `wait` seconds."""
        if self._base:
            try:
                read(self._base)
            except Unusable as error:
                raise CannotStart(BAD_SETTING, f"GATEWAY_BASE_CONFIG: {error}.") from None
        deadline = time.monotonic() + wait
        if wait and not self._generated.exists():
            say(f"waits for the configuration in {self._generated}.")
        while True:
            try:
                self.write()
            except Unusable as error:
                if time.monotonic() >= deadline:
                    hint = "does the board run, has it agents with a gateway, and do both see this file?"
                    raise CannotStart(NOT_THERE, f"CALLBOARD_GATEWAY_CONFIG: {error}, after {wait} s: {hint}") from None
                time.sleep(LOOK_SECONDS)
            else:
                return

    def write(self) -> bool:
        """Whether the file changed; it is written whole or not at all."""
        self._seen = self._stamp()
        generated = read(self._generated)
        make_workspaces(generated)
        text = json.dumps(merged(read(self._base) if self._base else {}, generated), indent=2, sort_keys=True, ensure_ascii=False)
        data = f"{text}\n".encode()
        with suppress(OSError):
            if self.path.read_bytes() == data:
                return False
        unfinished = self.path.with_name(f"{self.path.name}.unfinished")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(data)
            unfinished.replace(self.path)
        except OSError as error:
            raise Unusable(f"cannot write {self.path}: {error.strerror}") from None
        return True

    def has_changed(self) -> bool:
        """Whether it changed and could be written; one that is broken is left until it changes again."""
        if self._stamp() == self._seen:
            return False
        try:
            return self.write()
        except Unusable as error:
            say(f"{error}: the gateway goes on with what it has.")
            return False

    def _stamp(self) -> object:
        found = []
        for path in (self._generated, self._base):
            with suppress(OSError):
                status = path.stat() if path else None
                found.append(status and (status.st_ino, status.st_size, status.st_mtime_ns))
        return found


def make_workspaces(generated: dict[str, Any]) -> None:
    """Make the agents' directories that are not there; what is there is left alone."""
    agents = generated.get("agents")
    for agent in (agents.get("list") or []) if isinstance(agents, dict) else []:
        path = agent.get("workspace") if isinstance(agent, dict) else None
        if not isinstance(path, str) or not path.startswith("/") or "\0" in path or ".." in Path(path).parts:
            raise Unusable(f"the workspace of an agent is no absolute path: {path!r}")
        try:
            Path(path).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unusable(f"cannot make the workspace {path}: {error.strerror}") from None
