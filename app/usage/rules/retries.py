"""When answers that are paid for again are too many."""

# Fewer are chance, whatever their part.
LEAST = 5
PART = 3


def are_many(anew: int, answers: int) -> bool:
    """Whether so many of these answers were asked for anew that something is wrong: one in three."""
    return anew >= LEAST and anew * PART >= answers
