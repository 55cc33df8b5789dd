"""The promised envelopes: what is served is what they say, and none changes without another version."""

from typing import Any, Literal

import jsonschema  # type: ignore[import-untyped]
import pytest

from app import main
from app.kernel.wire import View
from app.runtime import contracts
from app.runtime.contracts import CONTRACTS, Contracts
from tests import make
from tests.cli.test_cli import callboard
from tests.runtime.api import desk

PROMISED = {"command", "attempt", "dead_letter", "memory_snapshot", "event", "error"}


class One(View):
    """Words may change."""

    id: int
    description: str
    contract_version: Literal["v1"] = "v1"


def published(view: type[View], *, version: str = "v1") -> Contracts:
    made = Contracts()
    made.publish("one", view, version=version)
    return made


def test_every_contract_is_as_it_was_frozen():
    assert main.ROOMS
    assert {one.name for one in CONTRACTS.all()} >= PROMISED
    assert CONTRACTS.faults(contracts.frozen()) == []


def test_another_field_needs_another_version(tmp_path):
    path = tmp_path / "frozen.json"
    contracts.freeze(published(One), path)
    assert published(One).faults(contracts.frozen(path)) == []

    class More(One):
        title: str = ""

    changed = published(More)
    assert changed.faults(contracts.frozen(path)) == ["one changed without another version than v1"]
    assert changed.broken(contracts.frozen(path)) == ["one"]
    newer = published(More, version="v2")
    assert newer.broken(contracts.frozen(path)) == []
    assert newer.faults(contracts.frozen(path)) == ["one is v2, frozen is v1: run ./callboard runtime contracts --write"]
    contracts.freeze(newer, path)
    assert newer.faults(contracts.frozen(path)) == []


def test_words_are_free_and_fields_of_that_name_are_not(tmp_path):
    def shaped(name: str, words: str, fields: dict[str, Any]) -> type[View]:
        return type(name, (View,), {"__doc__": words, "__annotations__": fields, "__module__": __name__})

    before = published(shaped("Two", "A.", {"description": str})).find("one").sha256
    assert published(shaped("Two", "B.", {"description": str})).find("one").sha256 == before
    assert published(shaped("Two", "A.", {"title": str})).find("one").sha256 != before


def test_a_promise_that_is_gone_and_one_that_is_new_are_named(tmp_path):
    path = tmp_path / "frozen.json"
    contracts.freeze(published(One), path)
    assert Contracts().faults(contracts.frozen(path)) == ["one is promised and not there any more"]
    assert published(One).faults({}) == ["one v1 is new: run ./callboard runtime contracts --write"]


def test_the_terminal_says_whether_the_contracts_hold():
    done = callboard("runtime", "contracts", "--verify")
    assert (done.returncode, done.stdout) == (0, f"{len(CONTRACTS.all())} contracts are as frozen\n")


async def test_anybody_reads_the_contracts_and_what_is_served_keeps_them(board, admin):
    nobody = board.client(None)
    listed = (await nobody.get("/api/v1/contracts")).json()["items"]
    assert {one["name"] for one in listed} >= PROMISED
    schemas = {one["name"]: (await nobody.get(f"/api/v1/contracts/{one['name']}")).json() for one in listed}
    assert all(schema["$id"].endswith(name) and schema["version"] == "v1" for name, schema in schemas.items())
    command = await desk.submitted(board, payload={"fail_attempts": 1, "retry_after": 0})
    async with desk.working(board):

        async def is_done():
            return await desk.status(board, command) == "succeeded"

        await make.until(is_done)
    trace = await desk.read(board, f"commands/{command['id']}/trace")
    served = [("command", trace["command"]), *(("attempt", one) for one in trace["attempts"])]
    served += [("event", one) for one in trace["events"]]
    served.append(("error", (await nobody.get("/api/v1/contracts/nothing")).json()))
    for name, envelope in served:
        jsonschema.validate(envelope, schemas[name])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(trace["command"] | {"status": "lost"}, schemas["command"])
    await nobody.aclose()
