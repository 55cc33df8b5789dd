"""Names what looks like an attack in a text from outside; it is flagged and let through, for it stands in a fence."""

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum


class Suspicion(StrEnum):
    OVERRIDE = "override"
    ROLE = "role"
    BOUNDARY = "boundary"
    TOOL_CALL = "tool_call"
    TEMPLATE = "template"
    CREDENTIAL = "credential"
    HIDDEN = "hidden"
    DATA_URL = "data_url"


# A text is read closely only where one of these short words stands in it.
_LOOKS: tuple[tuple[Suspicion, tuple[str, ...], re.Pattern[str]], ...] = (
    (
        Suspicion.OVERRIDE,
        ("ignore", "disregard", "forget", "override"),
        re.compile(
            r"(?:ignore|disregard|forget|override)\W+(?:\w+\W+){0,4}?"
            r"(?:previous|prior|above|earlier|preceding|all|your|these|the)\W+(?:\w+\W+){0,2}?"
            r"(?:instruction|rule|prompt|message|direction|context|polic)"
        ),
    ),
    (
        Suspicion.ROLE,
        ("you are now", "system", "developer", "new instruction", "<|", "[inst", "act as"),
        re.compile(
            r"you are now\b|\bnew instructions?\s*:|<\|(?:im_start|im_end|system|user|assistant|end)|\[/?inst\]|<</?sys>>"
            r"|^[#>*\s=\-\[<]*(?:system|developer)(?:\s+(?:prompt|message|note|override|instructions?))?\s*[\]>*=\-]*\s*:"
            r"|^\s*#+\s*(?:system|developer)\b|</?system>|\bact as (?:the |an? )?(?:system|admin|root|developer)",
            re.MULTILINE,
        ),
    ),
    (
        Suspicion.BOUNDARY,
        ("look-alike", "quoted", "end of", "begin ", "<<<", "==="),
        re.compile(
            r"boundary look-alike removed|quoted[\W_]*material|<<<\s*/?\s*(?:end|begin)|={3,}\s*(?:end|begin)"
            r"|(?:end|begin) of (?:the )?(?:user|untrusted|external|quoted) (?:input|text|content|data|material)"
        ),
    ),
    (
        Suspicion.TOOL_CALL,
        ("tool_call", "function_call", "tool_use", "<invoke", "function=", '"arguments"', "tool_code"),
        re.compile(
            r"</?tool_(?:calls?|use|code)|(?:tool|function)_calls?[\"']?\s*[:=>]|<invoke\b|<function="
            r"|[\"']arguments[\"']\s*:|```tool_code"
        ),
    ),
    (Suspicion.TEMPLATE, ("{{", "{%", "${"), re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\$\{[^}\n]{1,200}\}")),
    (
        Suspicion.CREDENTIAL,
        ("token", "secret", "password", "api key", "api_key", "credential"),
        re.compile(
            r"(?:print|reveal|show|send|post|tell|give|leak|output|repeat)\W+(?:\w+\W+){0,5}?"
            r"(?:token|secret|password|api[ _]?key|credential)"
        ),
    ),
    (Suspicion.DATA_URL, ("data:",), re.compile(r"\bdata:[\w.+-]{1,50}/[\w.+-]{1,80}[;,]")),
)
_HIDDEN = re.compile("[\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ue000-\uf8ff\U000e0000-\U000e01ef]")
_JOINERS = str.maketrans("", "", "\u200c\u200d")


def suspicions(texts: Iterable[str]) -> tuple[Suspicion, ...]:
    """Which kinds are found in any of the texts, each once."""
    read = "\n".join(texts)
    found = set[Suspicion]()
    if not read.isascii():
        if _HIDDEN.search(read):
            found.add(Suspicion.HIDDEN)
            read = _HIDDEN.sub("", read)
        # Letters of other widths and alphabets are read as what they look like.
        read = unicodedata.normalize("NFKC", read.translate(_JOINERS))
    low = read.lower()
    for kind, hints, pattern in _LOOKS:
        if any(hint in low for hint in hints) and pattern.search(low):
            found.add(kind)
    return tuple(kind for kind in Suspicion if kind in found)
