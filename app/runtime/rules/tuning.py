"""What of a profile an account may tune, within which bounds, and the profile that comes of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.runtime.rules.profiles import profile_of
from app.runtime.types import Profile

# Numbers with their bounds, both inclusive.
BOUNDS: Mapping[str, tuple[float, float]] = {
    "attempts": (1, 20),
    "base": (0.05, 3_600),
    "factor": (1, 10),
    "cap": (0.05, 86_400),
    "timeout": (1, 3_600),
    "total": (1, 604_800),
}
SWITCHES = frozenset({"dead_letter", "alerts"})
TUNABLE = (*BOUNDS, *sorted(SWITCHES))


def merged(before: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """All changes after those that are asked; None takes one back."""
    after = {**before, **asked}
    return {name: after[name] for name in TUNABLE if after.get(name) is not None}


def faults(name: str, changes: Mapping[str, Any]) -> dict[str, str]:
    """Why the profile cannot be changed so, by field."""
    found = {field: message for field, value in changes.items() if (message := _fault(field, value))}
    if found:
        return found
    tuned = replace(profile_of(name), **changes)
    if tuned.cap < tuned.base:
        found["cap"] = f"must not be less than base, which is {tuned.base:g}"
    if tuned.total < tuned.timeout:
        found["total"] = f"must not be less than timeout, which is {tuned.timeout:g}"
    return found


def _fault(field: str, value: object) -> str | None:
    if field in SWITCHES:
        return None if isinstance(value, bool) else "must be true or false"
    if field not in BOUNDS:
        return f"is none of {', '.join(TUNABLE)}"
    least, most = BOUNDS[field]
    kinds = (int,) if field == "attempts" else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        return f"must be {'a whole number' if kinds == (int,) else 'a number'} from {least:g} to {most:g}"
    return None


def tuned(name: str, changes: Mapping[str, Any]) -> Profile:
    """The profile with these changes; such as no longer fit leave it as it is built in."""
    built_in = profile_of(name)
    return built_in if faults(name, changes) else replace(built_in, **changes)


def shown(profile: Profile) -> dict[str, Any]:
    """The fields that can be tuned, as they are."""
    return {field: getattr(profile, field) for field in TUNABLE}
