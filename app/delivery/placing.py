"""How templates read what is known of the repository."""

from typing import Any

from app.delivery.outside import Outside
from app.delivery.types.prompts import RepositoryFacts

VALUE_LIMIT = 500


def shown(found: RepositoryFacts, *, outside: Outside) -> dict[str, Any]:
    """Each fact that is recorded, those that are not, and how the worktree of the task stands."""
    named = {
        "name": found.name,
        "URL": found.url,
        "writable directory": found.writable_dir,
        "base branch": found.base_branch,
        "branch prefix": found.branch_prefix,
    }
    of_task = {"branch of this task": found.branch, "worktree of this task": found.worktree}
    return {
        "facts": outside.rows((name, outside.short(value, VALUE_LIMIT)) for name, value in (named | of_task).items() if value),
        "missing": outside.rows(name for name, value in named.items() if not value),
        "notes": outside.block(found.notes, label="repository document", is_known=True),
        "worktree": found.site.value if found.site else None,
        "problem": outside.short(found.problem, VALUE_LIMIT) if found.problem else None,
    }
