"""The one way for text from outside into a prompt: fenced, labelled, bounded, and out of a template's reach."""

import re
import unicodedata
from collections.abc import Callable
from typing import NewType

Fenced = NewType("Fenced", str)

_KEYWORD = "QUOTED MATERIAL"
REMOVED = "[boundary look-alike removed]"

# Letters of other scripts that look like the keyword's; compatibility forms are folded by NFKD before.
_TWINS = {
    "q": "q\u051b\u0566",
    "u": "u\u03c5\u057d",
    "o": "o0\u03bf\u043e\u0585",
    "t": "t\u0442\u03c4",
    "e": "e3\u0435\u04bd",
    "d": "d\u0501",
    "m": "m\u043c\u03bc",
    "a": "a4\u0430\u03b1",
    "r": "r\u0433\u0280",
    "i": "i1l\u0456\u0131\u03b9",
    "l": "l1i\u0456\u04cf\u0142",
}
_LETTERS = _KEYWORD.replace(" ", "").lower()
# Possessive, so that a long run of separators is read once.
_LOOK_ALIKE = re.compile(r"[\W_]*+".join(f"[{_TWINS[letter]}]" for letter in _LETTERS), re.IGNORECASE)
_ASCII_LOOK_ALIKE = re.compile(
    r"[\W_]*+".join(f"[{_TWINS[letter].encode('ascii', 'ignore').decode()}]" for letter in _LETTERS), re.ASCII
)

_ASCII_CONTROLS = {code: None for code in (*range(32), 127) if chr(code) not in "\n\t"}
# Controls, bidirectional overrides, invisible joints, surrogates, edges of seals, tag characters; joiners of scripts stay.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u115f\u1160\u3164\uffa0\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ue000\ue001\U000e0000-\U000e01ef]+"
)
# What a rendered prompt quotes, as blocks and on a line.
FENCED = re.compile(rf"<<<{_KEYWORD} (\w+) \| [^\n]*>>>\n.*?\n<<<END {_KEYWORD} \1>>>", re.DOTALL)
QUOTED = re.compile(r'"[^"\n]*"')
_QUOTES = str.maketrans(dict.fromkeys('"\u201c\u201d\u201e\u201f\u2033\u301d\u301e\uff02', "'"))
_LABEL_LIMIT = 200

_SEAL = re.compile("\ue000([0-9]{1,6})\ue001")
_SEAL_EDGES = re.compile("[\ue000\ue001]")


def fence(text: str, *, label: str, token: Callable[[], str], limit: int) -> Fenced:
    """Wrap outside text between two markers that it cannot imitate; the label says where it came from."""
    mark = token()
    return Fenced(
        f"<<<{_KEYWORD} {mark} | {_one_line(label, _LABEL_LIMIT)}>>>\n{_bounded(text, limit)}\n<<<END {_KEYWORD} {mark}>>>"
    )


def inline(text: str, limit: int) -> Fenced:
    """Quote a short outside value on one line."""
    line = _one_line(text, limit + 1)
    if len(line) > limit:
        line = f"{line[:limit]}\u2026"
    bare = line.replace('"', "'") if line.isascii() else line.translate(_QUOTES)
    return Fenced(f'"{bare}"')


def _bounded(text: str, limit: int) -> str:
    clean = _neutral(_printable(text[:limit]))
    # Folding an attack's compatibility forms may lengthen it.
    omitted = max(0, len(text) - limit) + max(0, len(clean) - limit)
    if not omitted:
        return clean
    return f"{clean[:limit]}\n\u00ab\u2026 {omitted} characters omitted\u00bb"


def _one_line(text: str, limit: int) -> str:
    # Spaces collapse, so a few times the limit is enough to read.
    line = " ".join(_printable(" ".join(text[: 4 * limit].split())).split())
    return _neutral(line).replace("<", "").replace(">", "")[:limit]


def _printable(text: str) -> str:
    if not text.isascii():
        return _CONTROLS.sub("", text)
    return text if text.isprintable() else text.translate(_ASCII_CONTROLS)


def _neutral(text: str) -> str:
    if text.isascii():
        return _LOOK_ALIKE.sub(REMOVED, text) if _ASCII_LOOK_ALIKE.search(text.lower()) else text
    folded = unicodedata.normalize("NFKD", text)
    if not _LOOK_ALIKE.search(folded):
        return text
    return unicodedata.normalize("NFC", _LOOK_ALIKE.sub(REMOVED, folded))


class TooLarge(Exception):
    """A template printed more than a prompt may hold."""


class Vault:
    """Holds fenced texts while a template runs, which sees only seals: whatever it does to one, no bare text can come out."""

    def __init__(self) -> None:
        self._held: list[Fenced] = []

    def seal(self, text: Fenced) -> str:
        self._held.append(text)
        return f"\ue000{len(self._held) - 1}\ue001"

    def unseal(self, printed: str, *, limit: int) -> str:
        """Put the fenced texts in the place of their seals, in one pass, so that they are never read for seals."""
        pieces = _SEAL.split(printed)
        # Seals are the odd pieces; a seal that a template cut or bent leaves only its edges behind.
        pieces[::2] = [_SEAL_EDGES.sub("", piece) for piece in pieces[::2]]
        pieces[1::2] = [self._text(int(number)) for number in pieces[1::2]]
        if sum(map(len, pieces)) > limit:
            raise TooLarge
        return "".join(pieces)

    def _text(self, number: int) -> str:
        return self._held[number] if number < len(self._held) else ""
