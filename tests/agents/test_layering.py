"""Identities merged: exact bytes for known layers, and what holds for any."""

import os
import subprocess
import sys
from collections import Counter
from itertools import permutations
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents.layering import (
    DEFAULTS,
    LAYER_MOST_BYTES,
    Conflict,
    Section,
    Text,
    cleaned,
    compile_identity,
    sections_of,
)
from app.agents.types import Layer
from app.kernel.settings import ROOT

GOLDEN = Path(__file__).parent / "golden"
PLAIN = ["", " ", "# A", "## a ##", "###  A  b", "A B", "===", "---", "text", "- item", "> quote", "```", "```sh", "~~~"]
ODD = [
    "# Ä",
    "# a\u0308",
    "#",
    "#x",
    "\t# tab",
    "***",
    "\u00a0",
    "B\r",
    "\ufeff# A",
    "\0# A",
    "1. one",
    "``` `",
    "    ```",
    "    code",
]
LINES = st.sampled_from([*PLAIN, *ODD])
TEXTS = st.lists(LINES, max_size=14).map("\n".join) | st.text(alphabet="#=-`~> \n\r\tabA\u0085\u2028\x0c", max_size=60)
LAYERS = st.dictionaries(st.sampled_from(Layer), TEXTS.map(lambda text: Text(text, "shared")))


def layers_in(name: str) -> dict[Layer, Text]:
    paths = {layer: GOLDEN / name / f"{layer.upper()}.md" for layer in Layer}
    return {layer: Text(path.read_text(), "shared") for layer, path in paths.items() if path.exists()}


def record(name: str) -> bytes:
    """What is kept of a compiled identity, in the bytes of its golden file."""
    one = compile_identity(layers_in(name))
    told = {"sha256": one.sha256, "sources": one.sources, "conflicts": one.conflicts, "warnings": one.warnings}
    found = [{"layer": each.layer, "heading": each.heading} for each in one.sections]
    return (
        msgspec.json.format(msgspec.json.encode(told | {"sections": found}), indent=1) + b"\n--- prompt\n" + one.prompt.encode()
    )


@pytest.mark.parametrize("name", ["merged", "fences", "defaults"])
def test_known_layers_give_the_golden_bytes_every_time(name):
    golden = (GOLDEN / f"{name}.txt").read_bytes()
    assert {record(name) for _ in range(100)} == {golden}


def test_another_process_with_other_hashes_and_language_gives_the_same_bytes():
    code = "import sys; from tests.agents.test_layering import record; sys.stdout.buffer.write(record('merged'))"
    environment = os.environ | {"PYTHONHASHSEED": "12345", "LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONPATH": str(ROOT)}
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert told.stdout == (GOLDEN / "merged.txt").read_bytes()


def test_nothing_written_gives_the_default_text_and_four_warnings():
    one = compile_identity({})
    assert [one.prompt.count(text) for text in DEFAULTS.values()] == [1] * 4
    assert (len(one.warnings), one.conflicts) == (4, ())
    assert {each.source for each in one.sources} == {"default"}
    partly = compile_identity({Layer.USER: Text("## U\nx", "agent")})
    assert [warning.split()[0] for warning in partly.warnings] == ["SOUL", "AGENT", "IDENTITY"]
    assert "## U\nx" in partly.prompt


@given(layers=LAYERS)
@settings(max_examples=150, deadline=None)
def test_any_layers_merge_the_same_way_in_any_order_and_once_and_for_all(layers):
    one = compile_identity(layers)
    for order in list(permutations(layers.items()))[:6]:
        assert compile_identity(dict(order)) == one
    again = list(sections_of(Layer.SOUL, one.prompt))
    assert [(each.heading, each.text) for each in again] == [(each.heading, each.text) for each in one.sections]


@given(layers=LAYERS)
@settings(max_examples=150, deadline=None)
def test_every_section_is_kept_by_its_first_layer_or_reported(layers):
    one = compile_identity(layers)
    used = {each.layer: layers[each.layer].content if each.source != "default" else DEFAULTS[each.layer] for each in one.sources}
    everything = [section for layer in Layer for section in sections_of(layer, used[layer])]
    owner: dict[str, Layer] = {}
    for section in everything:
        owner.setdefault(section.key, section.layer)
    kept = [section for section in everything if owner[section.key] is section.layer]
    dropped = [section for section in everything if owner[section.key] is not section.layer]
    assert Counter(one.sections) == Counter(kept)
    assert list(one.conflicts) == [Conflict(layer=s.layer, heading=s.heading, winner=owner[s.key]) for s in dropped]
    # Of a layer's words each line that says anything is in one of its sections.
    for layer, text in used.items():
        lines = [line for line in cleaned(text).split("\n") if line.strip()]
        found = [line for s in everything if s.layer is layer for line in s.text.split("\n") if line.strip()]
        assert found[: len(lines)] == lines
        assert len(found) <= len(lines) + 1


@given(text=TEXTS)
@settings(max_examples=100, deadline=None)
def test_line_ends_marks_and_bytes_that_are_no_text_change_nothing(text):
    plain = cleaned(text)
    spoiled = "\ufeff" + plain.replace("\n", "\r\n") + "\0"
    assert list(sections_of(Layer.SOUL, spoiled)) == list(sections_of(Layer.SOUL, plain))


def test_what_is_no_text_is_taken_out_and_said():
    one = compile_identity({Layer.SOUL: Text("## A\nx\0y \ud800", "agent")})
    assert "xy \ufffd" in one.prompt
    assert "SOUL (agent) held characters that are no text; they were taken out" in one.warnings
    assert one.prompt.encode()


def test_a_layer_beyond_a_mebibyte_gives_way_to_its_default():
    fits = "ä" * (LAYER_MOST_BYTES // 2)
    assert compile_identity({Layer.SOUL: Text(fits, "agent")}).sources[0].source == "agent"
    one = compile_identity({Layer.SOUL: Text(fits + "x", "agent")})
    assert one.sources[0].source == "default"
    assert one.warnings[0].startswith("SOUL (agent) is larger than 1048576 bytes")


def test_headings_are_the_same_whatever_their_letters_spaces_and_level():
    keys = {Section(layer=Layer.SOUL, heading=heading, text="x").key for heading in ("Ä  b", "a\u0308 B", "ä\tb")}
    assert len(keys) == 1
