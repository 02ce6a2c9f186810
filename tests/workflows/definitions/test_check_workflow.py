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
async def test_unknown_keys_do_not_hide_wrong_needs(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    text = (
        "stepz: 1\nsteps:\n- {id: a, title: A, bodi: x, needs: [c]}\n"
        "- {id: b, title: B, body: x, priority: 7, needs: [a], on_failure: {compensate: d}}\n"
    )
    found = await scout.call("check_workflow", text=text)
    where = [each.split(": ")[:2] for each in found["problems"]]
    assert where == [
        ["line 1", "stepz"],
        ["line 3", "steps.a.bodi"],
        ["line 3", "steps.a.needs.0"],
        ["line 4", "steps.b.on_failure.compensate"],
        ["line 4", "steps.b.priority"],
    ]


@ON_SQLITE
async def test_a_text_that_is_too_long_is_refused(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    found = await scout.refusal("check_workflow", text="x" * (definition_file.RULES.longest + 1))
    assert found.code == "invalid_arguments"
