"""What becomes of each seeded record, and how a seed's text is filled."""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from app.agents.approving import SKILL_MOST_BYTES
from app.agents.layering import LAYER_MOST_BYTES
from app.agents.types import LayerScope
from app.bootstrap.rules import seeded
from app.bootstrap.types import (
    ACCOUNT_FILE,
    ADAPTER,
    IDENTITY_FOLDER,
    PROFILE,
    REPOSITORY_FILE,
    AccountSeed,
    Action,
    AgentSeed,
    Kind,
    Record,
    SeedReach,
    Shelf,
    Step,
)

_WORDS = {Action.CREATE: "created", Action.UPDATE: "updated", Action.KEEP: "kept", Action.UNCHANGED: "unchanged"}
_REMARKS = {
    Action.CREATE: "created",
    Action.UPDATE: "updated, because the seed has changed",
    Action.KEEP: "kept as it is, because a person has changed, made or removed it",
}
# Fields that came after the first seeds were loaded, and what a row without them has.
_ASSUMED = {
    "lease_seconds": 900,
    "open_pool": False,
    "evidence": "off",
    "duplicate_guard": True,
    "capacity": 1,
    "wake_minutes": 15,
    "is_enabled": True,
    "requires_approval": False,
    "branch_per_task": True,
    "keep_worktrees": False,
    "is_from_environment": False,
}
_PLACE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_]\w*)(?::-([^{}]*))?\})?")


def action(wanted: str, *, loaded: str | None, present: str | None) -> Action:
    """Decide from three digests: of the seed now, of the seed when it was last loaded, and of the row now."""
    if present is None:
        return Action.CREATE if loaded is None else Action.KEEP
    if present == wanted:
        return Action.UNCHANGED
    return Action.UPDATE if present == loaded else Action.KEEP


def digest(fields: Mapping[str, Any]) -> str:
    # What is empty or assumed does not count, so that a field added later makes no row look edited.
    told = {name: value for name, value in fields.items() if value not in (None, "", [], {}) and value != _ASSUMED.get(name)}
    return hashlib.sha256(msgspec.json.encode(told, order="deterministic")).hexdigest()


def report(slug: str, steps: Sequence[Step], *, left: Sequence[tuple[str, str]], is_new: bool) -> list[str]:
    """One line that counts, then one for each row that a reader may want to look at."""
    counts = Counter(step.action for step in steps)
    total = ", ".join(f"{counts[action]} {word}" for action, word in _WORDS.items() if counts[action])
    remarked = [] if is_new else [step for step in steps if step.action in _REMARKS]
    return [
        f"account {slug}: {total}",
        *(f"  {step.record.kind} {step.record.key}: {_REMARKS[step.action]}" for step in remarked),
        *(f"  {kind} {key}: no longer in the seeds, left as it is" for kind, key in left),
    ]


def filled(text: str, variables: Mapping[str, str | None]) -> tuple[str, list[str]]:
    """Put values in the place of `${NAME}` and `${NAME:-default}`; also says what is wrong. `$${` stands for `${`."""
    problems: list[str] = []

    def value(found: re.Match[str]) -> str:
        name, default = found[1], found[2]
        if found[0] == "$${":
            return "${"
        if name is None:
            problems.append("`${` begins no variable; write `$${` for the text itself")
        elif name not in variables:
            problems.append(f"{name} may not be used; only {', '.join(sorted(variables))} may")
        elif not variables[name] and default is None:
            problems.append(f"{name} is not set and has no default")
        return variables.get(name) or default or ""

    return _PLACE.sub(value, text), problems


def without_credentials(url: str | None) -> str | None:
    """The address without its password or token, since prompts and documents show it."""
    if url is None or "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        # What is no address is still shown, and may hold a password all the same.
        return re.sub(r"://[^/]*@", "://", url)
    user, at, host = parts.netloc.rpartition("@")
    # Hosts that serve Git over HTTP take a token in the place of the user's name.
    name = "" if parts.scheme in {"http", "https"} else user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}{at}{host}" if name else host))


def contradictions(shelf: Shelf, account: AccountSeed) -> Iterator[tuple[str, str]]:
    """Where files that are right alone do not fit together: the file's name, and what is wrong."""
    agents = {seed.slug for seed, _ in shelf.agents}
    skills = {seed.slug for seed, _ in shelf.skills}
    if account.settings.orchestrator and account.settings.orchestrator not in agents:
        yield ACCOUNT_FILE, f"settings.orchestrator: there is no agent {account.settings.orchestrator}"
    yield from ((ACCOUNT_FILE, problem) for problem in _people_problems(account, agents))
    yield from ((REPOSITORY_FILE, problem) for problem in seeded.problems(shelf.repositories, shown=without_credentials))
    for agent, _ in shelf.agents:
        for missing in sorted(set(agent.skills) - skills):
            yield f"agents/{agent.slug}.md", f"skills: there is no skill {missing}"
    yield from _identity_problems(shelf, agents)
    for skill, content in shelf.skills:
        if len(content.encode()) > SKILL_MOST_BYTES:
            yield f"skills/{skill.slug}.md", f"holds more than {SKILL_MOST_BYTES} bytes"


def _people_problems(account: AccountSeed, agents: Collection[str]) -> Iterator[str]:
    handles = [person.handle for person in account.people]
    emails = [person.email.lower() for person in account.people]
    if [person.role.value for person in account.people].count("owner") != 1:
        yield "people: exactly one of them is the owner"
    if len({*handles, *agents}) < len(handles) + len(agents):
        yield "people: handles must differ, from the slugs of agents too"
    if len(set(emails)) < len(emails):
        yield "people: e-mail addresses must differ"


def _identity_problems(shelf: Shelf, agents: Collection[str]) -> Iterator[tuple[str, str]]:
    folders = {layer.name for layer, _ in shelf.layers if layer.scope is LayerScope.FOLDER}
    for agent, _ in shelf.agents:
        if agent.identity_folder is not None and agent.identity_folder not in folders:
            yield (
                f"agents/{agent.slug}.md",
                f"identity_folder: there is no folder {IDENTITY_FOLDER}/folders/{agent.identity_folder}",
            )
    for layer, content in shelf.layers:
        place = f"{IDENTITY_FOLDER}/{layer.key}"
        if layer.scope is LayerScope.AGENT and layer.name not in agents:
            yield place, f"there is no agent {layer.name}"
        if not content.strip():
            yield place, "is empty"
        if len(content.encode()) > LAYER_MOST_BYTES:
            yield place, f"holds more than {LAYER_MOST_BYTES} bytes"


def records(shelf: Shelf, account: AccountSeed, *, gateway_url: str | None, has_gateway: bool) -> Iterator[Record]:
    """The rows that the seeds ask for, the account first, what others name before them."""
    told = msgspec.to_builtins(account.settings) | {"defaults": _given(account.settings.defaults)}
    yield Record(Kind.ACCOUNT, account.slug, {"name": account.name, **told})
    for person in account.people:
        yield Record(Kind.PERSON, person.email.lower(), {"handle": person.handle, "name": person.name, "role": person.role.value})
    yield Record(Kind.PROFILE, PROFILE, {"adapter": ADAPTER, "url": gateway_url})
    for skill, content in shelf.skills:
        taught = {"is_enabled": skill.enabled, "requires_approval": skill.requires_approval}
        yield Record(Kind.SKILL, skill.slug, {"name": skill.name, "description": skill.description, "content": content, **taught})
    for layer, content in shelf.layers:
        yield Record(Kind.IDENTITY, layer.key, msgspec.to_builtins(layer) | {"content": content})
    for agent, soul in shelf.agents:
        yield Record(Kind.AGENT, agent.slug, _agent(agent, soul, has_gateway=has_gateway))
    for document, content in shelf.documents:
        yield Record(Kind.DOCUMENT, document.slug, {"title": document.title, "type": document.type.value, "content": content})
    yield from seeded.records(shelf.repositories, environment=shelf.repository_url)


def _agent(seed: AgentSeed, soul: str, *, has_gateway: bool) -> dict[str, Any]:
    is_gateway = seed.reach is SeedReach.GATEWAY or (seed.reach is SeedReach.AUTO and has_gateway)
    return {
        "name": seed.name,
        "role": seed.role,
        "description": seed.description,
        "soul": soul,
        "identity_folder": seed.identity_folder,
        "flags": _given(seed.flags),
        "reach": "gateway" if is_gateway else "pull",
        "profile": PROFILE if is_gateway else None,
        "capacity": seed.capacity,
        "wake_minutes": seed.wake_minutes,
        "skills": sorted(set(seed.skills)),
    }


def _given(flags: msgspec.Struct) -> dict[str, bool]:
    return {name: value for name, value in msgspec.structs.asdict(flags).items() if value is not None}
