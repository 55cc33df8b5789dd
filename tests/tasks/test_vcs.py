"""Tying tasks to change requests in version control."""

import asyncio
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks.rules import vcs as rules
from app.tasks.vcs import REFS_MOST
from tests import boards

NUMBERED = {"provider": "forge", "repository": "acme/lamp", "number": 7}
ADDRESSED = {"provider": "forge", "url": "https://forge.example/acme/lamp/changes/7"}


async def link(board, task, ref, *, by: str = "engineer", **fields):
    return await board.as_(by).post("/agent/task-link-pr", json={"task_id": task["id"], "vcs_ref": ref} | fields)


async def linked(board, task, ref, **fields):
    return await board.person.post(f"/api/v1/tasks/{task['id']}/vcs-refs", json=ref | fields)


async def refs(board, task):
    return (await board.person.get(f"/api/v1/tasks/{task['id']}/vcs-refs")).json()["items"]


async def version(board, task) -> int:
    return int((await board.person.get(f"/api/v1/tasks/{task['id']}")).json()["version"])


@pytest.mark.parametrize("ref", [NUMBERED, ADDRESSED, NUMBERED | ADDRESSED, {"provider": "forge", "number": 1}])
async def test_a_task_is_tied_by_number_or_by_address(board, ref):
    task = await board.task(assignee_slugs=["engineer"])
    answer = (await link(board, task, ref)).json()
    assert {name: answer[name] for name in ref} == ref
    assert (answer["is_new"], answer["task_version"], await version(board, task)) == (True, 2, 2)
    event = (await board.person.get(f"/api/v1/tasks/{task['id']}/events")).json()["items"][-1]
    assert (event["type"], event["sequence"], event["actor_kind"]) == ("board:task:linked", 2, "agent")
    assert {name: event["payload"][name] for name in ref} == ref
    shown = await refs(board, task)
    assert shown == [{name: answer[name] for name in shown[0]}]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (NUMBERED, NUMBERED),
        (NUMBERED, NUMBERED | ADDRESSED),
        (ADDRESSED, ADDRESSED | {"url": "HTTPS://Forge.Example/acme/lamp/changes/7#discussion"}),
    ],
)
async def test_the_same_reference_again_changes_nothing(board, first, second):
    task = await board.task(assignee_slugs=["engineer"])
    made = (await link(board, task, first)).json()
    again = await link(board, task, second)
    assert (again.status_code, again.json()) == (200, made | {"is_new": False})
    events = (await board.person.get(f"/api/v1/tasks/{task['id']}/events")).json()["items"]
    assert ([event["type"] for event in events].count("board:task:linked"), len(await refs(board, task))) == (1, 1)


async def test_different_references_are_kept_side_by_side(board):
    task = await board.task(assignee_slugs=["engineer"])
    others = [NUMBERED | {"number": 8}, NUMBERED | {"repository": "acme/bell"}, NUMBERED | {"provider": "other"}, ADDRESSED]
    for ref in (NUMBERED, *others):
        assert (await link(board, task, ref)).json()["is_new"]
    assert [one["number"] for one in await refs(board, task)] == [7, 8, 7, 7, None]


async def test_sixteen_that_tie_the_same_at_once_tie_it_once(board):
    task = await board.task(assignee_slugs=["engineer"])
    answers = await asyncio.gather(*(linked(board, task, NUMBERED) for _ in range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert ([answer.json()["is_new"] for answer in answers].count(True), len(await refs(board, task))) == (1, 1)
    assert await version(board, task) == 2


async def test_a_holder_needs_its_fence(board):
    task = await board.task(assignee_slugs=["engineer"])
    fence = await board.claim("engineer", task["id"])
    for sent, code in (({}, "lease_required"), ({"fence": fence + 1}, "lease_lost")):
        answer = await link(board, task, NUMBERED, **sent)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, code)
    assert await refs(board, task) == []
    assert (await link(board, task, NUMBERED, fence=fence)).status_code == 200


async def test_the_orchestrator_and_people_need_no_fence(board):
    task = await board.task(assignee_slugs=["engineer"])
    await board.claim("engineer", task["id"])
    assert (await link(board, task, NUMBERED, by="orchestrator")).status_code == 200
    assert (await linked(board, task, ADDRESSED)).status_code == 200
    assert [one["added_by_kind"] for one in await refs(board, task)] == ["agent", "person"]


async def test_a_stranger_ties_nothing(board):
    task = await board.task(assignee_slugs=["engineer"])
    answer = await link(board, task, NUMBERED, by="writer")
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "not_assigned")
    assert await refs(board, task) == []


async def test_a_stale_version_ties_nothing(board):
    task = await board.task(assignee_slugs=["engineer"])
    for answer in (
        await link(board, task, NUMBERED, expected_version=9),
        await linked(board, task, NUMBERED, expected_version=9),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "version_conflict")
    assert (await linked(board, task, NUMBERED, expected_version=1)).status_code == 200


BROKEN = [
    ({"provider": "forge"}, "number"),
    ({"provider": "forge", "repository": "acme/lamp"}, "number"),
    (NUMBERED | {"number": 0}, "number"),
    (NUMBERED | {"number": 2**31}, "number"),
    (NUMBERED | {"number": 1.5}, "number"),
    (NUMBERED | {"provider": "Forge"}, "provider"),
    (NUMBERED | {"provider": ""}, "provider"),
    (NUMBERED | {"provider": "x" * 64}, "provider"),
    (NUMBERED | {"repository": "x" * 201}, "repository"),
    (NUMBERED | {"repository": "a b"}, "repository"),
    (NUMBERED | {"repository": "https://user:word@forge.example/acme"}, "repository"),
    (NUMBERED | {"repository": "acme/lamp\n"}, "repository"),
    (ADDRESSED | {"url": ""}, "url"),
    (ADDRESSED | {"url": "https://forge.example/" + "x" * 1979}, "url"),
    (ADDRESSED | {"url": "ftp://forge.example/7"}, "url"),
    (ADDRESSED | {"url": "javascript:alert(1)"}, "url"),
    (ADDRESSED | {"url": "forge.example/7"}, "url"),
    (ADDRESSED | {"url": "https:///7"}, "url"),
    (ADDRESSED | {"url": "https://token@forge.example/7"}, "url"),
    (ADDRESSED | {"url": "https://user:word@forge.example/7"}, "url"),
    (ADDRESSED | {"url": "https://forge.example:port/7"}, "url"),
    (ADDRESSED | {"url": "https://[forge/7"}, "url"),
    (ADDRESSED | {"url": "https://forge.example/a b"}, "url"),
    (ADDRESSED | {"url": "https://forge.example/a\nb"}, "url"),
    (ADDRESSED | {"url": "https://forge.example\\@other.example/"}, "url"),
    (NUMBERED | {"url": "javascript:alert(1)"}, "url"),
]


async def test_what_is_no_reference_is_refused_by_its_field(board):
    task = await board.task(assignee_slugs=["engineer"])
    for ref, field in BROKEN:
        for answer in (await linked(board, task, ref), await link(board, task, ref)):
            assert answer.status_code == 422, ref
            fields = [one["field"].removeprefix("vcs_ref.") for one in answer.json()["error"]["details"]["fields"]]
            assert fields == [field], ref
    assert await refs(board, task) == []


async def test_the_longest_address_is_kept(board):
    task = await board.task(assignee_slugs=["engineer"])
    url = "https://forge.example/" + "ü" * 1978
    assert (await link(board, task, {"provider": "forge", "url": url})).json()["url"] == url


async def test_a_task_has_a_bounded_number_of_references(board):
    task = await board.task(assignee_slugs=["engineer"])
    for number in range(REFS_MOST):
        assert (await linked(board, task, NUMBERED | {"number": number + 1})).status_code == 200
    answer = await linked(board, task, NUMBERED | {"number": REFS_MOST + 1})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "requirement_failed")
    assert (await linked(board, task, NUMBERED)).json()["is_new"] is False
    assert len(await refs(board, task)) == REFS_MOST


async def test_a_foreign_task_is_absent(urls):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        hidden, absent = await theirs.task(assignee_slugs=["engineer"]), {"id": str(uuid4())}
        await linked(theirs, hidden, NUMBERED)
        for one in (hidden, absent):
            answers = [
                await link(mine, one, NUMBERED, by="orchestrator"),
                await linked(mine, one, NUMBERED),
                await mine.person.get(f"/api/v1/tasks/{one['id']}/vcs-refs"),
            ]
            assert [(answer.status_code, answer.json()["error"]["details"]["id"]) for answer in answers] == [(404, one["id"])] * 3
        assert len(await refs(theirs, hidden)) == 1


HOSTS = st.from_regex(r"[a-z0-9]{1,10}(\.[a-z]{2,5}){1,2}", fullmatch=True)
PATHS = st.from_regex(r"(/[A-Za-z0-9._~-]{1,8}){0,4}", fullmatch=True)


@given(scheme=st.sampled_from(["http", "https"]), host=HOSTS, path=PATHS, user=st.none() | st.text("abc:%", max_size=6))
def test_an_address_with_anybody_in_it_is_refused(scheme, host, path, user):
    url = f"{scheme}://{'' if user is None else user + '@'}{host}{path}"
    assert isinstance(rules.address(url), str) is (user is None)


@given(host=HOSTS, path=PATHS, anchor=st.text("abc", max_size=4))
def test_one_page_is_one_address(host, path, anchor):
    plain = rules.address(f"https://{host}{path}")
    assert rules.address(f"HTTPS://{host.upper()}{path}#{anchor}") == plain
    assert rules.address(str(plain)) == plain


@given(url=st.text(max_size=60))
def test_any_text_is_an_address_or_refused(url):
    found = rules.address(url)
    assert isinstance(found, rules.Unusable) or found.startswith(("http://", "https://"))


@given(
    first=st.tuples(st.sampled_from("ab"), st.none() | st.sampled_from(["a", "b/a"]), st.integers(1, 3)),
    second=st.tuples(st.sampled_from("ab"), st.none() | st.sampled_from(["a", "b/a"]), st.integers(1, 3)),
)
def test_two_numbers_are_one_reference_only_in_the_same_place(first, second):
    named = [rules.reference(provider=one[0], repository=one[1], number=one[2], url=None) for one in (first, second)]
    assert (named[0] == named[1]) is (first == second)
