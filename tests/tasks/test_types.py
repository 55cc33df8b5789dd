import msgspec
import pytest

from app.tasks.types import Labels, Priority, Reason, Title


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Title, ["x", "x" * 2000], ["", "   ", "x" * 2001]),
        (Reason, ["x" * 2000], ["", "x" * 2001]),
        (Labels, [[], ["a"] * 20], [["a"] * 21, [""], ["x" * 61]]),
        (Priority, [1, 5], [0, 6, 2.5]),
    ],
)
def test_words_have_their_bounds(kind, good, bad):
    for value in good:
        assert msgspec.convert(value, kind) == value
    for value in bad:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, kind)
