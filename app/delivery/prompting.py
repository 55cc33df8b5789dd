"""Makes a prompt with the account's templates, and with the installation's where those fail."""

from collections.abc import Callable, Iterator
from pathlib import Path

import structlog
from prometheus_client import Counter

from app.agents import identity as identities
from app.delivery import briefing, render, wakeups
from app.delivery.fence import TooLarge
from app.delivery.render import Templates
from app.delivery.types.prompts import Prompt, PromptWakeup
from app.delivery.types.runs import Tool
from app.delivery.types.templates import TemplateSource
from app.kernel.db import BUSY
from app.kernel.settings import Settings
from app.kernel.transaction import Transaction
from app.observability.metrics import REGISTRY
from app.runtime import alerts
from app.runtime.types import AlertSeverity

log = structlog.get_logger()

CONTEXT, TEMPLATE, SIZE = "context", "template", "size"
FAILURES = Counter(
    "callboard_prompt_failures",
    "Prompts that could not be built: by the stage that failed, and whose templates were tried.",
    ["stage", "source"],
    registry=REGISTRY,
)
# That none failed is said too.
FAILURES.labels(CONTEXT, "")
for _stage in (TEMPLATE, SIZE):
    for _source in TemplateSource:
        FAILURES.labels(_stage, _source)
SUSPICIONS = Counter(
    "callboard_suspicious_texts", "Prompts in which an outside text looks like an attack.", ["pattern"], registry=REGISTRY
)
ALERT = "prompt_template"


def base_url(settings: Settings) -> str:
    """Where agents reach the board."""
    return (settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")


async def build(
    tx: Transaction,
    found: briefing.Situation,
    *,
    settings: Settings,
    token: Callable[[], str],
    tools: tuple[Tool, ...] = (),
    wakeup: PromptWakeup | None = None,
) -> Prompt:
    """The prompt as it is to be frozen; broken templates are counted and told of, and stop nothing."""
    try:
        wakeup = wakeup or await wakeups.of(tx, found)
        ground = await briefing.context(tx, found, base_url=base_url(settings), tools=tools, wakeup=wakeup)
    except BUSY:
        # Done again from the beginning.
        raise
    except Exception:
        FAILURES.labels(CONTEXT, "").inc()
        raise
    for source, load in candidates(ground.templates, settings.templates_dir):
        try:
            prompt = render.render(ground.context, token=token, templates=load())
        except Exception as error:
            FAILURES.labels(SIZE if isinstance(error, TooLarge) else TEMPLATE, source).inc()
            if source == TemplateSource.BUILT_IN:
                raise
            await _failed(tx, source, error)
        else:
            for one in prompt.suspicions:
                SUSPICIONS.labels(one).inc()
            identities.give(tx, found.notification["session_id"], ground.identity, before=ground.identity_before)
            return prompt
    raise AssertionError("the built-in templates come last")


def candidates(
    contents: tuple[tuple[str, str], ...], directory: Path | None
) -> Iterator[tuple[TemplateSource, Callable[[], Templates]]]:
    """Whose templates are tried, the account's first; a template may fail to be read, too."""
    if contents:
        yield TemplateSource.ACCOUNT, lambda: render.of_account(contents, directory)
    if directory is not None:
        yield TemplateSource.FORK, lambda: render.of_fork(directory)
    yield TemplateSource.BUILT_IN, render.built_in


async def _failed(tx: Transaction, source: TemplateSource, error: Exception) -> None:
    place, line = render.where(error)
    message = render.TOO_LARGE if isinstance(error, TooLarge) else f"{type(error).__name__}: {error}"
    log.warning("prompt_template_failed", source=source, template=place, line=line, error=message)
    await alerts.raise_alert(
        tx,
        fingerprint=f"{ALERT}:{source}",
        kind=ALERT,
        severity=AlertSeverity.WARNING,
        message=f"the {source}'s prompt template {place} fails at line {line} and is passed over: {message}",
        entity=("account", tx.account_id),
    )
