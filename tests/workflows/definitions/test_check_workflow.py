"""`check_workflow`: what is wrong with a text, or its graph."""

from bot.workflows.definitions import definition_file, shipped
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace


@ON_SQLITE
async def test_a_valid_file_gets_its_graph(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    found = await scout.call("check_workflow", text=shipped.text("release"))
    assert (found["valid"], found["problems"]) == (True, [])
    assert found["inputs"] == ["version"]
    assert [(each["step"], each["needs"]) for each in found["steps"]] == [
        ("check", []),
        ("notes", []),
        ("approve", ["check", "notes"]),
        ("publish", ["approve"]),
        ("announce", ["publish"]),
        ("withdraw", []),
    ]
    assert [each["step"] for each in found["steps"] if each["gate"]] == ["approve"]
    assert [each["step"] for each in found["steps"] if each["compensates"]] == ["withdraw"]


@ON_SQLITE
async def test_a_wrong_file_gets_its_problems_and_no_graph(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    text = "steps:\n- {id: a, title: A, body: x, needs: [b]}\n- {id: b, title: B, needs: [a]}\n"
    found = await scout.call("check_workflow", text=text)
    assert (found["valid"], found["steps"]) == (False, [])
    assert found["problems"] == [
        "line 2: steps.a.needs: is a circle: a needs b, b needs a",
        "line 3: steps.b: has no body; say what to do",
    ]


@ON_SQLITE
async def test_a_text_that_is_too_long_is_refused(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    found = await scout.refusal("check_workflow", text="x" * (definition_file.RULES.longest + 1))
    assert found.code == "invalid_arguments"
