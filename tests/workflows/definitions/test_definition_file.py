"""`.github/hubbub/workflows/NAME.yml`: what it may hold, and the words for what is wrong."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bot.kernel.yaml_file import MOST_PROBLEMS, Unreadable
from bot.workflows.definitions.definition import (
    GROUPS,
    Compensate,
    Definition,
    Gate,
    schema,
    seconds,
)
from bot.workflows.definitions.definition_file import RULES, parse
from bot.workflows.definitions.expansion import expand

DOCS = Path(__file__).parents[3] / "docs" / "reference"
PAGE = (DOCS / "workflows.md").read_text()
SCHEMA = DOCS / "workflow.schema.json"
# The page also shows other files, which have no steps.
EXAMPLES = [
    each
    for each in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    if re.search(r"^steps:$", each, re.MULTILINE)
]

WHOLE = """\
description: Build a feature
inputs:
  feature: {description: What to build, required: true}
  components: {type: list, default: [api, page]}
  tries: {type: number, default: 3}
  draft: {type: boolean, default: false}
parallel: 4
policy: {prefer: [capability, success, load, price], reserve: 2m}
steps:
  - id: design
    title: Design ${{ inputs.feature }}
    body: |
      Write down what ${{inputs.feature}} does.

      \tTabs and ${{ inputs.tries }} lines are allowed here.
    outputs: [api]
    role: developer
    capability: rust
    priority: high
    size: small
    labels: [design]
  - id: build
    each: components
    title: Build ${{ item }}
    body: Part ${{ item }} of ${{ inputs.components }}.
    needs: [design]
    retry: 2
    timeout: 2h
    on_failure: {compensate: undo}
    capability: [rust:3, sql]
  - id: approve
    title: Approve the design
    approve: maintainers
    needs: [build]
    if: label:ready
  - id: review
    title: Review
    approve: {by: agents, capability: review, quorum: 2}
  - id: undo
    title: Undo it
    body: Remove the branches.
    on_failure: continue
  - id: forecast
    title: Ask for the weather of ${{ inputs.feature }}
    tool: weather__forecast
    arguments:
      city: ${{ inputs.feature }}
      days: ${{ inputs.tries }}
      note: |
        For ${{ item }} and
        ${{ inputs.components }}
      options: {units: [metric, 3, true], deep: {deeper: {deepest: x}}}
    each: components
    outputs: [rain]
    retry: 2
"""


def problems(text: str | bytes) -> list[str]:
    try:
        parse(text.encode() if isinstance(text, str) else text)
    except Unreadable as exc:
        return list(exc.problems)
    return []


def step(*lines: str, before: str = "") -> str:
    """A file whose first step, in line 1 or below `before`, has these lines too."""
    return before + "".join(
        f"{line}\n"
        for line in ("steps:", "  - id: build", "    title: Build", *(f"    {x}" for x in lines))
    )


def test_a_whole_file_is_read() -> None:
    found = parse(WHOLE.encode())
    design, build, approve, review, undo, forecast = found.steps
    assert (found.parallel, found.policy.reserve) == (4, "2m")
    assert design.capability == ["rust"]
    assert (build.condition, build.compensation, undo.compensation) == ("success", "undo", None)
    assert build.on_failure == Compensate(compensate="undo")
    assert approve.approve == Gate(by="maintainers")
    assert approve.condition == "label:ready"
    assert review.approve == Gate(by="agents", capability=["review"], quorum=2)
    assert found.compensations == {"undo"}
    assert found.step("undo") is undo
    assert forecast.tool == "weather__forecast"
    assert forecast.arguments["options"]["units"] == ["metric", 3, True]


def test_a_definition_comes_back_from_what_is_stored() -> None:
    found = parse(WHOLE.encode())
    stored = json.dumps(found.model_dump(mode="json", exclude_defaults=True))
    assert Definition.model_validate_json(stored) == found
    assert Definition.model_validate(json.loads(stored)) == found


@pytest.mark.parametrize(("text", "s"), [("30m", 1800), ("2h", 7200), ("1d", 86_400)])
def test_a_duration_has_minutes_hours_or_days(text: str, s: int) -> None:
    assert seconds(text) == s


OTHER = "  - {id: b, title: B, body: x, needs: [build]}\n"
WRONG: dict[str, tuple[str, str]] = {
    "no steps": ("description: x", "line 1: steps: is missing"),
    "an unknown key": (
        "step: []\nsteps: [{id: a, title: A, body: x}]",
        "line 1: step: is unknown; use description, inputs, schedule, parallel, policy, steps",
    ),
    "an unknown key of a step": (
        step("body: x", "depends_on: [a]"),
        (
            "line 5: steps.build.depends_on: is unknown; use id, title, body, needs, if, each, "
            "approve, tool, arguments, outputs, role, capability, agent, template, priority, "
            "size, labels, retry, timeout, on_failure"
        ),
    ),
    "Python's name of a key": (
        step("body: x", "condition: always"),
        (
            "line 5: steps.build.condition: is unknown; use id, title, body, needs, if, each, "
            "approve, tool, arguments, outputs, role, capability, agent, template, priority, "
            "size, labels, retry, timeout, on_failure"
        ),
    ),
    "two steps with one id": (
        step("body: x") + "  - {title: B, body: x, id: build}\n",
        "line 5: steps.build.id: is the id of an earlier step too: build",
    ),
    "an id that a task of another step has": (
        step("body: x", "each: parts", before="inputs: {parts: {type: list}}\n")
        + "  - {id: build-2, title: B, body: x}\n",
        "line 7: steps.build-2.id: is also the name of a task of step build",
    ),
    "an id in capitals": (
        "steps:\n - id: Build\n   title: B\n   body: x",
        (
            "line 2: steps.Build.id: must have at most 40 lower-case letters, digits and "
            "hyphens, a letter first"
        ),
    ),
    "needs that do not exist": (
        step("body: x", "needs:", "  - desing"),
        "line 6: steps.build.needs.0: names no step: desing; the steps are build",
    ),
    "needs twice": (
        step("body: x") + "  - {id: b, title: B, body: x, needs: [build, build]}\n",
        "line 5: steps.b.needs: names build twice",
    ),
    "a step that needs itself": (
        step("body: x", "needs: [build]"),
        "line 5: steps.build.needs: is a circle: build needs build",
    ),
    "a circle": (
        step("body: x", "needs: [b]") + OTHER,
        "line 5: steps.build.needs: is a circle: build needs b, b needs build",
    ),
    "a step without a body": (step(), "line 2: steps.build: has no body; say what to do"),
    "a step with an empty body": (
        step("body: ' '"),
        "line 2: steps.build: has no body; say what to do",
    ),
    "an unknown capability": (
        step("body: x", "capability: [rust, Web Design]"),
        (
            "line 5: steps.build.capability.1: must be a slug of lower-case letters, digits and "
            "+.#-, with an optional level from 1 to 5, for example python or python:3"
        ),
    ),
    "each over an unknown input": (
        step("body: x", "each: parts"),
        "line 5: steps.build.each: names no input; the inputs are none",
    ),
    "each over a text": (
        step("body: x", "each: part", before="inputs:\n  part: {}\n"),
        "line 7: steps.build.each: needs an input with type: list; part is a text",
    ),
    "a gate with a key of an agent": (
        step("approve: writers", "retry: 2"),
        "line 5: steps.build.retry: is not for a gate, because nobody works on it",
    ),
    "a gate for nobody": (
        step("approve: everybody"),
        (
            "line 4: steps.build.approve.by: must be maintainers, writers, agents or a list of "
            "GitHub logins"
        ),
    ),
    "a gate for no login": (
        step("approve: []"),
        (
            "line 4: steps.build.approve.by: must be maintainers, writers, agents or a list of "
            "GitHub logins"
        ),
    ),
    "people with a capability": (
        step("approve:", "  by: writers", "  capability: review"),
        "line 6: steps.build.approve.capability: is only for by: agents",
    ),
    "a quorum that nobody reaches": (
        step("approve: {by: [octocat], quorum: 2}"),
        "line 4: steps.build.approve.quorum: is more than the 1 who may approve",
    ),
    "a compensation that does not exist": (
        step("body: x", "on_failure:", "  compensate: undo"),
        "line 6: steps.build.on_failure.compensate: names no step: undo; the steps are build",
    ),
    "a compensation with needs": (
        step("body: x", "on_failure: {compensate: b}") + OTHER,
        "line 6: steps.b.needs: is not for a step that compensates; it runs after the failure",
    ),
    "a compensation that is compensated": (
        step("body: x", "on_failure: {compensate: b}")
        + "  - {id: b, title: B, body: x, on_failure: {compensate: c}}\n"
        + "  - {id: c, title: C, body: x}\n",
        "line 6: steps.b.on_failure: cannot compensate a step that compensates itself",
    ),
    "a step that needs a compensation": (
        step("body: x", "on_failure: {compensate: b}", "needs: [b]")
        + "  - {id: b, title: B, body: x}\n",
        "line 6: steps.build.needs.0: names b, which runs only after a failure",
    ),
    "another word for a failure": (
        step("body: x", "on_failure: retry"),
        (
            "line 5: steps.build.on_failure: must be stop, continue or, with the id of a step, "
            "{compensate: undo}"
        ),
    ),
    "an agent and a template": (
        step("body: x", "agent: scout", "template: fixer"),
        "line 6: steps.build.template: cannot stand with agent; use one of them",
    ),
    "a condition that is an expression": (
        step("body: x", "if: inputs.a == 1"),
        "line 5: steps.build.if: must be success, failure, always or label:NAME",
    ),
    # One voter is one vote, so this gate could never be passed.
    "a login that differs only in case": (
        step("approve: {by: [Mona, mona], quorum: 1}"),
        "line 4: steps.build.approve.by: names mona twice",
    ),
    "a label that differs only in case": (
        step("body: x", "labels: [Bug, bug]"),
        "line 5: steps.build.labels: names bug twice",
    ),
    # GitHub would refuse some of the relations, and each start.
    "a step that too many others need": (
        step("body: x")
        + "".join(f"  - {{id: s{n}, title: S, body: x, needs: [build]}}\n" for n in range(51)),
        (
            "line 2: steps.build.id: is needed by 51 steps, and GitHub lets an issue block 50; "
            "put a step between"
        ),
    ),
    "a time-out without a unit": (
        step("body: x", "timeout: 90"),
        "line 5: steps.build.timeout: must be minutes, hours or days, for example 30m, 2h or 1d",
    ),
    "a time-out of a year": (
        step("body: x", "timeout: 365d"),
        "line 5: steps.build.timeout: must be at most 90d",
    ),
    "too many attempts": (
        step("body: x", "retry: 11"),
        "line 5: steps.build.retry: must be at most 10",
    ),
    "an unknown input in a title": (
        "steps:\n  - id: build\n    title: Build ${{ inputs.part }}\n    body: x\n",
        "line 3: steps.build.title: ${{ inputs.part }} names no input; the inputs are none",
    ),
    "an expression in a body, in its own line": (
        step("body: |", "  Do", "  it for ${{ github.actor }}"),
        (
            "line 6: steps.build.body: ${{ github.actor }} is unknown; here may stand no "
            "reference: it has no inputs"
        ),
    ),
    "an unknown reference, with inputs and each": (
        step(
            "body: ${{ item.name }}",
            "each: parts",
            before="inputs: {parts: {type: list}}\n",
        ),
        (
            "line 5: steps.build.body: ${{ item.name }} is unknown; here may stand "
            "${{ inputs.NAME }} or ${{ item }}"
        ),
    ),
    "an unknown reference in an argument": (
        step("tool: a__b", "arguments: {x: '${{ steps.a.result }}'}"),
        (
            "line 5: steps.build.arguments.x: ${{ steps.a.result }} is unknown; here may stand "
            "${{ steps.ID.outputs.NAME }} of a step that this one needs"
        ),
    ),
    "an output in a body": (
        step("body: Use ${{ steps.a.outputs.b }}"),
        (
            "line 4: steps.build.body: ${{ steps.a.outputs.b }} is only for arguments; whoever "
            "does the step reads the outputs of those before it"
        ),
    ),
    "a default that is no JSON": (
        step("tool: a__b", "arguments: {x: '${{ steps.a.outputs.b || none }}'}"),
        (
            "line 5: steps.build.arguments.x: ${{ steps.a.outputs.b || none }} is not right: what "
            "follows || is JSON: a text in quotes, a number, true, false, null, a list or an object"
        ),
    ),
    "a default of an input": (
        step("body: ${{ inputs.part || 'x' }}", before="inputs: {part: {}}\n"),
        (
            "line 5: steps.build.body: ${{ inputs.part || 'x' }} takes no ||; give the input a "
            "default"
        ),
    ),
    "an item without each": (
        step("body: ${{ item }}"),
        "line 4: steps.build.body: ${{ item }} needs each in this step",
    ),
    "a reference that does not end": (
        step("body: ${{ item"),
        "line 4: steps.build.body: has ${{ without }} after it",
    ),
    "a reference in a label": (
        step("body: x", "labels:", "  - ${{ item }}"),
        "line 5: steps.build.labels: takes no ${{ }}",
    ),
    "an unknown role": (
        step("body: x", "role: boss"),
        "line 5: steps.build.role: must be 'observer', 'tester', 'developer' or 'tech-lead'",
    ),
    "a default of another type": (
        step("body: x", before="inputs:\n  a: {type: number, default: many}\n"),
        "line 2: inputs.a.default: must be a number",
    ),
    "a default of no type": (
        step("body: x", before="inputs:\n  a: {default: {b: c}}\n"),
        (
            "line 2: inputs.a.default: must be a text, a number, true, false or a list of "
            "texts; put a text in quotes"
        ),
    ),
    "an unneeded input without a default": (
        step("body: x", before="inputs:\n  a: {required: false}\n"),
        "line 2: inputs.a: needs a default, because it is not required",
    ),
    "a required input with a default": (
        step("body: x", before="inputs:\n  a: {required: true, default: b}\n"),
        "line 2: inputs.a.required: must be left out, because there is a default",
    ),
    "a schedule without a default": (
        step("body: x", before="inputs:\n  a: {}\nschedule: 0 6 * * 1\n"),
        "line 3: schedule: needs a default for each input; without: a",
    ),
    "a schedule that is none": (
        step("body: x", before="schedule: daily\n"),
        "line 1: schedule: must have five fields, as in `0 6 * * 1-5`",
    ),
    "no step is open at a time": (
        step("body: x", before="parallel: 0\n"),
        "line 1: parallel: must be at least 1",
    ),
    "a step that is a text": ("steps:\n  - build\n", "line 2: steps.0: must have keys below it"),
    "an alias": (
        step("body: &x y"),
        "line 4: steps.0.body: has an anchor or alias; write the value itself",
    ),
    "a duplicate key": (
        step("body: x", "body: y"),
        "line 5: steps.0.body: is a duplicate key; it is first in line 4",
    ),
    "a control character": (
        step('body: "a\\x07"'),
        "line 4: steps.0.body: has a control character",
    ),
    "10,000 steps": (
        "steps:\n" + "- {id: a,title: A}\n" * 10_000,
        "line 102: steps: must have at most 100 entries",
    ),
    "10,000 steps with texts": (
        "steps:\n" + "".join(f"- {{id: a{n},title: A,body: Do it}}\n" for n in range(10_000)),
        "the file has 348897 bytes; the limit is 262144",
    ),
    "a list in a list in a list": (
        step("body: x", f"needs: {'[' * 10}a{']' * 10}"),
        "line 5: steps.0.needs" + ".0" * 9 + ": is nested too deeply",
    ),
    "a tool with a key of an agent": (
        step("tool: weather__forecast", "role: developer"),
        "line 5: steps.build.role: is not for a step with tool, because no agent works on it",
    ),
    "an operation in place of a tool": (
        step("tool: claim_task"),
        (
            "line 4: steps.build.tool: must be a tool: SERVER__TOOL, for example "
            "linear__create_issue, or tools_REPO__NAME"
        ),
    ),
    "a gate with a tool": (
        step("approve: writers", "tool: weather__forecast"),
        "line 5: steps.build.tool: is not for a gate; let a step of its own call the tool",
    ),
    "arguments without a tool": (
        step("body: x", "arguments: {city: Turin}"),
        "line 5: steps.build.arguments: is only for a step with tool",
    ),
    "an unknown input in an argument": (
        step("tool: weather__forecast", "arguments:", "  days:", "    - ${{ inputs.day }}"),
        (
            "line 7: steps.build.arguments.days.0: ${{ inputs.day }} names no input; the inputs "
            "are none"
        ),
    ),
    "an item without each in an argument": (
        step("tool: weather__forecast", "arguments: {city: '${{ item }}'}"),
        "line 5: steps.build.arguments.city: ${{ item }} needs each in this step",
    ),
    "an output that Hubbub gives": (
        step("tool: weather__forecast", "outputs: [rain, source]"),
        "line 5: steps.build.outputs.1: Hubbub itself gives source here",
    ),
    "very long arguments": (
        step("tool: weather__forecast", f"arguments: {{city: {'x' * 20_001}}}"),
        "line 5: steps.build.arguments: has more than 20000 characters",
    ),
}


@pytest.mark.parametrize(("text", "problem"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_gets_its_line_and_reason(text: str, problem: str) -> None:
    assert problems(text) == [problem]


def test_a_file_gets_all_its_problems_in_the_order_of_its_lines() -> None:
    text = step("needs: [x]", "each: y") + "  - {id: b, title: '${{ z }}', body: x}\n"
    assert [each.split(": ")[:2] for each in problems(text)] == [
        ["line 2", "steps.build"],
        ["line 4", "steps.build.needs.0"],
        ["line 5", "steps.build.each"],
        ["line 6", "steps.b.title"],
    ]


def test_a_file_with_many_problems_gets_the_first_ones() -> None:
    text = "steps:\n" + "".join(f"- {{id: a{n}, title: A}}\n" for n in range(100))
    assert problems(text) == [
        f"line {n + 2}: steps.a{n}: has no body; say what to do" for n in range(MOST_PROBLEMS)
    ]


def test_a_long_circle_is_shortened() -> None:
    ring = "".join(
        f"- {{id: a{n}, title: A, body: x, needs: [a{(n + 1) % 100}]}}\n" for n in range(100)
    )
    (found,) = problems("steps:\n" + ring)
    assert found.startswith("line 2: steps.a0.needs: is a circle: a0 needs a1, a1 needs a2")
    assert found.endswith("a8 needs a9, 90 more, a99 needs a0")


PIECES = st.sampled_from(
    [
        *("steps:\n", "- id: a\n", "  title: A\n", "  body: x\n", "  body: |\n    y\n", "  if: "),
        *("  needs: [a]\n", "  needs: [b]\n", "- {id: b, title: B, body: z}\n", "  each: l\n"),
        *("inputs: {l: {type: list, default: [m]}}\n", "  approve: ", "always\n", "agents\n"),
        *("${{", "}}", " item ", "inputs.l", "  on_failure: {compensate: b}\n", "\x85", "'", "["),
        *("  retry: 1\n", "  timeout: 1h\n", "label:x\n", "{by: agents, quorum: 2}\n", "\t", "&x "),
    ]
)


@given(st.lists(PIECES, max_size=16).map("".join) | st.text(max_size=40))
def test_whatever_the_text_it_can_be_started_or_gets_reasons_of_one_line(text: str) -> None:
    found = problems(text)
    for each in found:
        assert each.encode().decode().splitlines() == [each]
    if not found:
        definition = parse(text.encode())
        assert expand(definition, {}) or definition.steps == []


@given(st.binary(max_size=40))
def test_whatever_the_bytes_they_are_read_or_refused(data: bytes) -> None:
    assert all(each.startswith("line ") for each in problems(data))


def test_a_file_that_is_too_long_is_not_read() -> None:
    assert problems(b"#" * (RULES.longest + 1)) == [
        f"the file has {RULES.longest + 1} bytes; the limit is {RULES.longest}"
    ]


# --- What is published ---------------------------------------------------------------------------


def test_the_schema_is_as_published() -> None:
    """After a wanted change: HUBBUB_UPDATE_SNAPSHOTS=1 pytest tests/workflows."""
    found = schema()
    if os.environ.get("HUBBUB_UPDATE_SNAPSHOTS"):
        SCHEMA.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert found == json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(found)


@pytest.mark.parametrize("example", [*EXAMPLES, WHOLE])
def test_the_examples_of_the_page_are_right_for_us_and_for_the_schema(example: str) -> None:
    parse(example.encode())
    Draft202012Validator(schema()).validate(yaml.safe_load(example))


# What only Hubbub can know stands between the keys; the schema knows the keys themselves.
OF_THE_SCHEMA = [
    each
    for each in WRONG
    if each.startswith(
        ("an unknown key", "an id in", "an unknown role", "another word", "no steps")
    )
    or each in {"a gate for nobody", "a time-out without a unit", "too many attempts"}
]


@pytest.mark.parametrize("case", OF_THE_SCHEMA)
def test_the_schema_refuses_wrong_keys_and_values(case: str) -> None:
    assert not Draft202012Validator(schema()).is_valid(yaml.safe_load(WRONG[case][0]))


def test_every_key_is_documented() -> None:
    paths = {
        (): "",
        ("policy",): "policy.",
        ("inputs", "*"): "inputs.NAME.",
        ("steps", "*"): "steps[].",
        ("steps", "*", "approve"): "steps[].approve.",
    }
    assert paths.keys() == GROUPS.keys()
    rows = [
        f"| `{paths[where]}{each.alias or name}` |"
        for where, group in GROUPS.items()
        for name, each in group.model_fields.items()
    ]
    assert [row for row in rows if row not in PAGE] == []
