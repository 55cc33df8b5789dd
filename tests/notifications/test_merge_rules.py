"""Two updates of one thread that wait as one: neither loses what it would have woken its agent by."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.delivery.rules import DEPTH_LIMIT, should_deliver, wants_answer
from app.delivery.types import AuthorKind, Deliver, DeliveryFacts
from app.kernel.types import ActorKind
from app.notifications.rules import merged
from app.notifications.types import NotificationType, Weight
from app.tasks.types import TaskStatus

AUTHORS = [UUID(int=number) for number in range(1, 4)]
PERSON = UUID(int=9)

agents = st.builds(
    Weight,
    actor_kind=st.just(ActorKind.AGENT),
    actor_id=st.sampled_from(AUTHORS),
    caused_by_type=st.sampled_from([None, *NotificationType]),
    cause_id=st.none() | st.uuids(),
    reason=st.sampled_from(["assignee_hears", "orchestrator_watches"]),
    depth=st.integers(0, DEPTH_LIMIT + 3),
)
people = st.builds(
    Weight,
    actor_kind=st.just(ActorKind.PERSON),
    actor_id=st.just(PERSON),
    caused_by_type=st.none(),
    cause_id=st.none(),
    reason=st.just("person_wrote"),
    depth=st.just(0),
)
weights = agents | people
situations = st.fixed_dictionaries(
    {
        "recipient_is_orchestrator": st.booleans(),
        "recipient_is_assigned": st.booleans(),
        "recipient_is_reviewer": st.booleans(),
        "task_status": st.sampled_from(TaskStatus),
        "is_coordination": st.booleans(),
    }
)


def delivers(weight: Weight, situation, orchestrator: UUID | None) -> bool:
    facts = DeliveryFacts(
        type=NotificationType.THREAD_UPDATE,
        author_kind=AuthorKind(weight.actor_kind.value),
        author_is_orchestrator=weight.actor_id == orchestrator,
        author_is_recipient=False,
        author_can_mention=True,
        caused_by_type=NotificationType(weight.caused_by_type) if weight.caused_by_type else None,
        status_from=None,
        depth=weight.depth,
        **situation,
    )
    return isinstance(should_deliver(facts), Deliver)


@given(weights, weights, situations, st.sampled_from([None, *AUTHORS]))
def test_what_would_have_woken_by_itself_wakes_merged(earlier, later, situation, orchestrator):
    both = merged(earlier, later)
    alone = delivers(earlier, situation, orchestrator) or delivers(later, situation, orchestrator)
    assert delivers(both, situation, orchestrator) >= alone


@given(st.lists(weights, min_size=2, max_size=6), situations, st.sampled_from([None, *AUTHORS]))
def test_neither_does_one_of_many(updates, situation, orchestrator):
    both = updates[0]
    for later in updates[1:]:
        both = merged(both, later)
    assert delivers(both, situation, orchestrator) >= any(delivers(one, situation, orchestrator) for one in updates)


@given(weights, weights)
def test_a_person_who_wrote_is_not_hidden_by_an_agent(earlier, later):
    both = merged(earlier, later)
    wrote = ActorKind.PERSON in (earlier.actor_kind, later.actor_kind)
    assert (both.actor_kind is ActorKind.PERSON) == wrote
    kinds = [AuthorKind(one.actor_kind.value) for one in (both, earlier, later)]
    wanted = [wants_answer(NotificationType.THREAD_UPDATE, author_kind=kind) for kind in kinds]
    assert wanted[0] == any(wanted[1:])
    assert both.depth == min(earlier.depth, later.depth)


@given(weights)
def test_an_update_merged_with_itself_stays_what_it_is(update):
    assert merged(update, update) == update


@given(agents, agents)
def test_of_two_equals_the_later_stands(earlier, later):
    both = merged(earlier, later)
    assert both.actor_id in (earlier.actor_id, later.actor_id)
    if earlier.caused_by_type == later.caused_by_type:
        assert (both.actor_id, both.cause_id) == (later.actor_id, later.cause_id)
