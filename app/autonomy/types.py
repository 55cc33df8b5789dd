"""The words of approvals."""

from enum import StrEnum


class ApprovalState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELED = "canceled"
    STALE = "stale"


class Vote(StrEnum):
    APPROVE = "approve"
    DENY = "deny"
