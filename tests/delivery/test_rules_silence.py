import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.delivery.rules import after_silence, classify_text, wants_answer
from app.delivery.types import AfterSilence, AuthorKind, NoReply, NothingSaid, Reply
from app.notifications.types import NotificationType


@pytest.mark.parametrize("text", ["NO_REPLY", "  NO_REPLY\n", "NO", "NO_"])
def test_a_sentinel_is_no_reply(text):
    assert classify_text(text) == NoReply(text.strip())


@pytest.mark.parametrize(
    "text",
    [
        "HEARTBEAT_OK",
        "Loading context for heartbeat...\n\nHEARTBEAT_OK\n",
        "Loading context for heartbeat\nLoading context for heartbeat\u2026\n HEARTBEAT_OK",
    ],
)
def test_a_quiet_heartbeat_is_no_reply(text):
    assert classify_text(text) == NoReply("HEARTBEAT_OK")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "No response from OpenClaw.",
        "@ada No reply from agent.",
        "@ada @critic\nNo response from agent.",
    ],
)
def test_emptiness_and_placeholders_say_nothing(text):
    assert classify_text(text) == NothingSaid()


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "NO_REPLY is what I would say",
        "NO.",
        "HEARTBEAT_OK, but the disk is full",
        "The disk is full\nHEARTBEAT_OK",
        "HEARTBEAT_OK\nOne more thing",
        "I saw: No reply from agent.",
        "No reply from agent. I tried twice.",
    ],
)
def test_a_sentinel_inside_an_answer_is_an_answer(text):
    assert classify_text(text) == Reply(text)


@given(st.text())
def test_every_text_is_read_and_a_reply_is_never_blank(text):
    answer = classify_text(text)
    assert not isinstance(answer, Reply) or (answer.text and answer.text == text.strip())


@pytest.mark.parametrize(
    ("kind", "author", "wanted"),
    [
        (NotificationType.ASSIGNMENT, AuthorKind.AGENT, True),
        (NotificationType.MENTION, AuthorKind.AGENT, True),
        (NotificationType.RESPONSE_REQUEST, None, True),
        (NotificationType.THREAD_UPDATE, AuthorKind.PERSON, True),
        (NotificationType.THREAD_UPDATE, AuthorKind.AGENT, False),
        (NotificationType.THREAD_UPDATE, None, False),
        (NotificationType.STATUS_CHANGE, AuthorKind.PERSON, False),
    ],
)
def test_an_answer_is_wanted_where_somebody_waits(kind, author, wanted):
    assert wants_answer(kind, author_kind=author) is wanted


@pytest.mark.parametrize(
    ("attempts", "wanted", "then"),
    [
        (1, True, AfterSilence.RETRY),
        (2, True, AfterSilence.RETRY),
        (3, True, AfterSilence.NO_RESPONSE),
        (4, True, AfterSilence.NO_RESPONSE),
        (1, False, AfterSilence.DELIVERED),
        (9, False, AfterSilence.DELIVERED),
    ],
)
def test_silence_is_retried_until_the_third_answer(attempts, wanted, then):
    assert after_silence(attempts, wanted=wanted) is then
