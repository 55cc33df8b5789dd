"""What a prompt says of who the agent is, and which identity a session was last given."""

import hashlib
from dataclasses import replace
from typing import Any

from app.delivery import render
from app.delivery.viewing import IDENTITY_LIMIT
from tests.delivery import worlds
from tests.gateways import settled

HEADING = "\n## Who you are\n"
IDENTITIES = (
    "SELECT i.sha256, c.prompt, i.compiled_at FROM session_identities i JOIN compiled_identities c USING (account_id, sha256)"
)


async def sessions_of(board, slug: str) -> list[dict[str, Any]]:
    answer = await board.person.get(f"/api/v1/agents/{await board.agent_id(slug)}/sessions")
    return [one for one in answer.json()["items"] if one["kind"] == "task"]


async def test_a_session_keeps_the_identity_that_it_was_last_given_and_old_ones_are_forgotten(board, gateway, worker, admin):
    agent = await board.agent_id("orchestrator")
    task = await board.task()
    await settled(admin)
    (before,) = await admin.fetch(IDENTITIES)
    now = (await board.person.get(f"/api/v1/agents/{agent}/identity")).json()
    assert (before["prompt"], before["sha256"]) == (now["prompt"], now["sha256"])
    assert hashlib.sha256(now["prompt"].encode()).hexdigest() == now["sha256"]
    (session,) = await sessions_of(board, "orchestrator")
    assert session["identity_sha256"] == now["sha256"]
    path = f"/api/v1/agents/{agent}/sessions/{session['id']}/identity"
    given = (await board.person.get(path)).json()
    soul = now.pop("soul")
    assert given == now | {"compiled_at": session["identity_at"]}
    # What is given again is not written again.
    mark = "SELECT xmin::text FROM session_identities"
    first = await admin.fetchval(mark)
    await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "Again."})
    await settled(admin)
    assert (len(gateway.asked), await admin.fetchval(mark)) == (2, first)
    await admin.execute("UPDATE compiled_identities SET used_at = used_at - interval '2 hours'")
    await board.person.patch(f"/api/v1/agents/{agent}", json={"soul": f"{soul}\n\n## New\nx"})
    await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "And again."})
    await settled(admin)
    (after,) = await admin.fetch(IDENTITIES)
    assert after["prompt"].count("## New") == 1
    assert await admin.fetchval("SELECT count(*) FROM compiled_identities") == 1
    # Its gateway lets the agent read it in its workspace.
    assert not [one for one in gateway.asked if HEADING in one.decoded["instructions"]]
    other = await board.agent_id("writer")
    assert (await board.person.get(path.replace(agent, other))).status_code == 404


async def test_who_reads_no_workspace_is_told_in_the_prompt(board, admin):
    chat = "UPDATE executor_profiles SET adapter = 'chat', url = 'https://chat.example', settings = '{\"model\": \"m\"}'"
    body = {"agent_slug": "writer", "type": "wakeup"}
    plain = (await board.person.post("/api/v1/deliveries/preview", json=body)).json()
    assert HEADING not in plain["instructions"]
    await admin.execute(chat)
    task = await board.task()
    who = (await board.person.get(f"/api/v1/agents/{await board.agent_id('writer')}/identity")).json()
    for asked in (body, body | {"type": "mention", "task_id": task["id"]}):
        answer = await board.person.post("/api/v1/deliveries/preview", json=asked)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert f"{HEADING}{who['prompt']}" in found["instructions"]
        assert found["problems"] == []
    # A preview gives nothing to anybody.
    assert await admin.fetchval("SELECT count(*) FROM session_identities") == 0


def test_the_own_words_of_an_account_are_bounded_and_read_for_no_seals():
    base = replace(worlds.context(), identity="\ue0000\ue001 {{ agent.name }}" + "x" * IDENTITY_LIMIT)
    prompt = render.render(base, token=worlds.tokens())
    (line,) = [one for one in prompt.instructions.split("\n") if "{{ agent.name }}" in one]
    assert line.startswith("\ue0000\ue001 {{")
    assert len(line) == IDENTITY_LIMIT
    assert "… cut here\n" in prompt.instructions
    assert HEADING not in render.render(worlds.context(), token=worlds.tokens()).instructions
