"""The workflow files that come with Hubbub."""

from pathlib import Path

import pytest

from bot.errors import Refused
from bot.workflows.definitions import shipped
from bot.workflows.definitions.definition import Definition
from bot.workflows.definitions.definition_file import parse
from bot.workflows.definitions.expansion import expand

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "workflows.md"


def definition(name: str) -> Definition:
    return parse(shipped.text(name).encode())


def some_inputs(name: str) -> dict[str, object]:
    """A value for each input without a default."""
    found = {key: each for key, each in definition(name).inputs.items() if each.is_required}
    return {key: ["api", "page"] if each.type == "list" else "this" for key, each in found.items()}


def test_each_template_is_listed_and_documented() -> None:
    assert {each.stem for each in shipped.FOLDER.iterdir()} == shipped.TEMPLATES.keys()
    page = PAGE.read_text()
    assert [
        name for name, use in shipped.TEMPLATES.items() if f"| `{name}` | {use} |" not in page
    ] == []


@pytest.mark.parametrize("name", shipped.TEMPLATES)
def test_each_template_is_valid_and_can_be_started(name: str) -> None:
    steps = expand(definition(name), some_inputs(name))
    assert len({each.key for each in steps}) == len(steps)
    assert all("${{" not in f"{each.title}{each.body}" for each in steps)
    assert definition(name).description


@pytest.mark.parametrize("name", shipped.TEMPLATES)
def test_a_template_whose_input_is_missing_makes_no_steps(name: str) -> None:
    given = some_inputs(name)
    missing = next(iter(given))
    with pytest.raises(Refused, match=f"inputs: {missing} is missing: pass a ") as failed:
        expand(definition(name), {key: value for key, value in given.items() if key != missing})
    assert failed.value.details["errors"].keys() == {missing}


def test_the_feature_has_twelve_steps_and_one_gate() -> None:
    steps = definition("feature").steps
    assert len(steps) == 12
    assert [each.id for each in steps if each.approve] == ["approve"]


def test_the_refactoring_makes_one_task_for_each_part() -> None:
    steps = expand(definition("refactoring"), {"goal": "One client", "parts": ["api", "page"]})
    assert [each.title for each in steps if each.step.each] == [
        "api: One client",
        "page: One client",
    ]
    check = next(each for each in steps if each.key == "check")
    assert check.needs == ("part-1", "part-2")


def test_the_release_is_withdrawn_if_it_fails() -> None:
    assert definition("release").compensations == {"withdraw"}


def test_the_review_is_by_two_agents() -> None:
    gate = definition("review").step("review").approve
    assert gate is not None
    assert (gate.by, gate.quorum) == ("agents", 2)
