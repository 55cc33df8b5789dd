"""Server-sent events, piece by piece."""

import re
from collections.abc import Iterator

EVENT_STREAM = "text/event-stream"
_LINE_END = re.compile(rb"\r\n|\n|\r")


def is_stream(content_type: str) -> bool:
    return content_type.split(";", maxsplit=1)[0].strip().lower() == EVENT_STREAM


class Events:
    """Takes the bytes of a stream as they come; what is left when the stream ends was cut and is no event."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The data of each event that is whole now."""
        self._rest += chunk
        # A line without end would be looked through again with every chunk.
        if b"\n" not in chunk and b"\r" not in chunk:
            return
        # A last carriage return may be half a line end.
        held = b"\r" if self._rest.endswith(b"\r") else b""
        lines = _LINE_END.split(bytes(self._rest).removesuffix(held))
        self._rest = bytearray(lines.pop() + held)
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                data, self._data = b"\n".join(self._data), []
                yield data.decode(errors="replace")

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))


def data_of(body: bytes) -> list[str]:
    """The data of all whole events in the body."""
    whole = body + b"\n" if body.endswith(b"\r") else body
    return list(Events().feed(whole.removeprefix(b"\xef\xbb\xbf")))
