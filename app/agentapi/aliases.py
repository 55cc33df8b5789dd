"""Verbs under the names that they had before."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from app.kernel.db import Database
from app.kernel.errors import Missing
from app.runtime.deprecations import USES, is_removed
from app.runtime.rules.deprecations import DOCUMENT_UPSERT, Deprecation


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    verb: str
    deprecation: Deprecation


ALIASES: Mapping[str, Alias] = {"document-upsert": Alias(verb="document", deprecation=DOCUMENT_UPSERT)}


def verb_of(name: str) -> str:
    """The verb's name of today for one that a caller sent, with hyphens or without."""
    plain = name.replace("_", "-")
    return ALIASES[plain].verb if plain in ALIASES else plain


def use(database: Database, account_id: UUID, name: str) -> None:
    """Count the use of an old name; it is absent where the account has taken it away."""
    alias = ALIASES.get(name.replace("_", "-"))
    if alias is None:
        return
    if is_removed(database.controls, account_id, alias.deprecation):
        raise Missing(f"{name} was removed: call {alias.verb}", kind="verb", id=name, successor=alias.verb)
    USES.count(account_id, alias.deprecation)
