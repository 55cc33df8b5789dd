"""Alerts: one row while the condition lasts, however often and by whomever it is seen."""

import asyncio
from uuid import uuid4

import pytest

from app.runtime.alerts import clear_alert, raise_alert
from app.runtime.types import AlertSeverity
from tests import make
from tests.runtime.letters.desk import ALERTS, told

ENTITY = ("schedule", uuid4())


async def raised(board, fingerprint="schedule:1", *, severity=AlertSeverity.WARNING, message="It failed five times."):
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        return await raise_alert(
            tx, fingerprint=fingerprint, kind="schedule_disabled", severity=severity, message=message, entity=ENTITY
        )


async def cleared(board, fingerprint="schedule:1"):
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        return await clear_alert(tx, fingerprint)


async def shown(board, **asked):
    answer = await board.person.get(ALERTS, params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def clear(board, alert_id, reason="Seen to."):
    return await board.person.post(f"{ALERTS}/{alert_id}/clear", json={"reason": reason})


async def test_what_is_seen_again_is_counted_on_the_open_alert(board, admin):
    first = await raised(board)
    assert await raised(board, severity=AlertSeverity.CRITICAL, message="It fails still.") == first
    [alert] = await shown(board)
    assert (alert["id"], alert["seen"], alert["severity"], alert["message"]) == (str(first), 2, "critical", "It fails still.")
    assert (alert["kind"], alert["entity_kind"], alert["entity_id"]) == ("schedule_disabled", ENTITY[0], str(ENTITY[1]))
    [event] = await told(admin, "ops:alert:raised")
    assert (event["entity_id"], event["payload"]["fingerprint"]) == (first, "schedule:1")


async def test_many_who_raise_it_at_once_make_one_row_and_one_event(board, admin):
    await asyncio.gather(*[raised(board) for _ in range(12)])
    [alert] = await shown(board)
    assert alert["seen"] == 12
    assert len(await told(admin, "ops:alert:raised")) == 1


async def test_what_comes_back_after_it_was_cleared_is_a_new_alert(board, admin):
    first = await raised(board)
    assert await cleared(board)
    assert not await cleared(board)
    second = await raised(board)
    assert first != second
    assert [one["id"] for one in await shown(board, state="open")] == [str(second)]
    assert [one["id"] for one in await shown(board, state="cleared")] == [str(first)]
    assert [one["id"] for one in await shown(board)] == [str(second), str(first)]
    assert len(await told(admin, "ops:alert:cleared")) == 1


async def test_an_alert_of_a_transaction_that_fails_was_never_raised(board, admin):
    async def fails():
        async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
            await raise_alert(tx, fingerprint="f", kind="k", severity=AlertSeverity.INFO, message="m", entity=ENTITY)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fails()
    assert await shown(board) == []
    assert await told(admin, "ops:alert:raised") == []


async def test_an_admin_clears_it_with_a_reason_and_once(board, admin):
    alert_id = await raised(board)
    first, second = await clear(board, alert_id, "Mended."), await clear(board, alert_id, "Again.")
    assert (first.status_code, second.status_code, second.json()) == (200, 200, first.json())
    assert first.json()["cleared_at"] is not None
    [event] = await told(admin, "ops:alert:cleared")
    assert (event["actor_id"], event["payload"]["reason"]) == (await admin.fetchval("SELECT id FROM people"), "Mended.")


async def test_only_an_admin_reads_and_clears(board):
    alert_id = await raised(board)
    for who in ("engineer", "reviewer", "orchestrator"):
        assert (await board.as_(who).get(ALERTS)).status_code == 403
        assert (await board.as_(who).post(f"{ALERTS}/{alert_id}/clear", json={"reason": "r"})).status_code == 403
    assert [one["cleared_at"] for one in await shown(board)] == [None]


async def test_an_alert_of_another_account_is_absent(board, admin):
    alert_id, other = await raised(board), await make.account(admin)
    await admin.execute("UPDATE runtime_alerts SET account_id = $1", other)
    for wanted in (alert_id, uuid4(), "x"):
        assert (await clear(board, wanted)).status_code == 404
    assert await shown(board) == []


async def test_pages_show_each_alert_once_newest_first(board):
    ids = [str(await raised(board, f"f:{number}")) for number in range(7)]
    seen, cursor = [], None
    while True:
        page = (await board.person.get(ALERTS, params={"limit": 3} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [one["id"] for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == ids[::-1]
    assert (await board.person.get(ALERTS, params={"cursor": "x"})).status_code == 422
    assert (await board.person.get(ALERTS, params={"state": "old"})).status_code == 422


async def test_health_counts_open_critical_alerts_and_names_no_account(board):
    await raised(board)
    component = (await board.person.get("/health")).json()["components"]["alerts"]
    assert component == {"status": "ok", "detail": ""}
    await raised(board, "other", severity=AlertSeverity.CRITICAL)
    component = (await board.person.get("/health")).json()["components"]["alerts"]
    assert component["status"] == "degraded"
    assert "1 critical" in component["detail"]
    assert str(board.account_id) not in component["detail"]
    await cleared(board, "other")
    assert (await board.person.get("/health")).json()["components"]["alerts"]["status"] == "ok"
