"""Each profile's attempts and waits against its table, written down here once more."""

from typing import Any

import pytest

from app.runtime.closings import Failure, failed
from app.runtime.rules.profiles import PROFILES, verdict
from app.runtime.types import CommandState, ErrorClass, GiveUp, RetryAt
from tests import make

# Attempts, waits in seconds between them (at full jitter), seconds an attempt may take, seconds in all, and the end.
DOUBLED = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8]
TABLE: dict[str, tuple[int, list[float], float, float, str]] = {
    "critical_path": (8, DOUBLED, 30, 600, "dead_lettered"),
    "standard_async": (5, [1, 2, 4, 8], 60, 3_600, "dead_lettered"),
    "best_effort": (2, [5], 30, 120, "failed_terminal"),
    "manual_review": (1, [], 120, 86_400, "dead_lettered"),
    "delivery": (3, [5, 10], 3_600, 86_400, "dead_lettered"),
}
RETRIED = {
    "critical_path": {"transient", "attempt_timeout", "rate_limited", "dependency_unavailable", "worker_lost"},
    "standard_async": {"transient", "attempt_timeout", "rate_limited", "dependency_unavailable", "worker_lost"},
    "best_effort": {"transient", "dependency_unavailable"},
    "manual_review": {"worker_lost", "rate_limited"},
    "delivery": {
        *("no_answer", "internal", "worker_lost", "transient", "dependency_unavailable", "attempt_timeout", "rate_limited"),
    },
}
CALM: dict[str, Any] = {"budget_used": 1, "lost": 1, "expired": False, "retry_after": None, "waited": 0, "jitter": 0.5}


def test_the_table_is_whole():
    assert set(TABLE) == set(RETRIED) == set(PROFILES)


@pytest.mark.parametrize("name", TABLE)
def test_a_profile_gives_an_attempt_its_time(name):
    _, _, timeout, total, _ = TABLE[name]
    assert (PROFILES[name].timeout, PROFILES[name].total) == (timeout, total)


@pytest.mark.parametrize("name", TABLE)
def test_a_profile_retries_its_classes_and_no_other(name):
    retried = {str(error) for error in ErrorClass if isinstance(verdict(PROFILES[name], error=error, **CALM), RetryAt)}
    assert retried == RETRIED[name]


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
async def test_a_command_that_keeps_failing_has_its_profiles_attempts_and_waits(desk, name, jitter):
    attempts, waits, _, _, end = TABLE[name]
    [command_id] = await desk.enqueue(make.order(profile=name))
    waited = []
    row: dict[str, Any] = {}
    for number in range(1, attempts + 1):
        [claimed] = await desk.claim()
        assert (claimed.attempt, claimed.budget_used) == (number, number)
        await desk.fail(claimed, jitter=jitter)
        row = await desk.row(command_id)
        if row["state"] == "retry_scheduled":
            waited.append(round((row["run_at"] - row["updated_at"]).total_seconds(), 3))
            await desk.admin.execute("UPDATE runtime_commands SET run_at = now()")
    assert row["state"] == end
    assert waited == [pytest.approx(wait * jitter) for wait in waits]
    assert await desk.claim() == []


@pytest.mark.parametrize("name", sorted(set(TABLE) - {"best_effort"}))
async def test_four_deaths_are_poison_and_cost_no_attempt(desk, a_worker, name):
    [command_id] = await desk.enqueue(make.order(profile=name))
    for deaths in range(1, 5):
        [claimed] = await desk.claim()
        assert claimed.budget_used == 1
        await desk.lose()
        assert (await desk.row(command_id))["lost"] == deaths
        desk.worker = await a_worker()
        desk.lock_holders.reverse()
    assert (await desk.row(command_id))["last_error_class"] == "worker_lost"
    assert await desk.state(command_id) == "dead_lettered"


@pytest.mark.parametrize("name", TABLE)
def test_no_wait_is_longer_than_the_cap_nor_ends_after_the_total(name):
    profile = PROFILES[name]
    for error in profile.retry_on | profile.waits_on:
        for elapsed in (0.0, profile.total / 2, profile.total - 0.01, profile.total + 1):
            for number in range(1, profile.attempts):
                decision = verdict(profile, error=error, **CALM | {"budget_used": number, "jitter": 1.0}, elapsed=elapsed)
                assert isinstance(decision, GiveUp) or elapsed + decision.delay <= profile.total
                assert isinstance(decision, GiveUp) or decision.delay <= profile.cap


def test_what_is_given_up_says_whether_there_is_a_letter():
    ends = {name: verdict(profile, error=ErrorClass.VALIDATION, **CALM) for name, profile in PROFILES.items()}
    assert {name for name, end in ends.items() if end == GiveUp(CommandState.FAILED_TERMINAL)} == {"best_effort"}


async def test_the_first_class_stays_when_the_time_is_up(desk):
    await desk.enqueue(make.order())
    [claimed] = await desk.claim()
    busy = Failure(error=ErrorClass.RATE_LIMITED, message="slow down", retry_after=200)
    closing = failed(claimed, busy, worker_id=desk.worker, jitter=0, took=3_500)
    assert (closing.state, closing.error_class) == (CommandState.DEAD_LETTERED, ErrorClass.RATE_LIMITED)
