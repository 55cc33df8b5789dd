"""What a template sees of the repository."""

from app.delivery.outside import Outside
from app.delivery.types.prompts import RepositoryFacts

FACT_LIMIT = 500


def shown(found: RepositoryFacts, *, outside: Outside) -> dict[str, object]:
    """Each fact that is recorded, those that are not, and how the worktree of the task stands."""
    named = {
        "name": found.name,
        "URL": found.url,
        "writable directory": found.writable_dir,
        "base branch": found.base_branch,
        "branch prefix": found.branch_prefix,
    }
    known = named | {"branch of this task": found.branch, "worktree of this task": found.worktree}
    return {
        "facts": outside.rows((name, outside.short(value, FACT_LIMIT)) for name, value in known.items() if value),
        "missing": outside.rows(name for name, value in named.items() if not value),
        "notes": outside.block(found.notes, label="repository document", is_known=True),
        "worktree": found.site.value if found.site else None,
        "problem": outside.short(found.problem, FACT_LIMIT) if found.problem else None,
    }
