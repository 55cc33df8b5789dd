"""The closed register of what is still served and will go."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """`successor` is where its replacement is served; the setting takes it away from an account before its sunset."""

    name: str
    what: str
    replacement: str
    successor: str
    since: date
    sunset: date

    @property
    def setting(self) -> str:
        return f"deprecated.{self.name}"

    @property
    def headers(self) -> dict[str, str]:
        """What its answers carry: RFC 9745, RFC 8594, and a link to what to use instead."""
        return {
            "Deprecation": f"@{int(_midnight(self.since).timestamp())}",
            "Sunset": format_datetime(_midnight(self.sunset), usegmt=True),
            "Link": f'<{self.successor}>; rel="successor-version"',
        }


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


REVIEWER_BY_ROLE_TEXT = Deprecation(
    name="reviewer_by_role_text",
    what="An agent whose flag `is_reviewer` is set nowhere is a reviewer by its slug `qa` or its role text.",
    replacement="Set `is_reviewer` on the agent, or in the account's defaults.",
    successor="/api/v1/agents",
    since=date(2026, 11, 21),
    sunset=date(2027, 6, 30),
)
DOCUMENT_UPSERT = Deprecation(
    name="document_upsert",
    what="The verb `document` under the name `document-upsert` (as a tool, `document_upsert`).",
    replacement="Call `document`.",
    successor="/agent/document",
    since=date(2026, 11, 21),
    sunset=date(2027, 6, 30),
)
DEPRECATIONS: Mapping[str, Deprecation] = {one.name: one for one in (REVIEWER_BY_ROLE_TEXT, DOCUMENT_UPSERT)}
