"""What becomes of a worktree, whatever its task and its clone come to."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.bootstrap.rules.worktrees import CLOSED, Aim, Standing, aim
from app.bootstrap.types.vcs import CloneState
from app.tasks.types import TaskStatus, WorktreeState

STANDINGS = st.builds(
    Standing,
    state=st.sampled_from(WorktreeState),
    status=st.sampled_from(TaskStatus),
    is_current=st.booleans(),
    is_held=st.booleans(),
    is_made=st.booleans(),
    keeps=st.booleans(),
    has_url=st.booleans(),
    clone=st.none() | st.sampled_from(CloneState),
    has_clone=st.booleans(),
)


@given(STANDINGS)
@settings(max_examples=200)
def test_a_worktree_is_there_while_it_is_needed_and_goes_when_it_is_not(standing):
    step = aim(standing)
    if step in {Aim.REMOVE, Aim.KEEP, Aim.DROP}:
        assert standing.status in CLOSED or not standing.is_current
    if step in {Aim.MAKE, Aim.FOLLOW}:
        assert standing.status not in CLOSED
        assert standing.has_clone
        assert standing.has_url
    if step in {Aim.REMOVE, Aim.KEEP, Aim.MAKE, Aim.FOLLOW} and step is not Aim.KEEP:
        assert standing.has_clone
    if step is Aim.KEEP:
        assert standing.keeps
    if standing.state is WorktreeState.REMOVED:
        assert step is Aim.NOTHING
    is_wanted = standing.state is WorktreeState.WANTED and standing.status not in CLOSED and standing.is_current
    if is_wanted:
        assert step in {Aim.MAKE, Aim.WAIT, Aim.FAIL}
    if standing.is_held and standing.state is WorktreeState.READY and step is not Aim.MAKE:
        assert (
            standing.status in CLOSED
            or not (standing.is_current and standing.has_url and standing.has_clone)
            or (standing.clone is CloneState.OFF)
        )
