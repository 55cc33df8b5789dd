"""What agents may say of acceptance criteria."""

from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.policies.types import Action
from app.policies.verbs import Verb
from app.tasks import evidence
from app.tasks.schemas.evidence import AgentVerdict, VerdictView


async def judge(tx: Transaction, principal: Principal, body: AgentVerdict) -> VerdictView:
    return await evidence.judge(tx, principal, body.task_id, body)


VERBS = (
    Verb(
        name="task-evidence",
        summary="Say whether an acceptance criterion of a task is met, and show by what artifact.",
        action=Action.TASK_EVIDENCE,
        body=AgentVerdict,
        view=VerdictView,
        act=judge,
    ),
)
