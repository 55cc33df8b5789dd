"""What was asked about has changed meanwhile: nothing runs, and the request ends."""

from uuid import UUID, uuid4

import pytest

from app.kernel.errors import Invalid, Missing, VersionConflict
from tests.autonomy import desk
from tests.boards import OWNER


async def target(board, kind: str) -> dict[str, str]:
    if kind == "task":
        return {"kind": "task", "id": (await board.task())["id"]}
    body = {"title": "Plan", "content": "First.", "type": "note"}
    answer = await board.person.post("/api/v1/documents", json=body)
    assert answer.status_code == 201, answer.text
    return {"kind": "document", "id": answer.json()["id"]}


async def about(board, kind: str, **terms):
    """A request about a fresh task or document, and where that is."""
    found = await target(board, kind)
    approval = await desk.held(board, target_kind=kind, target_id=UUID(found["id"]), **terms)
    assert (approval["target_id"], approval["target_version"]) == (found["id"], 1)
    return approval, f"/api/v1/{kind}s/{found['id']}"


@pytest.mark.parametrize("kind", ["task", "document"])
async def test_a_target_that_changed_is_refused_and_ends_the_request(crew, admin, kind):
    approval, path = await about(crew, kind, quorum=2)
    await desk.said(crew, "ada", "approve", approval)
    assert (await crew.person.patch(path, json={"title": "Another"})).status_code == 200
    assert await desk.refused(crew, "bob", "approve", approval) == (409, "invalid_transition", "stale")
    after = await desk.detail(crew, approval)
    assert (after["state"], after["reason"]) == ("stale", f"the {kind} has version 2 now, and 1 was asked about")
    assert await desk.command_of(admin, approval) == ("canceled", None)
    assert [vote["voter_id"] for vote in after["votes"]] == [await desk.person_id(crew, "ada")]
    assert await desk.refused(crew, "bob", "approve", approval) == (409, "invalid_transition", "stale")
    assert await desk.told(admin, approval) == [("requested", 1), ("voted", 2), ("stale", 3)]


async def test_a_target_that_is_gone_is_refused(crew, admin):
    approval, path = await about(crew, "document")
    assert (await crew.person.delete(path)).status_code == 204
    assert await desk.refused(crew, "bob", "approve", approval) == (409, "invalid_transition", "stale")
    assert (await desk.detail(crew, approval))["reason"] == "the document is gone"


async def test_what_is_as_it_was_is_approved_and_anything_may_be_denied(crew, admin):
    approval, _ = await about(crew, "task")
    assert (await desk.said(crew, "ada", "approve", approval))["state"] == "approved"
    assert await desk.command_of(admin, approval) == ("queued", None)
    changed, path = await about(crew, "task")
    await crew.person.patch(path, json={"title": "Another"})
    assert (await desk.said(crew, "ada", "deny", changed))["state"] == "denied"


async def test_a_command_that_went_on_without_its_approval_makes_it_stale(crew, admin):
    for verb in ("approve", "deny"):
        approval = await desk.held(crew)
        moved = "UPDATE runtime_commands SET held_by = 'operator' WHERE id = $1"
        await admin.execute(moved, UUID(approval["command_id"]))
        assert await desk.refused(crew, "ada", verb, approval) == (409, "invalid_transition", "stale")
        assert (await desk.detail(crew, approval))["state"] == "stale"
        assert await desk.command_of(admin, approval) == ("held", "operator")


async def test_nobody_is_asked_about_what_is_not_there_or_other_than_said(crew):
    task = UUID((await crew.task())["id"])
    with pytest.raises(Missing):
        await desk.held(crew, target_kind="task", target_id=uuid4())
    with pytest.raises(VersionConflict):
        await desk.held(crew, target_kind="task", target_id=task, target_version=7)
    with pytest.raises(Invalid, match="document, task"):
        await desk.held(crew, target_kind="planet", target_id=task)
    with pytest.raises(Invalid, match="target_id"):
        await desk.held(crew, target_kind="task")
    assert await desk.listed(crew, OWNER) == []
