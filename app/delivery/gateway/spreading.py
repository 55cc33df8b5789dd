"""Connections to gateways in small pools: one pool looks at all of its connections whenever one of them comes free."""

import ssl
from collections.abc import AsyncIterator, Callable

import httpx

EACH = 16


class _Pool:
    def __init__(self, secured: ssl.SSLContext) -> None:
        limits = httpx.Limits(max_connections=EACH, max_keepalive_connections=EACH)
        self.transport = httpx.AsyncHTTPTransport(verify=secured, trust_env=False, limits=limits)
        self.inside = 0

    def leave(self) -> None:
        self.inside -= 1


class _Counted(httpx.AsyncByteStream):
    """The stream of a response, whose end is the end of its request."""

    def __init__(self, stream: httpx.AsyncByteStream, leave: Callable[[], None]) -> None:
        self._stream = stream
        self._leave: Callable[[], None] | None = leave

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        leave, self._leave = self._leave, None
        try:
            await self._stream.aclose()
        finally:
            if leave is not None:
                leave()


class Spread(httpx.AsyncBaseTransport):
    """Any number of requests at once; few of them stay in the first pools, where connections are used again."""

    def __init__(self) -> None:
        self._secured = httpx.create_ssl_context(trust_env=False)
        self._pools: list[_Pool] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        pool = self._with_room()
        pool.inside += 1
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException:
            pool.leave()
            raise
        if not isinstance(response.stream, httpx.AsyncByteStream):
            raise TypeError("an asynchronous transport answers with an asynchronous stream")
        response.stream = _Counted(response.stream, pool.leave)
        return response

    def _with_room(self) -> _Pool:
        found = next((pool for pool in self._pools if pool.inside < EACH), None)
        if found is None:
            found = _Pool(self._secured)
            self._pools.append(found)
        return found

    async def aclose(self) -> None:
        for pool in self._pools:
            await pool.transport.aclose()
