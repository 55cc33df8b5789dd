from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.delivery.rules import DEPTH_LIMIT, should_deliver
from app.delivery.types import AuthorKind, Deliver, DeliveryFacts, DeliveryReason, Skip
from app.notifications.types import NotificationType
from app.tasks.types import TaskStatus
from tests.delivery.worlds import facts

ASSIGNMENT = NotificationType.ASSIGNMENT
MENTION = NotificationType.MENTION
UPDATE = NotificationType.THREAD_UPDATE
MOVE = NotificationType.STATUS_CHANGE
REQUEST = NotificationType.RESPONSE_REQUEST
READY = NotificationType.READY
MESSAGES = (MENTION, UPDATE, REQUEST)
PERSON = AuthorKind.PERSON

ASSIGNEE = {"recipient_is_assigned": True}
REVIEWER = {"recipient_is_reviewer": True}
ORCHESTRATOR = {"recipient_is_orchestrator": True}
BY_PERSON = {"author_kind": PERSON, "depth": 0}
BY_ORCHESTRATOR = {"author_is_orchestrator": True}
REPLY = {"caused_by_type": UPDATE}
DONE = {"task_status": TaskStatus.DONE}
BLOCKED = {"task_status": TaskStatus.BLOCKED}
REVIEW = {"task_status": TaskStatus.REVIEW}
ARCHIVED = {"task_status": TaskStatus.ARCHIVED}
FROM_REVIEW = {"status_from": TaskStatus.REVIEW}
QUARANTINED = {"is_quarantined": True}
TOO_DEEP = {"depth": DEPTH_LIMIT + 1}

DELIVERED = [
    (ASSIGNMENT, ASSIGNEE, "assigned"),
    (ASSIGNMENT, ASSIGNEE | {"author_is_recipient": True}, "assigned"),
    (ASSIGNMENT, ASSIGNEE | TOO_DEEP, "assigned"),
    (ASSIGNMENT, ASSIGNEE | BLOCKED, "assigned"),
    (READY, ASSIGNEE, "ready"),
    (READY, ASSIGNEE | {"author_is_recipient": True}, "ready"),
    (READY, ASSIGNEE | BLOCKED | TOO_DEEP, "ready"),
    (READY, ORCHESTRATOR, "ready"),
    (MENTION, BY_PERSON, "mentioned"),
    (MENTION, BY_PERSON | DONE, "mentioned"),
    (MENTION, BY_PERSON | BLOCKED, "mentioned"),
    (MENTION, BY_PERSON | ARCHIVED, "mentioned"),
    (MENTION, BY_PERSON | TOO_DEEP, "mentioned"),
    (MENTION, {"author_can_mention": True}, "mentioned"),
    (MENTION, {"author_can_mention": True, "depth": DEPTH_LIMIT}, "mentioned"),
    (REQUEST, BY_PERSON, "asked"),
    (REQUEST, BY_PERSON | DONE, "asked"),
    (REQUEST, {"author_can_mention": True}, "asked"),
    (REQUEST, {"author_kind": AuthorKind.SYSTEM}, "asked"),
    (UPDATE, BY_PERSON, "person_wrote"),
    (UPDATE, BY_PERSON | REVIEW, "person_wrote"),
    (UPDATE, BY_PERSON | BLOCKED | ASSIGNEE, "person_wrote"),
    (UPDATE, ORCHESTRATOR, "orchestrator_watches"),
    (UPDATE, ORCHESTRATOR | REPLY, "orchestrator_watches"),
    (UPDATE, ASSIGNEE, "assignee_hears"),
    (UPDATE, ASSIGNEE | REPLY | BY_ORCHESTRATOR, "assignee_hears"),
    (UPDATE, REVIEWER | REVIEW, "reviewer_hears"),
    (UPDATE, REVIEWER | REVIEW | REPLY | BY_ORCHESTRATOR, "reviewer_hears"),
    (UPDATE, ASSIGNEE | {"author_kind": AuthorKind.SYSTEM}, "assignee_hears"),
    (MOVE, ORCHESTRATOR | REVIEW, "review_wanted"),
    (MOVE, REVIEWER | REVIEW, "review_wanted"),
    (MOVE, ASSIGNEE | FROM_REVIEW, "review_answered"),
    (MOVE, ASSIGNEE | FROM_REVIEW | BLOCKED, "review_answered"),
    (MOVE, ASSIGNEE | {"status_from": TaskStatus.BLOCKED, "task_status": TaskStatus.ASSIGNED}, "status_changed"),
    (MOVE, ASSIGNEE | TOO_DEEP, "status_changed"),
    (MOVE, ORCHESTRATOR, "status_changed"),
    (UPDATE, ORCHESTRATOR | BY_PERSON | {"is_coordination": True}, "orchestrator_watches"),
    (UPDATE, BY_PERSON | QUARANTINED, "person_wrote"),
    (NotificationType.WAKEUP, {"author_kind": AuthorKind.SYSTEM, "task_status": None}, "woken"),
]

SKIPPED = [
    (READY, {}, "no_longer_assigned"),
    (READY, ASSIGNEE | DONE, "task_done"),
    (ASSIGNMENT, {}, "no_longer_assigned"),
    (ASSIGNMENT, ASSIGNEE | DONE, "task_done"),
    (ASSIGNMENT, ASSIGNEE | ARCHIVED, "task_archived"),
    (MENTION, {}, "mention_not_allowed"),
    (MENTION, BY_ORCHESTRATOR, "mention_not_allowed"),
    (MENTION, {"author_can_mention": True} | TOO_DEEP, "too_deep"),
    (MENTION, {"author_can_mention": True} | ARCHIVED, "task_archived"),
    (MENTION, {"author_can_mention": True, "author_is_recipient": True}, "own_message"),
    (REQUEST, {}, "mention_not_allowed"),
    (REQUEST, {"author_can_mention": True} | DONE, "task_done"),
    (REQUEST, BY_PERSON | ARCHIVED, "task_archived"),
    (UPDATE, BY_PERSON | DONE, "task_done"),
    (UPDATE, ASSIGNEE | DONE, "task_done"),
    (UPDATE, ASSIGNEE | BLOCKED, "task_blocked"),
    (UPDATE, ORCHESTRATOR | BLOCKED, "task_blocked"),
    (UPDATE, BY_PERSON | BLOCKED, "task_blocked"),
    (UPDATE, BY_PERSON | ARCHIVED, "task_archived"),
    (UPDATE, ASSIGNEE | REPLY, "reply_to_reply"),
    (UPDATE, REVIEWER | REVIEW | REPLY, "reply_to_reply"),
    (UPDATE, {}, "not_assigned"),
    (UPDATE, REVIEWER, "not_assigned"),
    (UPDATE, REPLY | BY_ORCHESTRATOR, "not_assigned"),
    (UPDATE, ORCHESTRATOR | {"author_is_recipient": True} | BY_ORCHESTRATOR, "own_message"),
    (UPDATE, ORCHESTRATOR | TOO_DEEP, "too_deep"),
    (UPDATE, ASSIGNEE | BY_PERSON | {"is_coordination": True}, "coordination_only"),
    (MOVE, ASSIGNEE | DONE, "task_done"),
    (MOVE, ASSIGNEE | DONE | FROM_REVIEW, "task_done"),
    (MOVE, ASSIGNEE | BLOCKED, "task_blocked"),
    (MOVE, ORCHESTRATOR | BLOCKED | FROM_REVIEW, "task_blocked"),
    (MOVE, ASSIGNEE | REVIEW, "not_for_review"),
    (MOVE, ASSIGNEE | ARCHIVED, "task_archived"),
    (MOVE, {}, "not_assigned"),
    (MOVE, ASSIGNEE | {"author_is_recipient": True}, "own_change"),
    (UPDATE, ASSIGNEE | QUARANTINED, "quarantined"),
    (ASSIGNMENT, ASSIGNEE | QUARANTINED, "quarantined"),
    (MOVE, ASSIGNEE | QUARANTINED | {"author_kind": AuthorKind.SYSTEM}, "quarantined"),
    (NotificationType.PRESENCE, {}, "for_people"),
    (NotificationType.QUARANTINE, {}, "for_people"),
    (NotificationType.BUDGET, BY_PERSON, "for_people"),
]
# Said of wake-ups that the table allows: by the guards against loops, by a stop, and where there was nothing to wake for.
OF_OTHERS = {"wake_budget", "round_and_round", "stopped", "nothing_to_do"}

any_facts = st.builds(
    DeliveryFacts,
    type=st.sampled_from(NotificationType),
    recipient_is_orchestrator=st.booleans(),
    recipient_is_assigned=st.booleans(),
    recipient_is_reviewer=st.booleans(),
    author_kind=st.none() | st.sampled_from(AuthorKind),
    author_is_orchestrator=st.booleans(),
    author_is_recipient=st.booleans(),
    author_can_mention=st.booleans(),
    caused_by_type=st.none() | st.sampled_from(NotificationType),
    task_status=st.none() | st.sampled_from(TaskStatus),
    status_from=st.none() | st.sampled_from(TaskStatus),
    depth=st.integers(0, 20),
    is_coordination=st.booleans(),
    is_quarantined=st.booleans(),
)


def name(case):
    return "-".join(str(part) for part in case) if isinstance(case, tuple) else None


@pytest.mark.parametrize(("kind", "changes", "reason"), DELIVERED, ids=name)
def test_an_agent_is_woken(kind, changes, reason):
    assert should_deliver(facts(type=kind, **changes)) == Deliver(DeliveryReason(reason))


@pytest.mark.parametrize(("kind", "changes", "reason"), SKIPPED, ids=name)
def test_an_agent_is_left_alone(kind, changes, reason):
    assert should_deliver(facts(type=kind, **changes)) == Skip(DeliveryReason(reason))


def test_every_reason_is_reached_by_the_table():
    assert {DeliveryReason(reason) for _, _, reason in DELIVERED + SKIPPED} == set(DeliveryReason) - OF_OTHERS


@given(any_facts)
def test_every_decision_has_a_reason_of_its_own_side(given_facts):
    delivered = {DeliveryReason(reason) for _, _, reason in DELIVERED}
    decision = should_deliver(given_facts)
    assert (decision.reason in delivered) == isinstance(decision, Deliver)


@given(any_facts)
def test_nobody_is_woken_by_an_own_message_or_move(given_facts):
    if given_facts.author_is_recipient and given_facts.type not in (ASSIGNMENT, READY):
        assert isinstance(should_deliver(given_facts), Skip)


@given(any_facts)
def test_only_a_persons_mention_wakes_for_an_archived_task(given_facts):
    decision = should_deliver(replace(given_facts, task_status=TaskStatus.ARCHIVED))
    if isinstance(decision, Deliver):
        assert (given_facts.type, given_facts.author_kind) == (MENTION, PERSON)


@given(any_facts)
def test_of_a_quarantined_task_only_people_wake(given_facts):
    decision = should_deliver(replace(given_facts, is_quarantined=True, is_coordination=False))
    assert isinstance(decision, Skip) or given_facts.author_kind is PERSON


@given(any_facts)
def test_no_thread_update_wakes_for_a_done_task(given_facts):
    done = replace(given_facts, type=UPDATE, task_status=TaskStatus.DONE, is_coordination=False)
    assert isinstance(should_deliver(done), Skip)


@given(any_facts, st.sampled_from([TaskStatus.IN_PROGRESS, TaskStatus.BLOCKED]))
def test_assignees_always_hear_what_the_review_said(given_facts, status):
    sent_back = {"type": MOVE, "status_from": TaskStatus.REVIEW, "task_status": status, "recipient_is_assigned": True}
    others = {"author_is_recipient": False, "is_coordination": False, "is_quarantined": False}
    assert should_deliver(replace(given_facts, **sent_back, **others)) == Deliver(DeliveryReason.REVIEW_ANSWERED)


@given(any_facts)
def test_an_agents_mention_wakes_exactly_if_allowed_and_near(given_facts):
    mention = replace(
        given_facts,
        type=MENTION,
        author_kind=AuthorKind.AGENT,
        author_is_recipient=False,
        task_status=TaskStatus.IN_PROGRESS,
        is_coordination=False,
        is_quarantined=False,
    )
    allowed = mention.author_can_mention and mention.depth <= DEPTH_LIMIT
    assert isinstance(should_deliver(mention), Deliver) == allowed


@given(any_facts, st.sampled_from(MESSAGES), st.integers(0, 12))
def test_messages_between_agents_end_at_the_depth_limit(given_facts, kind, limit):
    beyond = replace(given_facts, type=kind, author_kind=AuthorKind.AGENT, depth=limit + 1)
    assert isinstance(should_deliver(beyond, depth_limit=limit), Skip)


@given(st.lists(any_facts, min_size=12, max_size=12))
def test_replies_of_workers_to_each_other_stop_after_one_hop(chain):
    hops = 0
    cause = None
    for link in chain:
        worker = {"recipient_is_orchestrator": False, "author_is_orchestrator": False, "author_kind": AuthorKind.AGENT}
        if isinstance(should_deliver(replace(link, type=UPDATE, caused_by_type=cause, **worker)), Skip):
            break
        hops, cause = hops + 1, UPDATE
    assert hops <= 1
