"""Reviewers by role text: where that is taken away from an account, it is off whatever the account's settings say."""

import msgspec

from app.kernel.remarks import remark
from app.kernel.transaction import Transaction
from app.policies.types import AccountPolicy
from app.runtime.deprecations import is_removed
from app.runtime.rules.deprecations import REVIEWER_BY_ROLE_TEXT

_decoder = msgspec.json.Decoder(AccountPolicy)


def in_force(tx: Transaction, settings: str) -> AccountPolicy:
    """The account's policy from its stored settings."""
    account = _decoder.decode(settings)
    if account.legacy_reviewer_fallback and is_removed(tx.controls, tx.account_id, REVIEWER_BY_ROLE_TEXT):
        return without(account)
    return account


def without(account: AccountPolicy) -> AccountPolicy:
    return msgspec.structs.replace(account, legacy_reviewer_fallback=False)


def remarked() -> None:
    """Let the answer say that it rests on role text, until when, and what to set instead."""
    remark(REVIEWER_BY_ROLE_TEXT.headers)
