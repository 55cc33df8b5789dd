"""Addresses as they may be shown."""

import re
from urllib.parse import urlsplit, urlunsplit


def redacted(url: str) -> str:
    """The address without its password or token."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"
    query = re.sub(r"((?:^|&)(?:password|passfile|sslkey|sslpassword)=)[^&]*", r"\1***", parts.query)
    user, at, host = parts.netloc.rpartition("@")
    if at:
        name, colon, _ = user.partition(":")
        # Git hosts take a token in place of the user's name.
        is_token = not colon and parts.scheme in {"http", "https"}
        user = "***" if is_token else name + (":***" if colon else "")
    return urlunsplit(parts._replace(netloc=user + at + host, query=query))
