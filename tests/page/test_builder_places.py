"""Which step a button of the builder means, when the text changed since it was drawn."""

import pytest

from bot.errors import Refused
from webhooks.page.builder_places import Ids, place_now, read_ids

DRAWN: Ids = ["design", "build", None, "docs"]


@pytest.mark.parametrize(
    ("place", "now", "found"),
    [
        (1, DRAWN, 1),
        (2, DRAWN, 2),  # a step without an id, and nothing moved
        (1, ["build", None, "docs"], 0),  # the first step was removed
        (3, ["new", *DRAWN], 4),  # one was added before it
        (1, ["design", "make", None, "docs"], 1),  # it was given another id
    ],
)
def test_a_button_means_the_step_that_was_drawn(place: int, now: Ids, found: int) -> None:
    assert place_now(place, DRAWN, now) == found


@pytest.mark.parametrize(
    ("place", "now", "name"),
    [
        (1, ["design", None, "docs"], "build"),
        (2, ["build", None, "docs"], "3"),  # no id by which it can be found
        (1, ["build", "build", None, "docs", "new"], "build"),  # two of them
        (9, ["design"], "10"),
    ],
)
def test_a_step_that_cannot_be_found_is_refused(place: int, now: Ids, name: str) -> None:
    with pytest.raises(Refused, match=f"The step {name} is no longer in the text"):
        place_now(place, DRAWN, now)


def test_a_form_that_does_not_say_what_was_drawn_means_the_place() -> None:
    assert [read_ids(each) for each in ("", "{}", "[1]", "nonsense")] == [None] * 4
    assert read_ids('["design", null]') == ["design", None]
    assert place_now(2, None, ["design"]) == 2
