"""An agent is shown everything of the thread that it has not seen, each text once, and the rest as background."""

from dataclasses import replace

from app.delivery import render, viewing
from app.delivery.types.prompts import PromptNotification, PromptStep, PromptWakeup
from app.notifications.types import NotificationType
from app.tasks.types import TaskStatus
from tests import gateways
from tests.delivery.worlds import NOW, context, message, task, tokens
from tests.gateways import NO_REPLY, settled


def prompt(**changes):
    return render.render(context(**changes), token=tokens()).input


def said(*numbers):
    return tuple(message(number, f"Message {number}.") for number in numbers)


def part(text, heading):
    return text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0] if f"## {heading}\n" in text else ""


def test_unread_messages_stand_oldest_first_beside_the_one_to_answer_and_no_text_stands_twice():
    text = prompt(message=message(5, "Message 5."), unread=said(3, 4, 5, 6), thread=said(1, 2, 3, 4, 5, 6))
    assert [text.count(f"Message {number}.") for number in range(1, 7)] == [1] * 6
    assert "Message 5." in part(text, "The message to answer")
    unread = part(text, "Also unread")
    assert [unread.index(f"Message {number}.") for number in (3, 4, 6)] == sorted(
        unread.index(f"Message {n}.") for n in (3, 4, 6)
    )
    assert all(f"Message {number}." in part(text, "Thread") for number in (1, 2))
    assert "are not shown" not in text


def test_without_a_message_to_answer_what_is_unread_is_still_shown():
    text = prompt(kind=NotificationType.ASSIGNMENT, message=None, unread=said(3), thread=said(1))
    assert "Message 3." in part(text, "Unread")
    assert "## The message to answer" not in text
    assert "## Unread" not in prompt(message=None, unread=(), thread=said(1))


def test_of_many_unread_messages_the_newest_share_the_room_and_the_rest_is_counted():
    many = tuple(message(number, f"Message {number}. " + "x" * 9_000) for number in range(70))
    text = prompt(message=None, unread=many, unread_omitted=30, thread=())
    assert "50 older unread messages are not shown; `task-load` reads them." in text
    assert "Message 19." not in text
    assert "Message 20." in text
    assert text.count("x" * 900) == viewing.UNREAD_LENGTH
    assert len(part(text, "Unread")) < viewing.UNREAD_LIMIT * 1.5
    few = prompt(message=None, unread=many[:4], thread=())
    assert few.count("x" * 8_900) == 4


def test_the_notifications_text_is_left_out_where_the_prompt_shows_it_anyway():
    told = PromptNotification(id=task().id, type=NotificationType.STATUS_CHANGE, title="t", body="The logout is missing.")
    assert prompt(notification=told, message=None).count("The logout is missing.") == 1
    assert "notification text" in prompt(notification=replace(told, body="missing"), message=None)
    talk = replace(told, type=NotificationType.THREAD_UPDATE, body="Message 3\u2026")
    assert "notification text" not in prompt(notification=talk, unread=said(3), thread=())


def test_a_prompt_says_how_far_it_shows_the_thread():
    assert render.render(context(seen=41), token=tokens()).seen == 41


def step(number):
    return PromptStep(
        id=task().id,
        title=f"Task {number}",
        status=TaskStatus.IN_PROGRESS,
        description="d" * 500,
        moves_next="A review.",
        by_agent=True,
    )


def wakeup(**changes):
    found = PromptWakeup(at=NOW, steps=tuple(map(step, range(20))), focus=task().id, thread=said(*range(10)))
    return context(NotificationType.WAKEUP, task=None, message=None, thread=(), wakeup=replace(found, **changes))


def test_a_wakeup_lists_twelve_tasks_cut_short_and_the_last_words_on_the_first():
    text = render.render(wakeup(omitted=5), token=tokens()).input
    assert text.count('next, by you: "A review."') == 12
    assert text.count('"' + "d" * 240 + '\u2026"') == 12
    assert "- and 13 more" in text
    assert "Now: 2030-01-02 03:04:05+00:00" in text
    assert [f"Message {number}." in text for number in range(10)] == [False] * 2 + [True] * 8
    long = render.render(wakeup(thread=(message(1, "m" * 500),)), token=tokens()).input
    assert "m" * 220 + "\n\u00ab\u2026 280 characters omitted\u00bb" in long
    crew = replace(wakeup(), is_orchestrator=True)
    assert render.render(crew, token=tokens()).input.count("next, by you") == 20
    nothing = render.render(wakeup(steps=(), focus=None, thread=()), token=tokens()).input
    assert "## Your tasks\nNone.\n" in nothing


def test_a_wakeup_has_templates_of_its_own(tmp_path):
    (tmp_path / "wakeup_input.md.j2").write_text("{{ wakeup.steps | length }}")
    templates = render.load(tmp_path)
    assert render.render(wakeup(), token=tokens(), templates=templates).input == "12"
    assert render.render(context(), token=tokens(), templates=templates).input.startswith("# Notification")


async def test_what_was_shown_is_background_in_the_next_prompt(board, gateway, admin):
    gateway.answering = lambda _: NO_REPLY
    made = await board.task(assignee_slugs=["engineer"])

    async def prompts(*texts):
        """What the engineer is sent about these messages, which were all written before it could be."""
        for text in texts:
            answer = await board.person.post(f"/api/v1/tasks/{made['id']}/messages", json={"content": text})
            assert answer.status_code == 201, answer.text
        gateway.asked.clear()
        async with gateways.working(board.settings):
            await settled(admin)
        asked = [one.decoded["input"] for one in gateway.of("engineer")]
        return [one if isinstance(one, str) else one[0]["content"] for one in asked]

    (assigned,) = await prompts()
    assert "## Unread" not in assigned
    (first,) = await prompts("First of all.", "And second.")
    assert "And second." in part(first, "The message to answer")
    assert "First of all." in part(first, "Also unread")
    assert [first.count(text) for text in ("First of all.", "And second.")] == [1, 1]
    (later,) = await prompts("Third then.")
    assert "Third then." in part(later, "The message to answer")
    assert all(text in part(later, "Thread") for text in ("First of all.", "And second."))
    assert "## Also unread" not in later
    assert [row["seen"] for row in await admin.fetch("SELECT DISTINCT seen FROM deliveries ORDER BY seen")] == [0, 2, 3]
