"""What was left with a task reaches the next agent in the prompt that its gateway gets."""

from tests.gateways import NO_REPLY, settled

NOTES = {"summary": "Half of it stands.", "open_questions": ["Who owns the key?"]}


async def post(board, who, verb, task, **fields):
    answer = await board.as_(who).post(f"/agent/{verb}", json={"task_id": task["id"]} | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def prompts(gateway, agent) -> list[str]:
    return [asked.decoded["input"] for asked in gateway.of(agent)]


async def test_the_next_holders_prompt_carries_the_handoff_and_the_reasons_for_rework(board, gateway, worker, admin):
    gateway.answering = lambda _: NO_REPLY
    task = await board.task(assignee_slugs=["engineer"], acceptance_criteria=["It logs out"])
    await settled(admin)
    fence = await board.claim("engineer", task["id"])
    await post(board, "engineer", "task-status", task, status="review", fence=fence, handoff=NOTES)
    await settled(admin)
    review = prompts(gateway, "reviewer")[-1]
    assert 'review handoff by agent "Engineer"' in review
    assert "Half of it stands.\nOpen questions:\n- Who owns the key?\n<<<END" in review
    assert '- 1: "It logs out" (no verdict yet)' in review
    await post(board, "reviewer", "task-evidence", task, position=1, is_met=False)
    await post(board, "reviewer", "task-status", task, status="in_progress", reason="The logout is missing.")
    await settled(admin)
    rework = prompts(gateway, "engineer")[-1]
    assert 'rework handoff by agent "Reviewer"' in rework
    assert "The logout is missing.\nCriteria that were not met:\n- It logs out\n<<<END" in rework
    assert "Half of it stands." in rework


async def test_the_reasons_for_rework_stay_until_they_are_answered(board, gateway, worker, admin):
    gateway.answering = lambda _: NO_REPLY
    task = await board.task(assignee_slugs=["engineer"])
    fence = await board.claim("engineer", task["id"])
    await post(board, "engineer", "task-status", task, status="review", fence=fence)
    await post(board, "reviewer", "task-status", task, status="in_progress", reason="The logout is missing.")
    for turn in range(2):
        fence = await board.claim("engineer", task["id"])
        await post(board, "engineer", "task-release", task, fence=fence, handoff={"summary": f"turn {turn}"})
    await post(board, "orchestrator", "task-assign", task, assignee_slugs=["writer"], replace=True)
    await settled(admin)
    taken = prompts(gateway, "writer")[-1]
    order = [taken.index(words) for words in ("turn 1", "turn 0", "The logout is missing.")]
    assert order == sorted(order)
    fence = await board.claim("writer", task["id"])
    await post(board, "writer", "task-status", task, status="review", fence=fence, handoff={"summary": "Logs out now."})
    await settled(admin)
    review = prompts(gateway, "reviewer")[-1]
    assert "Logs out now." in review
    assert "The logout is missing." not in review
