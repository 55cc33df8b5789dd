"""How the operator's configuration and the board's become one, and which locks are nobody's."""

import json
import os
import socket
import sys
from contextlib import contextmanager
from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.docker.reading import DOCKER

NAMES = st.sampled_from(["agents", "list", "id", "model", "a"])
LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["x", "y"])
THINGS = st.lists(st.fixed_dictionaries({"id": st.sampled_from(["one", "two"])}, optional={"model": LEAVES}), max_size=3)
VALUES = st.recursive(LEAVES | THINGS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)


@contextmanager
def beside():
    """The scripts of the gateway's machine find each other by standing in one directory."""
    sys.path.insert(0, str(DOCKER / "gateway"))
    try:
        yield
    finally:
        sys.path.remove(str(DOCKER / "gateway"))


with beside():
    merged = import_module("configuration").merged
    locks = import_module("locks")


def distinct(value):
    """The same with each `id` of a list named once, as a list of things has it."""
    if isinstance(value, dict):
        return {key: distinct(one) for key, one in value.items()}
    if not isinstance(value, list):
        return value
    if value and all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in value):
        return [distinct(one) for one in {one["id"]: one for one in value}.values()]
    return [distinct(one) for one in value]


@settings(max_examples=60, deadline=None)
@given(OBJECTS, OBJECTS)
def test_merging_again_changes_nothing_and_what_the_board_says_holds(base, over):
    base, over = distinct(base), distinct(over)
    once = merged(base, over)
    assert merged(once, over) == once
    assert merged({}, over) == over
    assert merged(base, {}) == base
    for key in over.keys() - base.keys():
        assert once[key] == over[key]
    for key in base.keys() - over.keys():
        assert once[key] == base[key]


@settings(max_examples=30, deadline=None)
@given(OBJECTS, OBJECTS, st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_no_byte(base, over, random):
    def shuffled(value):
        items = list(value.items())
        random.shuffle(items)
        return dict(items)

    first = json.dumps(merged(base, over), sort_keys=True)
    assert json.dumps(merged(shuffled(base), shuffled(over)), sort_keys=True) == first


def test_agents_are_merged_one_by_one_and_other_lists_are_replaced():
    base = {"agents": {"list": [{"id": "own"}, {"id": "a", "model": "m", "tools": ["x"]}]}, "ports": [1, 2]}
    over = {"agents": {"list": [{"id": "a", "tools": ["y"]}, {"id": "b"}]}, "ports": []}
    assert merged(base, over) == {
        "agents": {"list": [{"id": "own"}, {"id": "a", "model": "m", "tools": ["y"]}, {"id": "b"}]},
        "ports": [],
    }


@pytest.mark.parametrize(
    ("content", "is_stale"),
    [("", True), ("4194303", True), ('{"pid": 4194303, "host": "x"}', True), ("4194303\n/some/where\n", True),
     ("own", False), ("[[package]]\nname = 'a'\n", False), ("{}", False), ("4194303" * 400, False)],
)  # fmt: skip
def test_a_lock_is_taken_away_only_if_it_is_one_and_its_holder_is_gone(tmp_path, content, is_stale):
    lock = tmp_path / "some.lock"
    lock.write_text(content.replace("own", str(os.getpid())))
    assert locks.is_stale(lock, set()) is is_stale
    status = lock.stat()
    assert not locks.is_stale(lock, {(status.st_dev, status.st_ino)})


def test_a_number_that_was_given_to_another_process_since_holds_nothing(tmp_path):
    lock, link, room = tmp_path / "some.lock", tmp_path / "SingletonLock", tmp_path / "room.lock"
    lock.write_text(str(os.getpid()))
    os.utime(lock, (1, 1))
    link.symlink_to(f"{socket.gethostname()}-4194303")
    room.mkdir()
    assert locks.is_stale(lock, set())
    assert locks.is_stale(link, set())
    assert not locks.is_stale(room, set())
    with lock.open() as file:
        status = os.fstat(file.fileno())
        assert (status.st_dev, status.st_ino) in locks.opened()
