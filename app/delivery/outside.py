"""Text from outside on its way into a template: sealed, bounded, and remembered as it was."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.delivery.fence import REMOVED, Fenced, Vault, fence, inline
from app.delivery.types.prompts import PromptMessage

DOCUMENT_LIMIT = 4_000
NAME_LIMIT = 120


class Rows(list[Any]):
    """A list that a template walks; each step is paid for, so that loops within loops end."""

    def __init__(self, items: Iterable[Any], spend: Callable[[], None]) -> None:
        super().__init__(items)
        self._spend = spend

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            self._spend()
            yield item


@dataclass(frozen=True, slots=True)
class Outside:
    """Seals text from outside, so that a template can place it but not read it.

    `read` is what it was before, without what was in a prompt already.
    """

    token: Callable[[], str]
    spend: Callable[[], None]
    vault: Vault = field(default_factory=Vault)
    read: list[str] = field(default_factory=list)

    def rows(self, items: Iterable[Any]) -> Rows:
        return Rows(items, self.spend)

    def short(self, text: str, limit: int = NAME_LIMIT, *, is_known: bool = False) -> str:
        return self._sealed(inline(text, limit), "" if is_known else text[:limit])

    def shorts(self, texts: Iterable[str]) -> Rows:
        return self.rows(self.short(text) for text in texts)

    def block(self, text: str | None, *, label: str, limit: int = DOCUMENT_LIMIT, is_known: bool = False) -> str | None:
        if not text or text.isspace():
            return None
        return self._sealed(fence(text, label=label, token=self.token, limit=limit), "" if is_known else text[:limit])

    def trusted(self, text: str | None, *, limit: int) -> str | None:
        """The account's own words to its agents: no fence stands around them, and only their length is bound."""
        if not text:
            return None
        return self.vault.seal(Fenced(text.rstrip("\n") if len(text) <= limit else f"{text[:limit]}\n\u2026 cut here"))

    def _sealed(self, fenced: Fenced, new: str) -> str:
        if new:
            # The fence knows look-alikes better than any search for them.
            self.read.append(f"{REMOVED} {new}" if REMOVED in fenced else new)
        return self.vault.seal(fenced)

    def message(self, message: PromptMessage, *, limit: int, is_known: bool = False) -> str | None:
        name = inline(message.author_name, NAME_LIMIT)
        label = f"message by {message.author_kind} {name}, {message.at.isoformat(' ', 'seconds')}"
        return self.block(message.content, label=label, limit=limit, is_known=is_known)
