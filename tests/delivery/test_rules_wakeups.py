"""Words in answer to a wake-up: they are posted only where their first line says so, and names nothing else."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.delivery.rules import classify_text, listed, wake_answer, wants_answer
from app.delivery.types import AuthorKind, NoReply, Reply
from app.delivery.wakeups import body_of
from app.notifications.types import NotificationType

ID = UUID(int=7)


@pytest.mark.parametrize("line", [f"Task: {ID}", f"Task:{ID}", f"task: `{ID}`", f"Task: {str(ID).upper()}", f"\n  Task: {ID}  "])
def test_a_first_line_that_is_only_the_task_names_it(line):
    answer = wake_answer(f"{line}\n\nIt is done.\n")
    assert answer is not None
    assert (answer.task_id, answer.text) == (ID, "It is done.")


@pytest.mark.parametrize(
    "text",
    [
        f"Task: {ID}",
        f"Task: {ID}\n \n",
        f"Task: {ID} is done",
        f"Task: {ID}, {ID}\nDone",
        f"About Task: {ID}\nDone",
        f"Done.\nTask: {ID}",
        "Task: 7\nDone",
        f"- Task: {ID}\nDone",
        "",
    ],
)
def test_anything_else_names_no_task(text):
    assert wake_answer(text) is None


@pytest.mark.parametrize("text", ["HEARTBEAT_OK", " HEARTBEAT_OK\n", "Loading context for heartbeat…\nHEARTBEAT_OK"])
def test_nothing_to_do_is_said_with_one_token(text):
    assert isinstance(classify_text(text), NoReply)


@pytest.mark.parametrize(
    "text", ["HEARTBEAT_OK.", "heartbeat_ok", "All well. HEARTBEAT_OK", "All well.\nHEARTBEAT_OK", "HEARTBEAT_OK\nx"]
)
def test_an_update_that_quotes_the_token_is_an_update(text):
    assert isinstance(classify_text(text), Reply)


@given(st.lists(st.uuids(), max_size=12))
def test_the_tasks_of_a_wake_up_are_read_from_its_text_again(ids):
    assert listed(body_of(ids)) == tuple(ids)


def test_silence_about_a_wake_up_is_not_worth_another_call():
    assert not wants_answer(NotificationType.WAKEUP, author_kind=AuthorKind.SYSTEM)
