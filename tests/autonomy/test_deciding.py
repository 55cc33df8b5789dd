"""One request, its voters, and the command that waits for them."""

from itertools import product
from uuid import UUID, uuid4

from app.runtime.service import submit
from app.runtime.types import CommandEnded
from tests import make
from tests.autonomy import desk
from tests.boards import OWNER
from tests.runtime.api.desk import COMMANDS, working

PENDING, APPROVED, DENIED, CANCELED = "pending", "approved", "denied", "canceled"


async def test_an_approved_command_runs_as_the_same_command(crew, admin):
    asked = {"command_type": "runtime.probe", "payload": {"note": "deploy"}, "policy_profile": "manual_review"}
    answer = await crew.person.post(COMMANDS, json=asked)
    assert answer.status_code == 201, answer.text
    command = answer.json()
    assert (command["status"], command["held_by"]) == ("held", "approval")
    (approval_id,) = await desk.listed(crew, "ada", mine=True)
    approval = await desk.detail(crew, {"id": approval_id})
    assert (approval["command"]["id"], approval["command"]["payload"]["note"]) == (command["id"], "deploy")
    after = await desk.said(crew, "ada", "approve", approval, note="go")
    assert (after["state"], after["voices_missing"]) == (APPROVED, 0)
    assert after["decided_at"]
    async with working(crew):
        await make.until(lambda: _is(admin, approval, "succeeded"))
    ran = "SELECT count(*) FROM runtime_commands WHERE type = 'runtime.probe' AND attempt = 1"
    assert await admin.fetchval(ran) == 1
    sql = "SELECT type, actor_id FROM events WHERE entity_id = $1 ORDER BY seq"
    found = [(row["type"].rpartition(":")[2], row["actor_id"]) for row in await admin.fetch(sql, UUID(command["id"]))]
    owner, ada = [UUID(await desk.person_id(crew, name)) for name in (OWNER, "ada")]
    assert found == [("created", owner), ("resumed", ada), ("started", None), ("succeeded", None)]


async def _is(admin, approval, state):
    return (await desk.command_of(admin, approval))[0] == state


async def test_a_quorum_waits_for_as_many_people(crew, admin):
    approval = await desk.held(crew, quorum=2)
    first = await desk.said(crew, "ada", "approve", approval)
    assert (first["state"], first["voices_missing"]) == (PENDING, 1)
    assert await desk.command_of(admin, approval) == ("held", "approval")
    assert await desk.refused(crew, "ada", "approve", approval) == (409, "duplicate", None)
    second = await desk.said(crew, "bob", "approve", approval)
    assert (second["state"], second["version"]) == (APPROVED, 3)
    assert await desk.command_of(admin, approval) == ("queued", None)
    assert await desk.told(admin, approval) == [("requested", 1), ("voted", 2), ("approved", 3)]


async def test_one_denial_ends_it_with_its_reason(crew, admin):
    approval = await desk.held(crew, quorum=2)
    await desk.said(crew, "ada", "approve", approval)
    after = await desk.said(crew, "bob", "deny", approval, note="not on a Friday")
    assert (after["state"], after["reason"]) == (DENIED, "not on a Friday")
    assert await desk.command_of(admin, approval) == (CANCELED, None)
    row = await admin.fetchrow("SELECT * FROM runtime_commands WHERE id = $1", UUID(approval["command_id"]))
    assert row["last_error_message"] == "its approval is denied: not on a Friday"
    assert row["finished_at"] < row["retention_until"]
    kind, payload = await desk.last_told(admin, approval["command_id"])
    assert (kind, payload["state"], payload["reason"]) == ("runtime:command:canceled", CANCELED, row["last_error_message"])


async def test_what_is_decided_stays_so(crew, admin):
    for first, state in (("approve", APPROVED), ("deny", DENIED)):
        approval = await desk.held(crew)
        await desk.said(crew, "ada", first, approval)
        for who, verb in product(("ada", "bob"), ("approve", "deny")):
            assert await desk.refused(crew, who, verb, approval) == (409, "invalid_transition", state)
        assert await desk.refused(crew, OWNER, "cancel", approval) == (409, "invalid_transition", state)
        assert len(await desk.told(admin, approval)) == 2


async def test_whoever_asks_does_not_decide(crew):
    approval = await desk.held(crew, by="ada")
    for verb in ("approve", "deny"):
        assert await desk.refused(crew, "ada", verb, approval) == (403, "forbidden", "self_approval")
    assert (await desk.said(crew, "bob", "approve", approval))["state"] == APPROVED


async def test_deciding_needs_the_role(crew, admin):
    approval = await desk.held(crew, min_role="owner", by="ada")
    for name in ("bob", "mia"):
        assert await desk.refused(crew, name, "approve", approval) == (403, "forbidden", "role_denied")
    assert (await desk.said(crew, OWNER, "approve", approval))["state"] == APPROVED
    easy = await desk.held(crew, min_role="member")
    await admin.execute("UPDATE people SET role = 'viewer' WHERE email = 'mia'")
    assert await desk.refused(crew, "mia", "approve", easy) == (403, "forbidden", "role_denied")


async def test_a_role_that_is_lost_takes_its_approval_along(crew, admin):
    approval = await desk.held(crew, quorum=2)
    await desk.said(crew, "ada", "approve", approval)
    await admin.execute("UPDATE people SET removed_at = now() WHERE email = 'ada'")
    assert (await desk.said(crew, "bob", "approve", approval))["voices_missing"] == 1
    assert (await desk.said(crew, "cleo", "approve", approval))["state"] == APPROVED


async def test_a_vote_is_the_callers_who_is_a_person(crew):
    approval = await desk.held(crew)
    for path in (desk.APPROVALS, f"{desk.APPROVALS}/{approval['id']}", desk.DELEGATIONS):
        assert (await crew.as_("orchestrator").get(path)).status_code == 403
    assert await desk.refused(crew, "orchestrator", "approve", approval) == (403, "forbidden", "persons_only")
    answer = await desk.say(crew, "ada", "approve", approval, voter_id=str(uuid4()))
    assert answer.status_code == 422
    assert await desk.refused(crew, "ada", "approve", approval, on_behalf_of=str(uuid4())) == (404, "not_found", None)


async def test_the_requester_or_an_admin_gives_it_up(crew, admin):
    for who in ("mia", "ada"):
        approval = await desk.held(crew, by="mia")
        after = await desk.said(crew, who, "cancel", approval, reason="too late")
        assert (after["state"], after["reason"]) == (CANCELED, "too late")
        assert await desk.command_of(admin, approval) == (CANCELED, None)
    assert await desk.refused(crew, "mia", "cancel", await desk.held(crew)) == (403, "forbidden", "role_denied")


async def test_a_canceled_command_takes_its_approval_along(crew, admin):
    approval = await desk.held(crew)
    answer = await crew.person.post(f"{COMMANDS}/{approval['command_id']}/cancel", json={"reason": "never mind"})
    assert answer.status_code == 200, answer.text
    after = await desk.detail(crew, approval)
    assert (after["state"], after["reason"], after["may_decide"]) == (CANCELED, "never mind", [])
    assert await desk.refused(crew, "ada", "approve", approval) == (409, "invalid_transition", CANCELED)
    assert await desk.told(admin, approval) == [("requested", 1), ("canceled", 2)]
    other = await desk.held(crew)
    async with crew.database.transaction(crew.account_id, origin=make.ORIGIN) as tx:
        await tx.tell(CommandEnded(command_id=uuid4(), actor=None, reason="it waited for nobody"))
    assert (await desk.detail(crew, other))["state"] == PENDING


async def test_the_detail_says_who_may_still_decide(crew):
    approval = await desk.held(crew, quorum=2, summary="Deploy the site")
    await desk.said(crew, "ada", "approve", approval, note="fine")
    found = await desk.detail(crew, approval, who="bob")
    assert (found["summary"], found["voices_missing"]) == ("Deploy the site", 1)
    assert [vote["note"] for vote in found["votes"]] == ["fine"]
    assert sorted(voice["name"] for voice in found["may_decide"]) == ["bob", "cleo"]
    assert found["your_voices"] == [await desk.person_id(crew, "bob")]
    assert (await desk.detail(crew, approval, who="ada"))["your_voices"] == []


async def test_lists_are_filtered_and_paged(crew):
    made = [(await desk.held(crew))["id"] for _ in range(5)]
    await desk.said(crew, "ada", "approve", {"id": made[0]})
    assert await desk.listed(crew, "mia") == made[::-1]
    assert await desk.listed(crew, "mia", state=APPROVED) == made[:1]
    first = (await crew.person.get(desk.APPROVALS, params={"limit": 2, "state": PENDING})).json()
    assert ([one["id"] for one in first["items"]], first["limit"]) == (made[:2:-1], 2)
    second = await desk.listed(crew, OWNER, limit=2, state=PENDING, cursor=first["next_cursor"])
    assert second == made[2:0:-1]
    assert (await crew.person.get(desk.APPROVALS, params={"state": "no"})).status_code == 422


async def test_what_is_mine_is_what_i_may_decide(crew):
    made = [
        await desk.held(crew),
        await desk.held(crew, by="ada"),
        await desk.held(crew, min_role="owner", by="bob"),
        await desk.held(crew, min_role="member", quorum=2),
        await desk.held(crew, quorum=2),
        await desk.held(crew, by=None),
    ]
    await desk.said(crew, "ada", "approve", made[4])
    await desk.said(crew, "mia", "approve", made[3])
    for who in (OWNER, "ada", "bob", "mia"):
        wanted = {one["id"] for one in made if (await desk.detail(crew, one, who=who))["your_voices"]}
        assert set(await desk.listed(crew, who, mine=True)) == wanted
    assert await desk.listed(crew, "mia", mine=True, state=APPROVED) == []


async def test_a_lane_waits_for_its_held_command_and_goes_on_when_it_is_decided(crew, admin):
    lane = uuid4()
    first, second = await desk.held(crew, lane_id=lane), await desk.held(crew, lane_id=lane)
    await desk.said(crew, "ada", "approve", second)
    async with working(crew):
        await desk.said(crew, "ada", "deny", first)
        await make.until(lambda: _is(admin, second, "succeeded"))
    assert (await desk.command_of(admin, first))[0] == CANCELED


async def test_two_commands_of_one_transaction_are_asked_for_apart(crew, admin):
    actor = await desk.principal(crew, OWNER)
    async with crew.database.transaction(crew.account_id, origin=make.ORIGIN) as tx:
        for _ in range(2):
            await submit(tx, make.order(type="test.approved", profile="manual_review"), actor=actor)
    first, second = await desk.listed(crew, "ada", mine=True)
    await desk.said(crew, "ada", "deny", {"id": first})
    assert await desk.listed(crew, "ada", mine=True) == [second]


async def test_another_accounts_approval_is_absent(crew, urls):
    from tests import boards

    approval = await desk.held(crew)
    async with boards.opened(urls[1], account_slug="other") as theirs:
        for verb in ("approve", "deny", "cancel"):
            assert await desk.refused(theirs, OWNER, verb, approval) == (404, "not_found", None)
        assert await desk.listed(theirs, OWNER) == []
        assert (await theirs.person.get(f"{desk.APPROVALS}/{approval['id']}")).status_code == 404


async def test_an_approval_goes_with_the_command_that_it_was_about(crew, admin):
    approval = await desk.held(crew)
    await desk.said(crew, "ada", "deny", approval)
    async with crew.database.transaction(crew.account_id, origin=make.ORIGIN) as tx:
        await tx.value(
            "DELETE FROM runtime_commands WHERE account_id = $1 AND id = $2", crew.account_id, UUID(approval["command_id"])
        )
    assert await admin.fetchval("SELECT (SELECT count(*) FROM approvals) + (SELECT count(*) FROM approval_votes)") == 0
