"""What agents do to hold a task, to keep it and to give it back."""

from app.policies.types import Action
from app.policies.verbs import Toolset, Verb
from app.tasks import leasing, reserving_edits
from app.tasks.schemas import LeaseView, TaskView
from app.tasks.schemas.leases import AgentClaim, AgentHeartbeat, AgentRelease, ClaimView
from app.tasks.schemas.reserving import AgentReserve

VERBS = (
    Verb(
        name="task-claim",
        summary="Take a task to work on it or to review it: the named one, or your best ready one. Keep the fence it answers.",
        action=Action.TASK_CLAIM,
        body=AgentClaim,
        view=ClaimView,
        act=leasing.claim,
        toolset=Toolset.CORE,
    ),
    Verb(
        name="task-heartbeat",
        summary="Keep your lease on a task, and leave notes for whoever comes next in case you do not come back.",
        action=Action.TASK_CLAIM,
        body=AgentHeartbeat,
        view=LeaseView,
        act=leasing.heartbeat,
        toolset=Toolset.CORE,
    ),
    Verb(
        name="task-release",
        summary="Give a task back that you hold, with a handoff for the next holder.",
        action=Action.TASK_CLAIM,
        body=AgentRelease,
        view=TaskView,
        act=leasing.release,
        toolset=Toolset.CORE,
    ),
    Verb(
        name="task-reserve",
        summary="Reserve files for a task that you hold, so that no other task starts on them, or release them.",
        action=Action.TASK_RESERVE,
        body=AgentReserve,
        view=TaskView,
        act=reserving_edits.reserve,
    ),
)
