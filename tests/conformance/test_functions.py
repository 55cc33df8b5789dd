"""Verbs as functions that a model calls."""

import json

import jsonschema  # type: ignore[import-untyped]

from app import main
from app.agentapi import functions
from tests.make import ORIGIN
from tests.policies import desk


async def offered(board, who: str) -> set[str]:
    principal = await board._application.app.state.board.authenticate(board.tokens[who])
    return {verb.name for verb in await functions.offered(board.database, main.VERBS, principal, origin=ORIGIN)}


def test_each_verb_is_a_function_with_a_plain_schema_of_its_own():
    made = functions.schemas(main.VERBS)
    assert [one["function"]["name"] for one in made] == [verb.name.replace("-", "_") for verb in main.VERBS]
    for one in made:
        parameters = one["function"]["parameters"]
        assert (one["type"], parameters["type"], parameters["additionalProperties"]) == ("function", "object", False)
        assert one["function"]["description"]
        assert "$ref" not in json.dumps(one)
        jsonschema.Draft202012Validator.check_schema(parameters)


def test_a_property_that_is_called_title_stays_in_the_schema():
    (create,) = functions.schemas(verb for verb in main.VERBS if verb.name == "task-create")
    assert create["function"]["parameters"]["properties"]["title"]["maxLength"] == 2000
    assert create["function"]["parameters"]["required"] == ["title"]


async def test_an_agent_is_offered_what_it_could_ever_be_allowed(board):
    everything = {verb.name for verb in main.VERBS}
    assert await offered(board, "orchestrator") == everything
    assert "task-assign" not in await offered(board, "engineer")
    assert "task-create" not in await offered(board, "engineer")
    await desk.flags(board, "engineer", can_create_tasks=True, can_modify_task_status=False)
    seen = await offered(board, "engineer")
    assert "task-create" in seen
    assert seen.isdisjoint({"task-status", "task-claim"})


async def test_a_call_takes_either_name_and_never_raises(board):
    task = await board.task(assignee_slugs=["engineer"])
    principal = await board._application.app.state.board.authenticate(board.tokens["engineer"])
    for name in ("task_load", "task-load"):
        outcome = await functions.invoke(
            board.database, main.VERBS, principal, name=name, arguments={"task_id": task["id"]}, origin=ORIGIN
        )
        assert (outcome.status, outcome.content["task"]["id"], outcome.is_refused) == (200, task["id"], False)
    closed = await functions.invoke(board.database, (), principal, name="task_load", arguments=None, origin=ORIGIN)
    assert (closed.status, closed.content["ok"], closed.content["error"]["request_id"]) == (404, False, ORIGIN.request_id)


async def test_a_defect_is_an_outcome_that_tells_nothing_of_the_inside(board):
    principal = await board._application.app.state.board.authenticate(board.tokens["engineer"])
    outcome = await functions.invoke(None, main.VERBS, principal, name="task_claim", arguments={}, origin=ORIGIN)  # type: ignore[arg-type]
    assert (outcome.status, outcome.content["error"]["code"]) == (500, "internal")
    assert "NoneType" not in json.dumps(outcome.content)
