"""The log for people: REST."""

from typing import Annotated

from litestar import Response, get
from msgspec import Meta

from app.events import reading
from app.events.schemas import EventPage
from app.kernel import paging
from app.kernel.edge import Call, read
from app.kernel.openapi import described

Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]


@get("/api/v1/events", operation_class=described(view=EventPage))
async def events(request: Call) -> Response[bytes]:
    """Events in commit order behind `after`; `type` keeps those whose type starts with it."""
    seq = paging.asked(request, "after", Seq) or 0
    prefix, limit = paging.asked(request, "type", str), paging.limit(request)
    return await read(request, "events.read", lambda tx, _: reading.after(tx, seq=seq, type_prefix=prefix, limit=limit))


ROUTES = (events,)
