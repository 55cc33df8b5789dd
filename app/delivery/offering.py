"""Which tools go with a prompt."""

from collections.abc import Iterable
from functools import cache

from app.agentapi import functions
from app.delivery.types.runs import Tool
from app.notifications.types import NotificationType
from app.policies import rules
from app.policies.types import AccountPolicy, Action, Actor
from app.policies.verbs import Toolset, Verb


def offered(
    verbs: Iterable[Verb], kind: NotificationType, *, actor: Actor, account: AccountPolicy, has_repository: bool = True
) -> list[Verb]:
    """What the agent may ever be allowed, as far as its turn is for that: who was assigned acknowledges before it works.

    Without a repository there is nothing to do with git.
    """
    wanted = (verb for verb in verbs if has_repository or verb.toolset is not Toolset.VCS)
    return [verb for verb in wanted if fits(verb, kind) and rules.offers(verb.action, actor=actor, account=account)]


def fits(verb: Verb, kind: NotificationType) -> bool:
    """Whether this turn is one for the verb, whoever has it."""
    if verb.action is Action.AGENTS_MENTION:
        return True
    match kind:
        case NotificationType.ASSIGNMENT:
            return verb.reads
        case NotificationType.WAKEUP:
            return verb.toolset is Toolset.CORE
        case _:
            return True


@cache
def tool(verb: Verb) -> Tool:
    """The verb as a model sees it."""
    (schema,) = functions.schemas([verb])
    return Tool(**schema["function"])
