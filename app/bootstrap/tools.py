"""What agents may do with their branch of a repository."""

from app.policies.verbs import Verb

VERBS: tuple[Verb, ...] = ()
