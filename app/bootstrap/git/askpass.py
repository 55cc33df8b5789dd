"""Answers git's question for a user or a password, if it is asked for the one origin that they belong to.

Git starts it with the question as its only argument. Nothing but the standard library is there.
"""

import os
import re
import sys
from urllib.parse import urlsplit

ORIGIN, USER, TOKEN = "CALLBOARD_ASKPASS_ORIGIN", "CALLBOARD_ASKPASS_USER", "CALLBOARD_ASKPASS_TOKEN"
QUESTION = re.compile(r"(Username|Password) for '([A-Za-z]+://[^'\s/?#\\]+)/?': ?")
PORTS = {"http": 80, "https": 443}


def answer(question: str, *, origin: str, user: str, token: str) -> str | None:
    """None where the question is another, or names another origin."""
    asked = QUESTION.fullmatch(question)
    if asked is None or not origin or place(asked[2]) is None or place(asked[2]) != place(origin):
        return None
    return user if asked[1] == "Username" else token


def place(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, PORTS[parts.scheme] if port is None else port


def main() -> int:
    given = {name: os.environ.get(name, "") for name in (ORIGIN, USER, TOKEN)}
    said = answer(" ".join(sys.argv[1:]), origin=given[ORIGIN], user=given[USER], token=given[TOKEN])
    if said is None:
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
