"""Lending one's voice: until a time, one voice all the same, and never around the requester."""

import pytest

from tests.autonomy import desk
from tests.boards import OWNER


async def behalf(board, name: str) -> dict[str, str]:
    return {"on_behalf_of": await desk.person_id(board, name)}


async def test_a_lent_voice_is_the_voice_of_its_owner(crew):
    approval = await desk.held(crew)
    for_ada = await behalf(crew, "ada")
    assert await desk.refused(crew, "mia", "approve", approval, **for_ada) == (403, "forbidden", "not_delegated")
    await desk.delegate(crew, "ada", "mia")
    assert await desk.refused(crew, "mia", "approve", approval) == (403, "forbidden", "role_denied")
    assert await desk.listed(crew, "mia", mine=True) == [approval["id"]]
    assert (await desk.said(crew, "mia", "approve", approval, **for_ada))["state"] == "approved"
    (vote,) = (await desk.detail(crew, approval))["votes"]
    assert (vote["voter_id"], vote["on_behalf_of_id"]) == (await desk.person_id(crew, "mia"), for_ada["on_behalf_of"])


@pytest.mark.parametrize("owner_first", [True, False])
async def test_a_voice_counts_once_whoever_casts_it(crew, owner_first):
    await desk.delegate(crew, "ada", "bob")
    approval, for_ada = await desk.held(crew, quorum=3), await behalf(crew, "ada")
    casts = [("ada", {}), ("bob", for_ada)] if owner_first else [("bob", for_ada), ("ada", {})]
    assert (await desk.said(crew, casts[0][0], "approve", approval, **casts[0][1]))["voices_missing"] == 2
    assert await desk.refused(crew, casts[1][0], "deny", approval, **casts[1][1]) == (409, "duplicate", None)
    assert (await desk.said(crew, "bob", "approve", approval))["voices_missing"] == 1


async def test_no_delegation_leads_around_the_requester(crew):
    await desk.delegate(crew, "ada", "bob")
    await desk.delegate(crew, "bob", "ada")
    of_ada, of_bob = await behalf(crew, "ada"), await behalf(crew, "bob")
    approval = await desk.held(crew, by="ada")
    self_approval = (403, "forbidden", "self_approval")
    assert await desk.refused(crew, "bob", "approve", approval, **of_ada) == self_approval
    assert await desk.refused(crew, "ada", "approve", approval, **of_bob) == self_approval
    assert await desk.listed(crew, "ada", mine=True) == []
    found = await desk.detail(crew, approval, who="ada")
    assert found["your_voices"] == []
    assert {voice["delegate_id"] for voice in found["may_decide"]} == {None}
    assert (await desk.said(crew, "bob", "approve", approval))["state"] == "approved"
    await desk.delegate(crew, "ada", "mia")
    other = await desk.held(crew, by="ada")
    assert await desk.listed(crew, "mia", mine=True) == []
    assert await desk.refused(crew, "mia", "approve", other, **of_ada) == self_approval


async def test_a_delegation_is_not_passed_on(crew):
    await desk.delegate(crew, "ada", "mia")
    await desk.delegate(crew, "mia", "bob")
    approval = await desk.held(crew)
    for_ada = await behalf(crew, "ada")
    assert await desk.refused(crew, "bob", "approve", approval, **for_ada) == (403, "forbidden", "not_delegated")


async def test_a_delegation_ends_with_its_time_or_its_owner(crew, admin):
    approval, for_ada = await desk.held(crew), await behalf(crew, "ada")
    await desk.delegate(crew, "ada", "mia")
    await admin.execute("UPDATE approval_delegations SET until = now() - interval '1 s'")
    assert await desk.refused(crew, "mia", "approve", approval, **for_ada) == (403, "forbidden", "not_delegated")
    assert await desk.listed(crew, "mia", mine=True) == []
    await desk.delegate(crew, "ada", "mia")
    assert (await crew.as_("ada").delete(desk.DELEGATIONS)).status_code == 204
    assert await desk.refused(crew, "mia", "approve", approval, **for_ada) == (403, "forbidden", "not_delegated")
    await desk.delegate(crew, "ada", "mia")
    await admin.execute("UPDATE people SET removed_at = now() WHERE email = 'ada'")
    assert await desk.refused(crew, "mia", "approve", approval, **for_ada) == (404, "not_found", None)
    assert await desk.listed(crew, "mia", mine=True) == []


async def test_one_lends_ones_own_voice_to_one_person_at_a_time(crew, admin):
    await desk.delegate(crew, "ada", "mia")
    await desk.delegate(crew, "ada", "bob", reason="other plans")
    await desk.delegate(crew, "cleo", "ada")
    found = (await crew.as_("ada").get(desk.DELEGATIONS)).json()
    assert (found["given"]["to_person_id"], found["given"]["reason"]) == (await desk.person_id(crew, "bob"), "other plans")
    assert [one["from_person_id"] for one in found["received"]] == [await desk.person_id(crew, "cleo")]
    assert (await crew.as_("mia").get(desk.DELEGATIONS)).json() == {"given": None, "received": []}
    assert (await crew.as_("mia").delete(desk.DELEGATIONS)).status_code == 404
    kinds = await admin.fetch("SELECT type FROM events WHERE type LIKE 'autonomy:delegation:%' ORDER BY seq")
    assert [row["type"] for row in kinds] == ["autonomy:delegation:given"] * 3


async def test_a_voice_is_lent_to_somebody_else_who_may_decide_and_for_a_time_to_come(crew):
    await desk.hire(crew, "vic", "viewer")

    async def lent(to: str, **fields: str) -> int:
        person = await desk.person_id(crew, to)
        body = {"to_person_id": person, "until": "2099-01-01T00:00:00Z", "reason": "holiday"} | fields
        status: int = (await crew.as_("ada").post(desk.DELEGATIONS, json=body)).status_code
        return status

    assert await lent("ada") == 422
    assert await lent("vic") == 422
    assert await lent("bob", until="2001-01-01T00:00:00Z") == 422
    assert await lent("bob", until="2099-01-01T00:00:00") == 422
    assert await lent("bob", to_person_id=str(crew.account_id)) == 404
    assert await lent(OWNER) == 201
