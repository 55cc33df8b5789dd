"""What programs and peers say in words when they fail, in classes."""

import re

from app.delivery.types.runs import FailureClass

EXCERPT_LIMIT = 300
SECRET_LENGTH = 6
LONGEST_READ = 64 * 1024

# The first that fits decides: a quota is often told as a rate limit too.
_PATTERNS: tuple[tuple[FailureClass, re.Pattern[str]], ...] = tuple(
    (failure, re.compile(pattern, re.IGNORECASE))
    for failure, pattern in (
        (FailureClass.QUOTA, r"quota|usage limit|insufficient (?:credit|fund|balance)|credit balance|billing|payment required"),
        (FailureClass.RATE_LIMITED, r"rate[ _-]?limit|too many requests|\b429\b"),
        (
            FailureClass.AUTH,
            r"unauthori[sz]ed|authenticat|invalid (?:api|access)[ _-]?(?:key|token)|not logged in|log in first|\b40[13]\b",
        ),
        (
            FailureClass.REFUSED,
            r"\b(?:model|agent|tool)\b.{0,80}\b(?:not found|not exist|unknown)|(?:unknown|no such) (?:model|agent|tool)",
        ),
        (FailureClass.TIMEOUT, r"timed? ?out|deadline exceeded"),
        (
            FailureClass.UNAVAILABLE,
            r"overloaded|unavailable|connection (?:refused|reset|closed)|network is unreachable|name resolution|\b50[0234]\b",
        ),
    )
)
_AFTER = re.compile(
    r"(?:retry[ _-]?(?:after|in)|(?:try|retry) again (?:in|after)|resets? in)\D{0,5}([0-9]{1,6})\s*(ms|s|m|h|sec|min|hour)?",
    re.IGNORECASE,
)
_SECONDS = {"ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0, "hour": 3600.0}
LONGEST_AFTER = 86_400.0


def failure_in(words: str) -> FailureClass | None:
    """The class that the words name."""
    text = words[-LONGEST_READ:]
    return next((failure for failure, pattern in _PATTERNS if pattern.search(text)), None)


def retry_after_in(words: str) -> float | None:
    """In how many seconds to come again, if the words say so."""
    found = _AFTER.search(words[-LONGEST_READ:])
    if found is None:
        return None
    return min(float(found[1]) * _SECONDS.get((found[2] or "s").lower(), 1.0), LONGEST_AFTER)


def excerpt(words: str, *, secrets: set[str]) -> str:
    """The end of what was said, in one line and without secrets."""
    text = words[-LONGEST_READ:]
    for secret in sorted((one for one in secrets if len(one) >= SECRET_LENGTH), key=len, reverse=True):
        text = text.replace(secret, "***")
    return " ".join(text.replace("\0", "").split())[-EXCERPT_LIMIT:]
