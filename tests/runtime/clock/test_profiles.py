"""Attempts and waits of each profile on the simulated clock, against the table of the profiles."""

from itertools import pairwise

import pytest

from app.runtime.rules.profiles import PROFILES
from tests import make
from tests.runtime.clock.worlds import DAY, World

# Waits in seconds before each retry of what always fails for a passing reason, and how it ends.
TABLE: dict[str, tuple[list[float], str]] = {
    "critical_path": ([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8], "dead_lettered"),
    "standard_async": ([1, 2, 4, 8], "dead_lettered"),
    "best_effort": ([5], "failed_terminal"),
    "manual_review": ([], "dead_lettered"),
    "delivery": ([5, 10], "dead_lettered"),
}
ATTEMPTS = "SELECT attempt, started_at, outcome FROM runtime_command_attempts WHERE command_id = $1 ORDER BY attempt"


def test_the_table_names_every_profile():
    assert TABLE.keys() == PROFILES.keys()


async def failing(world: World, profile: str, **payload):
    order = make.order(type="runtime.probe", profile=profile, payload={"fail_attempts": 1000} | payload)
    (command_id,) = await make.enqueued(world.board.database, world.board.account_id, order)
    return command_id


@pytest.mark.parametrize("profile", TABLE)
async def test_what_always_fails_is_tried_as_often_and_as_late_as_its_profile_says(world: World, admin, profile):
    waits, end = TABLE[profile]
    command_id = await failing(world, profile)
    await world.advance(2 * DAY)
    attempts = await admin.fetch(ATTEMPTS, command_id)
    assert [row["attempt"] for row in attempts] == list(range(1, len(waits) + 2))
    assert {row["outcome"] for row in attempts} == {"failed"}
    assert [(later["started_at"] - earlier["started_at"]).total_seconds() for earlier, later in pairwise(attempts)] == waits
    assert await admin.fetchval("SELECT state FROM runtime_commands WHERE id = $1", command_id) == end
    letters = await admin.fetchval("SELECT count(*) FROM runtime_dead_letters WHERE command_id = $1", command_id)
    assert letters == (end == "dead_lettered")


@pytest.mark.parametrize("profile", TABLE)
async def test_what_can_never_succeed_is_tried_once(world: World, admin, profile):
    command_id = await failing(world, profile, error="validation_failed")
    await world.advance(2 * DAY)
    assert len(await admin.fetch(ATTEMPTS, command_id)) == 1


async def test_a_peer_that_says_when_to_come_back_is_heard_up_to_the_cap(world: World, admin):
    asked = {"error": "rate_limited", "fail_attempts": 2}
    soon = await failing(world, "standard_async", **asked, retry_after=100)
    late = await failing(world, "standard_async", **asked, retry_after=1_000)
    await world.advance(DAY)
    for command_id, wait in ((soon, 100), (late, 300)):
        attempts = await admin.fetch(ATTEMPTS, command_id)
        gaps = [(later["started_at"] - earlier["started_at"]).total_seconds() for earlier, later in pairwise(attempts)]
        assert gaps == [wait, wait]


async def test_a_command_is_not_tried_again_once_its_total_time_is_over(world: World, admin):
    command_id = await failing(world, "standard_async", error="rate_limited", retry_after=1_000, fail_attempts=1_000)
    await world.advance()
    await world.jump(seconds=3_599)
    await world.advance(DAY)
    attempts = await admin.fetch(ATTEMPTS, command_id)
    assert len(attempts) == 2
    assert await admin.fetchval("SELECT state FROM runtime_commands WHERE id = $1", command_id) == "dead_lettered"
