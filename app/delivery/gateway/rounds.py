"""What all adapters make of a profile and of the tool rounds before."""

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from app.agents.executors import KINDS, History, Settings
from app.delivery.types.runs import Ask, Exchange, FailureClass, GatewayError, Profile

S = TypeVar("S", bound=Settings)


def settings_of(profile: Profile, kind: type[S]) -> S:
    try:
        return msgspec.convert(profile.settings, kind)
    except msgspec.ValidationError as error:
        message = f"the settings of the profile {profile.name} are wrong: {error}"
        raise GatewayError(FailureClass.REFUSED, message, may_have_arrived=False) from None


def taking_over(profile: Profile) -> Profile:
    """The profile for a run whose earlier rounds another one answered: it is told all of them."""
    if "history" not in KINDS[profile.adapter].__struct_fields__:
        return profile
    return msgspec.structs.replace(profile, settings=profile.settings | {"history": "full"})


def untold(ask: Ask, history: History) -> tuple[bool, Iterable[Exchange]]:
    """Whether the prompt is to be sent, and which rounds before; who remembers is told the last results alone."""
    if history == "last" and ask.exchanges:
        return False, ask.exchanges[-1:]
    return True, ask.exchanges


def said(ask: Ask) -> str:
    """The prompt as one text."""
    return "\n\n".join(part for part in (ask.instructions, ask.input) if part)


def arguments(call: str) -> Any:
    """The arguments of a call as an object where they are one."""
    try:
        return msgspec.json.decode(call)
    except (msgspec.DecodeError, RecursionError):
        return call
