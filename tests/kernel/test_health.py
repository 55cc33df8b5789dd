"""Health: what works, and what to do about what does not."""


async def test_a_board_without_workers_says_how_to_start_one(board):
    answer = (await board.client(None).get("/health")).json()
    assert answer["components"]["database"]["status"] == "ok"
    assert "./callboard worker" in answer["components"]["workers"]["detail"]
    assert answer["status"] == "degraded"


async def test_an_orchestrator_that_is_no_active_agent_is_shown(board, admin):
    before = (await board.client(None).get("/health")).json()["components"]["orchestrators"]
    await admin.execute("UPDATE agents SET retired_at = now() WHERE slug = 'orchestrator'")
    after = (await board.client(None).get("/health")).json()["components"]["orchestrators"]
    assert (before["status"], after["status"]) == ("ok", "degraded")
    assert "PATCH /api/v1/account" in after["detail"]


async def test_it_is_ready_when_the_database_answers(board):
    assert (await board.client(None).get("/ready")).status_code == 200
