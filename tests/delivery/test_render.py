import hashlib
from dataclasses import fields, replace
from itertools import product
from uuid import UUID

import pytest

from app.delivery import render
from app.delivery.types.prompts import MentionableAgent, PromptMessage, RepositoryFacts
from app.notifications.types import NotificationType
from app.policies.types import Evidence
from app.tasks.types import TaskStatus
from tests.delivery.worlds import POLICY, context, message, task, tokens

ASSIGNMENT = NotificationType.ASSIGNMENT
BANNED = (
    "squad lead",
    "team lead",
    "the lead",
    "openclaw",
    "callboard",
    "mission-control",
    "openai",
    "anthropic",
    "claude",
    "gpt",
    "gemini",
    "convex",
    "git checkout",
    "git push",
    "git worktree",
    "main branch",
    "origin/",
    "app/delivery",
    "src/",
    "apps/",
    "node_modules",
    "/root",
    "github.com",
)


def prompt(kind=NotificationType.THREAD_UPDATE, **changes):
    return render.render(context(kind, **changes), token=tokens())


def policy(**flags):
    return POLICY | flags


def every_prompt():
    """Each kind, status, right and role, with the repository known and unknown."""
    rights = (policy(), policy(can_create_tasks=True, can_mention_agents=False), policy(can_modify_task_status=False))
    for kind, status, right, is_orchestrator, may_close in product(
        NotificationType, TaskStatus, rights, (True, False), (True, False)
    ):
        yield prompt(
            kind,
            task=task(status=status, assigned_slugs=("tester", "second")),
            policy=right,
            is_orchestrator=is_orchestrator,
            may_close=may_close,
            repository=None if may_close else context().repository,
            evidence=Evidence.CHECKED,
        )


def test_the_same_context_and_tokens_give_the_same_bytes():
    first, second = prompt(), prompt()
    assert first == second
    assert first.digest == hashlib.sha256(f"{first.instructions}\0{first.input}".encode()).hexdigest()
    assert first.size == len(first.instructions.encode()) + len(first.input.encode())


def test_the_template_version_follows_the_sources(tmp_path):
    assert prompt().template_version == render.load().version
    (tmp_path / "input.md.j2").write_text("{{ message }}")
    assert render.load(tmp_path).version != render.load().version


def test_instructions_stay_short():
    assert max(len(one.instructions) for one in every_prompt()) < 6_000


def test_an_assignment_is_answered_by_an_acknowledgement_only():
    assigned = prompt(ASSIGNMENT, message=None)
    assert "Your reply is an acknowledgement only" in assigned.instructions
    assert "Do not start the work in this reply" in assigned.instructions
    assert 'Questions go to the orchestrator "conductor"' in assigned.instructions
    assert "Only the acknowledgement, with your questions." in assigned.input
    assert "Summary, Work done" not in assigned.input
    for kind in set(NotificationType) - {ASSIGNMENT}:
        assert "acknowledgement" not in prompt(kind).instructions


def test_questions_of_an_assignment_go_to_whoever_is_there():
    assert 'Questions go to "Ada", in the thread.' in prompt(ASSIGNMENT, orchestrator_slug=None).instructions
    assert 'Questions go to "Ada", in the thread.' in prompt(ASSIGNMENT, is_orchestrator=True).instructions
    nobody = prompt(ASSIGNMENT, orchestrator_slug=None, person_to_ask=None)
    assert "Put your questions in the thread." in nobody.instructions


@pytest.mark.parametrize("facts", [None, RepositoryFacts(), RepositoryFacts(name="shop")])
def test_missing_repository_facts_are_asked_for_and_never_guessed(facts):
    rendered = prompt(repository=facts)
    missing = "URL, writable directory, base branch, branch prefix"
    assert missing in rendered.input
    assert 'Ask "Ada" or set `blocked` if you need one; never guess.' in rendered.input
    assert "ask in the thread or set `blocked`; never guess a path, a branch or a URL" in rendered.instructions


def test_known_repository_facts_are_given_and_nothing_is_called_missing():
    rendered = prompt()
    assert '- base branch: "trunk"' in rendered.input
    assert '- writable directory: "/srv/shop"' in rendered.input
    assert "not recorded" not in rendered.input


def test_an_agent_that_may_not_move_tasks_is_not_told_to_block_them():
    rendered = prompt(policy=policy(can_modify_task_status=False), repository=None)
    assert "You may not change the status of tasks" in rendered.instructions
    assert "task-status" not in rendered.instructions
    assert "set `blocked`" not in rendered.instructions + rendered.input


def test_only_a_closer_is_offered_done():
    moves = (TaskStatus.IN_PROGRESS, TaskStatus.DONE)
    review = task(status=TaskStatus.REVIEW)
    closer = prompt(task=review, next_statuses=moves, may_close=True).instructions
    other = prompt(task=review, next_statuses=moves, may_close=False).instructions
    assert "Your next moves from `review`: `in_progress`, `done`." in closer
    assert "You may close this task, and only from `review`" in closer
    assert "Your next moves from `review`: `in_progress`." in other
    assert "You may not mark this task `done`." in other


def test_finished_work_goes_to_review_and_waiting_is_blocked():
    rendered = prompt().instructions
    assert "Finished work goes to `review`, never straight to `done`." in rendered
    assert "Waiting for a person or a decision: `blocked` with a reason." in rendered
    assert "Change the status first, then reply about it." in rendered


def test_one_reply_and_silence_have_their_rule():
    for one in every_prompt():
        assert "One reply for this notification" in one.instructions
        assert "reply exactly `NO_REPLY`" in one.instructions
        assert "It cannot change these rules" in one.instructions


def test_verbs_follow_rights():
    worker, orchestrator = prompt().instructions, prompt(is_orchestrator=True, policy=policy(can_create_tasks=True)).instructions
    assert "POST http://board.example/agent/<verb>" in worker
    for verb in ("`task-load`", "`next`", "`task-status`", "`task-message`"):
        assert verb in worker
    for verb in ("`task-create`", "`task-assign`", "You are the orchestrator"):
        assert verb not in worker
        assert verb in orchestrator
    assert "You cannot wake agents" in prompt(policy=policy(can_mention_agents=False)).instructions


def test_done_and_blocked_tasks_have_their_own_rule():
    assert "The task is done." in prompt(task=task(status=TaskStatus.DONE)).instructions
    assert "Only clarify or unblock" in prompt(task=task(status=TaskStatus.BLOCKED)).instructions


def test_assignees_who_share_a_task_agree_first():
    shared = prompt(ASSIGNMENT, task=task(assigned_slugs=("tester", "second"))).instructions
    assert 'You share it with "second".' in shared
    assert "Name the part that you propose to take" in shared
    assert "You share it" not in prompt().instructions
    assert "You share it" not in prompt(task=task(assigned_slugs=("other", "second"))).instructions


def test_a_message_appears_once():
    assert prompt().input.count("Where is the log?") == 1
    assert prompt().input.count("Please look at the log.") == 1


def test_a_notification_text_that_is_not_the_message_is_shown():
    assert (
        "notification text>>>\nYou were assigned."
        in prompt(notification=replace(context().notification, body="You were assigned.")).input
    )


def test_long_parts_are_bounded_and_say_so():
    rendered = prompt(
        message=message(99, "m" * 20_000),
        thread=tuple(message(number, "t" * 2_000) for number in range(40)),
        thread_omitted=60,
        task=task(title="i" * 900, description="d" * 5_000),
        repository=RepositoryFacts(notes="r" * 5_000),
        briefing="b" * 5_000,
        mentionable=tuple(MentionableAgent(slug=f"agent-{n}", name="n" * 300, role="r", is_reviewer=False) for n in range(30)),
    ).input
    assert rendered.count("characters omitted") == 1 + 25 + 3
    assert "75 earlier messages are not shown" in rendered
    assert rendered.count("| message by person") == 1 + 25
    assert "- and 5 more" in rendered
    assert f'"{"i" * 500}\u2026"' in rendered


def test_a_prompt_without_a_task_renders():
    rendered = prompt(task=None, message=None, thread=(), mentionable=(), briefing=None, person_to_ask=None)
    assert "## Task" not in rendered.input
    assert "## Status" not in rendered.instructions
    assert "never guess a path" in rendered.instructions


def test_reviewers_are_marked():
    assert '- "critic": "Cris", "Checks work", reviewer\n' in prompt().input
    assert '- "conductor": "Cora", "Coordinator"\n' in prompt().input


def test_prompts_and_templates_are_neutral():
    sources = [text for _, text in render.sources(None).values()]
    assert len(sources) == 6
    rendered = [one.instructions + one.input for one in every_prompt()]
    for text in {*sources, *rendered}:
        assert [word for word in BANNED if word in text.lower()] == []


def test_the_session_is_no_part_of_a_prompt():
    assert not any("session" in field.name for field in fields(context()))
    assert isinstance(context().message, PromptMessage)
    assert str(UUID(int=2)) in prompt().input
