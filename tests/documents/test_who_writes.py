"""Who may write on a document: by the rule, and on the board."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.types import Role
from app.policies.rules import decide
from app.policies.types import AccountPolicy, Action, Allowed, DocumentFacts, Flags, PersonActor, Reason, SystemActor
from tests.boards import OWNER
from tests.documents.desk import DOCUMENTS, read, refusal, write, written
from tests.policies import desk
from tests.policies.crews import ORCHESTRATOR, acting, agent, agents, verdict

LED = AccountPolicy(orchestrator_agent_id=ORCHESTRATOR)
WRITER = Flags(can_create_documents=True)
documents = st.builds(DocumentFacts, **dict.fromkeys(("is_protected", "is_new", "is_author", "is_on_its_task"), st.booleans()))


def ask(facts, document, action=Action.DOCUMENTS_WRITE):
    return verdict(decide(action, actor=acting(facts, LED), account=LED, document=document))


@pytest.mark.parametrize(
    ("document", "worker", "leader"),
    [
        (DocumentFacts(), Reason.NOT_AUTHOR, "orchestrator"),
        (DocumentFacts(is_new=True), "agent.create", "agent.create"),
        (DocumentFacts(is_author=True), "author", "author"),
        (DocumentFacts(is_on_its_task=True), "assignee", "assignee"),
        (DocumentFacts(is_new=True, is_protected=True), Reason.DOCUMENT_PROTECTED, Reason.DOCUMENT_PROTECTED),
        (DocumentFacts(is_author=True, is_protected=True), Reason.DOCUMENT_PROTECTED, Reason.DOCUMENT_PROTECTED),
    ],
)
def test_which_agent_writes_on_which_document(document, worker, leader):
    assert (ask(agent(), document), ask(agent(1), document)) == (worker, leader)


@given(agents(1), documents)
def test_no_agent_whatever_its_flags_writes_a_protected_document(facts, document):
    protected = msgspec.structs.replace(document, is_protected=True)
    assert not isinstance(decide(Action.DOCUMENTS_WRITE, actor=acting(facts, LED), account=LED, document=protected), Allowed)


@given(agents(9), documents, st.sampled_from(("is_author", "is_on_its_task", "is_new")))
def test_being_nearer_to_a_document_never_takes_the_right_away(facts, document, fact):
    near = msgspec.structs.replace(document, **{fact: True})
    before, after = (
        decide(Action.DOCUMENTS_WRITE, actor=acting(facts, LED), account=LED, document=one) for one in (document, near)
    )
    assert isinstance(after, Allowed) or not isinstance(before, Allowed)


def test_agents_take_no_document_away_and_the_flag_comes_first():
    for document in (DocumentFacts(is_author=True), None):
        assert ask(agent(1, flags=WRITER), document, Action.DOCUMENTS_DELETE) is Reason.PERSONS_ONLY
    forbidden = agent(1, flags=Flags(can_create_documents=False))
    assert ask(forbidden, DocumentFacts(is_protected=True)) is Reason.CAPABILITY_DENIED


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", [Action.DOCUMENTS_WRITE, Action.DOCUMENTS_DELETE])
def test_people_from_member_on_write_every_document(role, action):
    actor = PersonActor(agent().id, role)
    decision = decide(action, actor=actor, account=LED, document=DocumentFacts(is_protected=True))
    assert isinstance(decision, Allowed) == (role is not Role.VIEWER)
    assert isinstance(decide(action, actor=SystemActor(), account=LED), Allowed)


async def test_an_agent_writes_on_its_own_documents_and_those_of_its_tasks(board):
    task = await board.task(assignee_slugs=["writer"])
    loose, tied = await written(board, "engineer"), await written(board, "engineer", task_id=task["id"], title="Notes")

    async def by(who, document):
        return await write(board, who, document_id=document["id"], content=f"As {who} sees it.")

    for document in (loose, tied):
        for who in ("engineer", "orchestrator"):
            assert (await by(who, document)).status_code == 200
    assert refusal(await by("engineer-2", tied)) == (403, "not_author")
    assert refusal(await by("writer", loose)) == (403, "not_author")
    assert (await by("writer", tied)).status_code == 200
    # Assigned no longer: the right went with the task.
    answer = await board.person.post(f"/api/v1/tasks/{task['id']}/assign", json={"assignee_slugs": ["reviewer"], "replace": True})
    assert answer.status_code == 200
    assert refusal(await by("writer", tied)) == (403, "not_author")
    assert (await by("reviewer", tied)).status_code == 200
    assert (await read(board, document_id=loose["id"])).json()["content"] == "As orchestrator sees it."


async def test_an_agent_without_the_flag_writes_nothing(board):
    made = await written(board, "engineer")
    await desk.flags(board, "engineer", can_create_documents=False)
    for fields in ({}, {"document_id": made["id"]}):
        answer = await write(board, "engineer", **fields)
        assert refusal(answer) == (403, "capability_denied")
        assert answer.json()["error"]["details"]["flag"] == "can_create_documents"
    # Reading needs no flag.
    assert (await board.as_("engineer").post("/agent/document-get", json={"slug": made["slug"]})).status_code == 200


@pytest.mark.parametrize("slug", ["briefing", "repository"])
async def test_people_alone_write_what_prompts_show(board, slug):
    found = (await read(board, slug=slug)).json()
    assert found["is_protected"]
    for who in ("engineer", "orchestrator"):
        assert refusal(await write(board, who, document_id=found["id"])) == (403, "document_protected")
    assert (await board.person.patch(f"{DOCUMENTS}/{found['id']}", json={"content": "Ours."})).json()["version"] == 2
    # With the name free, an agent does not get it either: not by making, not by renaming, not by a title.
    assert (await board.person.delete(f"{DOCUMENTS}/{found['id']}")).status_code == 204
    own = await written(board, "orchestrator", title="Mine")
    assert refusal(await write(board, "orchestrator", slug=slug)) == (403, "document_protected")
    assert refusal(await write(board, "orchestrator", document_id=own["id"], slug=slug)) == (403, "document_protected")
    named_alike = await written(board, "orchestrator", title=slug.title())
    assert named_alike["slug"].startswith(f"{slug}-")
    assert (await written(board, OWNER, slug=slug))["is_protected"]


async def test_a_document_that_a_person_makes_protected_is_the_agents_no_longer(board):
    made = await written(board, "engineer")
    old = (await read(board, slug="briefing")).json()
    assert (await board.person.delete(f"{DOCUMENTS}/{old['id']}")).status_code == 204
    assert (await board.person.patch(f"{DOCUMENTS}/{made['id']}", json={"slug": "briefing"})).json()["is_protected"]
    assert refusal(await write(board, "engineer", document_id=made["id"])) == (403, "document_protected")


async def test_a_viewer_reads_and_a_member_writes_and_deletes(board, admin):
    made = await written(board, "engineer")
    path = f"{DOCUMENTS}/{made['id']}"
    viewer, member = await desk.person(board, admin, "viewer"), await desk.person(board, admin, "member")
    assert (await board.as_(viewer).get(path)).json()["content"] == "First the tests."
    assert (await board.as_(viewer).get(f"{path}/versions")).status_code == 200
    assert (await board.as_(viewer).get(DOCUMENTS)).status_code == 200
    assert refusal(await write(board, viewer)) == (403, "role_denied")
    assert refusal(await board.as_(viewer).patch(path, json={"title": "T"})) == (403, "role_denied")
    assert refusal(await board.as_(viewer).delete(path)) == (403, "role_denied")
    assert (await board.as_(member).patch(path, json={"title": "T"})).status_code == 200
    assert (await board.as_(member).delete(path)).status_code == 204
