"""The kinds of documents."""

from enum import StrEnum


class DocumentType(StrEnum):
    DELIVERABLE = "deliverable"
    NOTE = "note"
    TEMPLATE = "template"
    REFERENCE = "reference"
