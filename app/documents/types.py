"""The kinds of documents, and the ones that prompts look for."""

from enum import StrEnum


class DocumentType(StrEnum):
    DELIVERABLE = "deliverable"
    NOTE = "note"
    TEMPLATE = "template"
    REFERENCE = "reference"


REPOSITORY = "repository"
BRIEFING = "briefing"
