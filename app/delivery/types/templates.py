"""The words of templates: whose they are, what they are called, and what is wrong with one."""

from enum import StrEnum

import msgspec

CONTENT_MOST = 20_000


class TemplateSource(StrEnum):
    BUILT_IN = "built_in"
    FORK = "fork"
    ACCOUNT = "account"


class TemplateName(StrEnum):
    """What may be replaced; the last two are parts of the others."""

    INSTRUCTIONS = "instructions"
    INPUT = "input"
    WAKEUP_INSTRUCTIONS = "wakeup_instructions"
    WAKEUP_INPUT = "wakeup_input"
    QUOTING = "quoting"
    ACTING = "acting"


PARTS = (TemplateName.QUOTING, TemplateName.ACTING)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong and where; `rule` is `syntax`, `language`, `rendering` or a rule of the lint."""

    place: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.rule}: {self.message}"
