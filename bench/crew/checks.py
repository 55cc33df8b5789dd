"""What is found wrong after a storm, each with how often."""

import json
import re
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.crew import facts
from bench.crew.gateway import Gateway, Told
from bench.crew.people import RETIRES, Crowd

SHOWN = 3
REFUSED = 400
# A move to where a task is already changes nothing, nor does a request that was made before.
CERTAIN = frozenset({"task_message", "document"})


async def wrong(admin: Any, gateway: Gateway, crowd: Crowd) -> dict[str, Any]:
    """Only what is wrong."""
    found: dict[str, Any] = {}
    for name, sql in facts.FACTS.items():
        found[name] = await admin.fetchval(sql.replace("{secret}", facts.SECRET), timeout=120)
    found |= _at_gateway(gateway) | await _effects(admin, gateway, crowd) | await _usage(admin, gateway)
    found["messages of people that an agent was not shown"] = await _unheard(admin, crowd)
    found["requests that broke"] = crowd.broken
    return {name: value if isinstance(value, int) else [len(value), *value[:SHOWN]] for name, value in found.items() if value}


def _at_gateway(gateway: Gateway) -> dict[str, Any]:
    digests: dict[str, set[bytes]] = defaultdict(set)
    lanes: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for asked in gateway.asked:
        digests[asked.key].add(asked.digest)
        lanes[asked.session].append(asked.lane)
    unordered = [
        lane for lane in lanes.values() if lane != sorted(lane) or [two for _, two in lane] != sorted(two for _, two in lane)
    ]
    return {
        "two calls of one session at once": gateway.overlapping,
        "keys with other bytes": [key for key, seen in digests.items() if len(seen) > 1],
        "sessions out of order": unordered,
    }


async def _effects(admin: Any, gateway: Gateway, crowd: Crowd) -> dict[str, Any]:
    times = {row["mark"]: row["count"] for row in await admin.fetch(facts.EFFECTS, timeout=120)}
    kept = {row["model"]: row["answer"] for row in await admin.fetch(facts.ROUNDS, timeout=120)}
    meant = {mark for model in kept for _, mark in gateway.told[model].marks}
    unheard = {mark for model, told in gateway.told.items() if model not in kept for _, mark in told.marks}
    done: set[str] = set()
    certain: set[str] = set()
    for row in await admin.fetch(facts.CALLED):
        if row["status"] < REFUSED:
            done |= _marks(row["arguments"])
            certain |= _marks(row["arguments"]) if row["name"] in CERTAIN else set()
    return {
        "effects of tool calls that happened twice": [mark for mark in meant if times.get(mark, 0) > 1],
        "effects of answers that were not kept": [mark for mark in unheard if mark in times],
        "tool calls that were made without an effect": [mark for mark in certain & meant if not times.get(mark)],
        "effects of tool calls that failed": [mark for mark in meant - done if mark in times],
        "accepted messages not there exactly once": [mark for mark in crowd.said if times.get(mark) != 1],
    }


def _marks(arguments: str) -> set[str]:
    try:
        values = json.loads(arguments).values()
    except ValueError:
        return set()
    words = " ".join(value for value in values if isinstance(value, str)).split()
    return {word for word in words if word.startswith("mark")}


async def _usage(admin: Any, gateway: Gateway) -> dict[str, Any]:
    other, undone, recorded, told_in_all = [], [], Decimal(), Decimal()
    rows = await admin.fetch(facts.ROUNDS, timeout=120)
    last = {}
    for row in rows:
        place = (row["notification_id"], row["ask"])
        last[place] = max(last.get(place, 0), row["round"])
    for row in rows:
        answer, told = json.loads(row["answer"]), gateway.told[row["model"]]
        recorded, told_in_all = recorded + row["charged"], told_in_all + told.cost
        if answer["model"] != row["model"] or not _is_same(row, told):
            other.append(row["model"])
        calls = sum(item["type"] == "function_call" for item in answer["output"])
        is_over = row["round"] < last[row["notification_id"], row["ask"]] or row["outcome"] in {"replied", "acted"}
        if row["made"] > calls or (is_over and row["made"] < calls):
            undone.append(f"{row['notification_id']} {row['ask']} {row['round']}: {row['made']} of {calls}")
    return {
        "answers whose usage is recorded otherwise": other,
        "the sum of usage is not what answers said": [] if recorded == told_in_all else [f"{recorded} {told_in_all}"],
        "rounds whose calls have not one result each": undone,
    }


def _is_same(row: Any, told: Told) -> bool:
    ours = (row["input_tokens"], row["output_tokens"], row["charged"])
    return ours == (told.input_tokens, told.output_tokens, told.cost) and row["charged"] == row["cost_usd"]


async def _unheard(admin: Any, crowd: Crowd) -> list[str]:
    found = []
    for row in await admin.fetch(facts.HEARD, timeout=300):
        at = row["created_at"].timestamp()
        was_away = row["slug"] == RETIRES and any(begun - 2 <= at <= ended + 2 for begun, ended in crowd.away)
        if not row["is_shown"] and not row["is_excused"] and not was_away:
            found.append(f"{row['slug']} of {row['task_id']}: {row['mark']} {row['id']}")
    return found


def logged(path: Path) -> tuple[dict[str, int], int]:
    """The errors in a log with how often each is there, and how many secrets are in it."""
    text = path.read_text(errors="replace")
    said: Counter[str] = Counter()
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            said[line[:100]] += 1
            continue
        if entry.get("level") in {"error", "critical"}:
            said[f"{entry.get('event')}: {str(entry.get('error') or entry.get('exception') or '')[-160:]}"] += 1
    return dict(said.most_common(12)), len(re.findall(facts.SECRET, text))
