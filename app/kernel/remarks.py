"""Headers that an answer gets from whoever finds out, far below the edge, that its caller should know something."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_remarks: ContextVar[dict[str, str] | None] = ContextVar("remarks", default=None)


def remark(headers: Mapping[str, str]) -> None:
    """Add headers to the answer of the call in progress; where there is none, nobody hears it."""
    kept = _remarks.get()
    if kept is not None:
        kept.update(headers)


@contextmanager
def heard() -> Iterator[Mapping[str, str]]:
    """What is remarked while the block lasts."""
    kept: dict[str, str] = {}
    token = _remarks.set(kept)
    try:
        yield kept
    finally:
        _remarks.reset(token)
