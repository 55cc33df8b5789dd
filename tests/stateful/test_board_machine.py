"""Random verbs by random actors: the board and a small model of its rules never disagree."""

import asyncio
from collections import Counter

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.policies import desk
from tests.stateful.facts import PERSON, REVIEWER
from tests.stateful.machine import GOALS, Machine
from tests.stateful.world import World

# A run that never came by these would prove little.
MET = (
    {f"{act} accepted" for act in ("claim", "release", "heartbeat", "update", "message", "assign", "depend", "delete", "reopen")}
    | {f"status {goal} accepted" for goal in GOALS}
    | {
        "status review lease_lost",
        "claim held",
        "claim dependency_open",
        "status done forbidden:reviewer_required",
        "expire True",
    }
)


async def test_the_board_and_the_model_never_disagree(board, admin):
    await desk.flags(board, "engineer", can_create_tasks=True)
    world, met = World(board, admin), Counter[str]()

    class Run(Machine):
        def __init__(self) -> None:
            super().__init__(world, met)

    run = settings(
        max_examples=50,
        stateful_step_count=25,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, Run, settings=run)
    assert set(met) >= MET, MET - set(met)


async def test_one_who_reviews_a_task_that_it_is_on_may_take_up_the_work_within_its_capacity(board, admin):
    """The new lease takes the place of the old one on the same task; chance seldom comes by here."""
    machine = Machine(World(board, admin), Counter())

    def story() -> None:
        machine.make(PERSON, wanted=None, on={"engineer", REVIEWER}, deps=set(), parent=None)
        task = machine.at(0)
        machine.act("engineer", task, "claim", None, why=True)
        machine.act("engineer", task, "review", task.fence, why=True)
        machine.act(REVIEWER, task, "claim", None, why=True)
        machine.act(REVIEWER, task, "in_progress", task.fence, why=True)
        assert (task.holder, task.kind, task.fence) == (REVIEWER, "work", 3)

    await asyncio.to_thread(story)
