"""Which option of a field stands for which value."""

import pytest

from bot.tasks import board_options
from bot.tasks.board_options import PRIORITIES, SIZES, STATES, Option


def options(*names: str) -> list[Option]:
    return [{"id": f"id of {each}", "name": each} for each in names]


# The options of a board, and the one for pending, in_progress, in_review, completed and cancelled.
BOARDS = [
    # GitHub's new project.
    (("Todo", "In Progress", "Done"), ("Todo", "In Progress", "In Progress", "Done", "Done")),
    # GitHub's template for teams.
    (
        ("Backlog", "Ready", "In progress", "In review", "Done"),
        ("Ready", "In progress", "In review", "Done", "Done"),
    ),
    # Emoji, case, hyphens and spaces.
    (
        ("📋 TO-DO", "🏗  Doing", "👀 Needs Review", "✅ Complete", "🚫 Won't do"),
        ("📋 TO-DO", "🏗  Doing", "👀 Needs Review", "✅ Complete", "🚫 Won't do"),
    ),
    # The preferred name is written, in whatever order they stand.
    (("Closed", "WIP", "Backlog", "Todo"), ("Todo", "WIP", "WIP", "Closed", "Closed")),
]
SHOWN = ("pending", "in_progress", "in_review", "completed", "cancelled")


@pytest.mark.parametrize(("names", "expected"), BOARDS)
def test_the_usual_names_are_found(names: tuple[str, ...], expected: tuple[str, ...]) -> None:
    found = board_options.match(options(*names), {}, STATES, {})
    assert tuple(found.option_of[each]["name"] for each in SHOWN) == expected


def test_every_option_with_a_usual_name_has_its_meaning() -> None:
    found = board_options.match(options("Backlog", "Todo", "Ideas", "Done"), {}, STATES, {})
    assert found.values_of["id of Backlog"] == {"pending", "assigned", "failed"}
    assert "id of Ideas" not in found.values_of


def test_an_option_that_the_settings_name_has_no_other_meaning() -> None:
    given = {"in_review": "Done", "completed": "Shipped"}
    found = board_options.match(options("Todo", "Doing", "Done", "Shipped"), given, STATES, {})
    assert found.values_of["id of Done"] == {"in_review"}
    assert found.option_of["completed"]["name"] == "Shipped"


def test_an_option_that_the_settings_name_and_the_board_lacks_is_reported() -> None:
    found = board_options.match(options("Todo", "Doing", "Done"), {"failed": "Lost"}, STATES, {})
    assert found.unknown == {"failed": "Lost"}
    assert "failed" not in found.option_of


@pytest.mark.parametrize("named", [{}, {"completed": "Done"}])
def test_a_renamed_option_is_found_by_its_id(named: dict[str, str]) -> None:
    known = {"completed": "id of Out there"}
    found = board_options.match(options("Todo", "Doing", "Out there"), named, STATES, known)
    assert (found.option_of["completed"]["name"], found.unknown) == ("Out there", {})


def test_an_option_made_again_is_found_by_its_name() -> None:
    found = board_options.match(options("Todo", "Doing", "Done"), {}, STATES, {"completed": "old"})
    assert found.option_of["completed"]["id"] == "id of Done"


def test_priorities_and_sizes_have_usual_names_too() -> None:
    found = board_options.match(options("P0", "P1", "P2"), {}, PRIORITIES, {})
    assert {k: v["name"] for k, v in found.option_of.items()} == {
        "high": "P0",
        "medium": "P1",
        "low": "P2",
    }
    found = board_options.match(options("XS", "S", "M", "L", "XL"), {}, SIZES, {})
    assert {k: v["name"] for k, v in found.option_of.items()} == {
        "small": "S",
        "medium": "M",
        "large": "L",
    }


def test_a_name_of_signs_alone_matches_nothing() -> None:
    assert board_options.find(options("🚀", "Done"), "✅") is None
