"""What is printed of clones: each step once where lines stay, in place on a terminal, and the outcome with what to do."""

import msgspec

from app.bootstrap.types.repositories import Standing
from app.bootstrap.types.vcs import CloneState, Trouble
from app.cli.repository import Lines

WAITING = Standing(
    name="primary",
    state=CloneState.WAITING,
    phase=None,
    percent=None,
    trouble=None,
    setting=None,
    advice=None,
    remark=None,
    head=None,
    base_branch=None,
    directory="/srv/clone",
    is_pending=True,
    is_put_off=False,
)


def changed(**fields):
    return msgspec.structs.replace(WAITING, **fields)


def step(percent):
    return changed(state=CloneState.SYNCING, phase="receiving", percent=percent)


READY = changed(state=CloneState.READY, head="0123456789abcdef", base_branch="trunk", is_pending=False)
PUT_OFF = changed(
    state=CloneState.DEGRADED, trouble=Trouble.UNREACHABLE, setting="REPO_URL", advice="check the network", is_put_off=True
)


def printed(*seen, is_terminal, **more):
    texts = []
    lines = Lines(lambda text, **how: texts.append(text + how["end"]), is_terminal=is_terminal)
    for one in seen:
        lines.show(one, **more)
    return texts


def test_where_lines_stay_there_are_few():
    assert printed(WAITING, step(1), step(2), step(24), step(26), step(99), READY, READY, is_terminal=False) == [
        "repository primary: receiving 1 %\n",
        "repository primary: receiving 26 %\n",
        "repository primary: receiving 99 %\n",
        "repository primary: ready, trunk at 0123456789\n",
    ]


def test_on_a_terminal_there_is_one_line():
    assert printed(step(1), step(1), step(2), READY, is_terminal=True) == [
        "\r\x1b[Krepository primary: receiving 1 %",
        "\r\x1b[Krepository primary: receiving 2 %",
        "\r\x1b[Krepository primary: ready, trunk at 0123456789\n",
    ]


def test_trouble_says_which_key_and_what_to_do():
    assert printed(PUT_OFF, is_terminal=False) == [
        "repository primary: cannot be cloned (unreachable): REPO_URL: check the network\n"
    ]


def test_what_nobody_takes_up_is_said_once():
    assert printed(WAITING, WAITING, is_terminal=False, is_late=True) == ["repository primary: waiting for a worker\n"]
