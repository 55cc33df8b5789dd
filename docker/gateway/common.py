"""Where things are, and how a start that cannot be is told."""

import os
import sys
from pathlib import Path

BAD_SETTING = 78
NOT_THERE = 69


class CannotStart(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def say(message: str) -> None:
    sys.stderr.write(f"start-gateway: {message}\n")


def state(name: str) -> Path:
    return Path(os.environ["GATEWAY_STATE_DIR"], name)


def seconds(key: str) -> int:
    return int(os.environ[key])
