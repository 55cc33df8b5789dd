"""The inventory: every type has one owner and a start, and every start a type."""

import os
import subprocess
import sys
from typing import Any

from app import main
from app.kernel.settings import ROOT
from app.runtime import inventory
from app.runtime.taxonomy import REGISTRY, Taxonomy, command
from app.runtime.types import Idempotency
from tests.cli.test_cli import callboard

SECOND_OWNER = """
import sys
from app.runtime.taxonomy import command
from app.runtime.types import Idempotency

@command("delivery.send", payload=dict, owner="somebody", idempotency=Idempotency.CALLER, is_submittable=True)
async def send(attempt): ...

sys.argv = ["callboard", "runtime", "inventory", "--check"]
from app.cli.menu import main
main()
"""


def code(tmp_path, **files: str):
    for name, text in files.items():
        (tmp_path / "app").mkdir(exist_ok=True)
        (tmp_path / "app" / f"{name}.py").write_text(text)
    return tmp_path / "app"


def declared(*names: str, **fields) -> Taxonomy:
    async def handle(_attempt):
        """Nothing."""

    registry = Taxonomy()
    for name in names:
        about: dict[str, Any] = {"payload": dict, "owner": "tests", "idempotency": Idempotency.CALLER} | fields
        command(name, registry=registry, **about)(handle)
    return registry


def test_the_board_keeps_its_inventory_in_order():
    done = callboard("runtime", "inventory", "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("command types, each with one owner and a start\n")


def test_a_second_owner_is_an_error_that_names_both():
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-c", SECOND_OWNER]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1, done.stderr
    assert "delivery.send has 2 owners: delivery, somebody" in done.stdout


def test_every_way_to_enqueue_is_found(tmp_path):
    root = code(
        tmp_path,
        names="FAR = 'far.away'\n",
        a="from app.runtime.service import Order\nNEAR = 'near.by'\nOrder(type=NEAR, payload={'on_give_up': 'given.up'})\n",
        b="from app import names\nfrom app.names import FAR as far\nservice.Order(type=far)\nOrder(type=names.FAR)\n",
        c="def run():\n    for kind, n in (('a.a', 1), ('b.b', 2)):\n        Order(type=kind)\n",
        d="def plan(kind):\n    Schedule(command_type='each.day')\n    View(command_type=kind)\n    Order(type=kind.name)\n",
    )
    found = {(place.type, place.how, str(place)) for place in inventory.places(root)}
    assert found == {
        ("near.by", "order", "app/a.py:3"),
        ("given.up", "follow-up", "app/a.py:3"),
        ("far.away", "order", "app/b.py:3"),
        ("far.away", "order", "app/b.py:4"),
        ("a.a", "order", "app/c.py:3"),
        ("b.b", "order", "app/c.py:3"),
        ("each.day", "schedule", "app/d.py:2"),
        ("", "order", "app/d.py:4"),
    }


def test_what_is_enqueued_and_not_declared_is_named_with_its_place(tmp_path):
    found = inventory.places(code(tmp_path, a="Order(type='no.where')\n"))
    assert inventory.faults(Taxonomy(), found) == ["no.where is enqueued at app/a.py:1 and declared nowhere"]


def test_what_nothing_starts_is_named(tmp_path):
    found = inventory.places(code(tmp_path, a="Order(type='a.a')\n"))
    assert inventory.faults(declared("a.a", started_by=("a hand",)), found) == []
    assert inventory.faults(declared("b.b", is_submittable=True), []) == []
    assert inventory.faults(declared("b.b"), []) == ["b.b is started by nothing"]
    said = inventory.faults(declared("b.b", started_by=("a hand",)), [])
    assert said == ["b.b is said to be started by a hand and enqueued nowhere"]


def test_the_table_lists_owner_profile_queue_and_starts():
    assert main.ROOMS
    lines = {line.split()[0]: line for line in inventory.lines(REGISTRY, inventory.places()) if line}
    assert {kind.name for kind in REGISTRY.all()} <= set(lines)
    assert lines["delivery.send"].split()[:4] == ["delivery.send", "delivery", "delivery", "outbound"]
    assert "app/delivery/commands.py:" in lines["delivery.send"]
    assert "operators, schedules" in lines["runtime.probe"]
