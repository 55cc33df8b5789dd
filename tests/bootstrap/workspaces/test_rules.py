import hashlib
from uuid import UUID

import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.bootstrap.rules import front_matter
from app.bootstrap.rules.workspaces import Token, digest, gateway_ids, is_safe, plan, tokens
from app.bootstrap.types.workspaces import BOARD, Piece

NAMES = ("SOUL.md", "TOOLS.md", "skills/a/SKILL.md")
VERSIONS = ("v1", "v2", "v3")
OWN = ("mine", "ours")
WANTED = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VERSIONS))
TOUCHES = st.dictionaries(st.sampled_from([*NAMES, *(name + BOARD for name in NAMES)]), st.sampled_from([*OWN, *VERSIONS, None]))


class World:
    """A disk and a manifest, brought up to date by plans; `dies` after so many steps."""

    def __init__(self):
        self.disk, self.known, self.kept = {}, {}, []

    def sync(self, wanted, *, dies=None, restored=()):
        seen = {name: self.disk.get(name) for name in {*wanted, *self.known, *(name + BOARD for name in wanted)}}
        made = plan(wanted, disk=seen, known=self.known, restored=restored)
        steps = [("know", None), *(("move", one) for one in made.moves), *(("write", one) for one in made.writes)]
        steps += [("remove", one) for one in made.removes] + [("done", None)]
        for step, name in steps[:dies]:
            if step == "know":
                self.known = dict(made.intended)
            elif step == "move":
                self.kept.append(self.disk.pop(name))
            elif step == "write":
                self.disk[name] = wanted[made.writes[str(name)]]
            elif step == "remove":
                del self.disk[name]
            else:
                self.known = dict(made.final)
        return made

    def touch(self, touches):
        for name, content in touches.items():
            if content is None:
                self.disk.pop(name, None)
            else:
                self.disk[name] = content


ROUNDS = st.lists(st.tuples(WANTED, TOUCHES, st.none() | st.integers(0, 12)), max_size=5)


@given(rounds=ROUNDS, last=WANTED)
def test_what_the_agent_wrote_is_never_lost_whenever_the_board_dies(rounds, last):
    world = World()
    for wanted, touches, dies in [*rounds, (last, {}, None)]:
        world.sync(wanted, dies=dies)
        own = {name: content for name, content in world.disk.items() if content in OWN}
        world.touch(touches)
        own = {name: content for name, content in world.disk.items() if content in OWN}
        world.sync(last)
        assert {name: world.disk.get(name) for name in own} == own


@given(rounds=st.lists(st.tuples(WANTED, st.none() | st.integers(0, 12)), max_size=5), last=WANTED)
def test_what_the_board_wrote_is_never_taken_for_the_agents_whenever_it_dies(rounds, last):
    world = World()
    for wanted, dies in rounds:
        assert not world.sync(wanted, dies=dies).edited
    assert not world.sync(last).edited
    # Neither old files nor versions beside them are left.
    assert world.disk == last


@given(rounds=ROUNDS, last=WANTED)
def test_a_second_sync_does_nothing(rounds, last):
    world = World()
    for wanted, touches, dies in rounds:
        world.sync(wanted, dies=dies)
        world.touch(touches)
    first = world.sync(last)
    again = world.sync(last)
    assert (again.writes, again.removes, again.moves, again.edited) == ({}, (), (), first.edited)
    assert again.final == again.intended == world.known


def test_the_boards_version_lies_beside_an_edited_file_until_the_agent_takes_it_away():
    world = World()
    world.sync({"SOUL.md": "v1"})
    world.touch({"SOUL.md": "mine"})
    assert world.sync({"SOUL.md": "v2"}).edited == ("SOUL.md",)
    assert world.disk == {"SOUL.md": "mine", "SOUL.md.board": "v2"}
    world.touch({"SOUL.md.board": None})
    world.sync({"SOUL.md": "v2"})
    assert world.disk == {"SOUL.md": "mine"}
    world.sync({"SOUL.md": "v3"})
    assert world.disk == {"SOUL.md": "mine", "SOUL.md.board": "v3"}
    # Who gives in has one file again.
    world.touch({"SOUL.md": "v3"})
    world.sync({"SOUL.md": "v3"})
    assert world.disk == {"SOUL.md": "v3"}


@given(edits=TOUCHES)
def test_a_restored_file_is_the_boards_and_the_agents_is_kept(edits):
    world = World()
    wanted = dict.fromkeys(NAMES, "v1")
    world.sync(wanted)
    world.touch(edits)
    edited = world.sync(wanted).edited
    before = {name: world.disk[name] for name in edited}
    assert not world.sync(wanted, restored=edited).edited
    assert sorted(world.kept) == sorted(before.values())
    assert {name: world.disk[name] for name in NAMES} == wanted


KEYS = st.sampled_from(
    ["name: given", "description: given", "name:", "description: ''", "other: 1", "description: >\n  folded", "# note"]
)
BODIES = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"), max_size=60)


@given(head=st.none() | st.lists(KEYS, unique_by=lambda line: line.split(":")[0]), body=BODIES, description=st.text(max_size=400))
def test_a_skill_has_one_block_with_both_keys(head, body, description):
    given_head = head is not None
    text = "\n".join(["---", *head, "---", body]) if given_head else body
    made = front_matter.ensured(text, name="skill-slug", description=description)
    assert front_matter.ensured(made, name="skill-slug", description="other") == made
    _, block, _rest = made.split("---\n", 2) if "---\n" in made[4:] else (*made.rsplit("---", 1)[0].split("---\n", 1), "")
    said = yaml.safe_load(block)
    assert {"name", "description"} <= said.keys()
    assert said["name"] == "skill-slug"
    if given_head:
        assert made.count("\n---") == text.count("\n---")
        assert said["description"].strip() == "given" or "description: given" not in head
        assert made.endswith(body)
    assert len(said["description"]) <= 400


def test_a_skill_has_the_name_of_its_directory_whatever_its_text_says():
    text = "---\nname: shell\ntag: x\nname: >-\n  shell\n\n  more\ndescription: d\nNAME: y\n---\nname: body\n"
    made = front_matter.ensured(text, name="mine", description="")
    assert made == '---\nname: "mine"\ntag: x\ndescription: d\nNAME: y\n---\nname: body\n'


def test_a_block_that_does_not_end_is_none():
    made = front_matter.ensured("---\nname: x\n", name="a", description='say "hello"\nto all')
    assert made == '---\nname: "a"\ndescription: "say \\"hello\\" to all"\n---\n\n---\nname: x\n'


AGENTS = st.lists(
    st.tuples(st.sampled_from(["a", "a-b", "b", "a" * 63]), st.sampled_from(["x", "b-x", "a-x", "a-b-x", "x" * 63])), unique=True
)


@given(agents=AGENTS, later=AGENTS, names=st.lists(st.sampled_from(["x", "a-x", "b-x", "a-b-x", "else"])))
def test_ids_in_a_gateway_are_unique_and_plain_where_they_can_be(agents, later, names):
    found = gateway_ids(agents, held={})
    assert found == gateway_ids(reversed(agents), held={})
    # Whatever the configuration of the gateway was made to say, nobody is called as somebody else.
    for ids in (found, gateway_ids(agents, held=dict(zip(agents, names, strict=False)))):
        assert len(set(ids.values())) == len(agents)
        assert not {"else", ""} & set(ids.values())
        assert all(len(name) <= 63 for name in ids.values())
    slugs = [slug for _, slug in agents]
    taken = set(slugs)
    assert all(found[one] == one[1] for one in agents if slugs.count(one[1]) == 1 and not any("-" in slug for slug in taken))
    # Who has an id keeps it, whoever comes.
    grown = gateway_ids([*later, *agents], held=found)
    assert {one: grown[one] for one in agents} == found


def test_a_token_is_kept_while_it_is_held_and_those_that_nobody_holds_are_forgotten():
    here, there, old = (
        Token(UUID(int=n), name, f"hash{n}") for n, name in enumerate(("workspace 1", "workspace 2", "workspace 1"))
    )
    assert tokens({"hash0"}, [here, there, old], name="workspace 1") == (here, [old])
    # Another machine's is good here too, but not this one's to revoke.
    assert tokens({"hash1"}, [here, there], name="workspace 1") == (there, [here])
    assert tokens({"other"}, [here, there, old], name="workspace 1") == (None, [here, old])


def test_the_digest_is_of_all_files_but_the_secret_one():
    one, two = (Piece(text, hashlib.sha256(text).hexdigest()) for text in (b"1", b"2"))
    assert digest({"a": one, "b": two, ".env": one}, without=".env") == digest({"b": two, "a": one, ".env": two}, without=".env")
    assert digest({"a": one, "b": two}, without=".env") != digest({"a": two, "b": one}, without=".env")


@given(st.text(max_size=80))
def test_a_safe_name_is_one_plain_step(text):
    if is_safe(text):
        assert text.isascii()
        assert not set(text) & set("/\\. \0\n")
        assert 0 < len(text) <= 63


def test_names_that_lead_elsewhere_are_not_safe():
    for name in ("", ".", "..", "../x", "/x", "a/b", "a.b", "a\0b", "a\n", "-a", "a" * 64, "é", ".manifests"):
        assert not is_safe(name)
