"""What agents may ask about the board itself."""

from app.agentapi import why
from app.agentapi.schemas import AgentQuestion, WhyView
from app.policies.types import Action
from app.policies.verbs import Toolset, Verb

VERBS = (
    Verb(
        name="task-why",
        summary="What moves a task next: who has to do what, or what it waits for.",
        action=Action.TASK_READ,
        body=AgentQuestion,
        view=WhyView,
        act=why.asked,
        toolset=Toolset.CORE,
        reads=True,
    ),
)
