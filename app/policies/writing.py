"""Which agents write on a document: its author, those on its task, and the orchestrator."""

from app.policies.types import Allowed, Decision, Denied, DocumentFacts, EffectivePolicy, Reason


def may_write(document: DocumentFacts, policy: EffectivePolicy) -> Decision:
    if document.is_protected:
        return Denied(Reason.DOCUMENT_PROTECTED, "this document enters prompts, so people alone write it")
    if document.is_new:
        return Allowed("agent.create")
    if document.is_author:
        return Allowed("author")
    if document.is_on_its_task:
        return Allowed("assignee")
    if policy.is_orchestrator:
        return Allowed("orchestrator")
    return Denied(Reason.NOT_AUTHOR, "this agent neither wrote the document nor works on its task")
