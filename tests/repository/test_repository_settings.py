"""`.github/hubbub.yml`: what it may hold, what is in force, what people are told is wrong."""

import json
import os
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bot.comments.replies import SETTINGS_ISSUE
from bot.fetch.answers.repository_settings import BATCH
from bot.identity.actors import ROLES
from bot.identity.permissions import PERMISSION_OF_ROLE, lowest_role
from bot.inbox.command_finder import VERBS
from bot.kernel.yaml_file import Unreadable
from bot.repository import repository_settings
from bot.repository.repository_settings import (
    DEFAULTS,
    ENTRIES,
    GROUPS,
    PERMISSIONS,
    Actions,
    Agents,
    Permissions,
    RepositorySettings,
    Workflow,
)
from bot.repository.run_settings import RunLimits, Template, When
from bot.repository.settings_file import PATH, parse
from bot.tasks.priorities import Priority
from bot.tasks.sizes import Size
from bot.tasks.states import STATES
from fixtures.github import Issue
from store.engine import sql
from store.fetch import pending_reads
from tests.support.story import Workspace

DOCS = Path(__file__).parents[2] / "docs" / "reference"
PAGE = (DOCS / "repository-settings.md").read_text()
SCHEMA = DOCS / "hubbub.schema.json"
KNOWN = ", ".join(Permissions.model_fields)
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


async def push(workspace: Workspace, text: str | None) -> None:
    workspace.person.push(workspace.repository, "main", {PATH: text})
    await workspace.settle()


async def read_again(workspace: Workspace) -> None:
    """As a second process would, or a backfill."""
    arguments = {"repository_id": workspace.repository.id, "committer": "octocat"}
    i, subject = workspace.installation.id, str(workspace.repository.id)
    await workspace.store.write(lambda tx: pending_reads.ask(tx, i, "settings", subject, arguments))
    await workspace.settle()


async def in_force(workspace: Workspace) -> RepositorySettings:
    here = (workspace.installation.id, workspace.repository.id)
    return await workspace.store.read(lambda tx: repository_settings.of(tx, *here))


def settings_issues(workspace: Workspace) -> list[Issue]:
    return [each for each in workspace.repository.issues.values() if each.title == SETTINGS_ISSUE]


def text(issue: Issue) -> str:
    assert issue.body is not None
    return issue.body


# --- In force ------------------------------------------------------------------------------------


async def test_without_a_file_the_defaults_are_in_force(workspace: Workspace) -> None:
    await read_again(workspace)
    assert await in_force(workspace) == DEFAULTS
    assert settings_issues(workspace) == []


async def test_a_pushed_file_is_in_force_until_it_is_removed(workspace: Workspace) -> None:
    await push(workspace, "lease_s: 120\nboard:\n  project: 4\n")
    found = await in_force(workspace)
    assert (found.lease_s, found.board and found.board.project) == (120, 4)
    await push(workspace, None)
    assert await in_force(workspace) == DEFAULTS


async def test_a_claim_lasts_as_long_as_the_repository_says_unless_the_agent_does(
    workspace: Workspace,
) -> None:
    await push(workspace, "lease_s: 120")
    agent = await workspace.agent("scout")
    for length, lasts in ({}, 120), ({"lease_s": 600}, 600):
        issue = await workspace.task()
        for arguments in ({"task": workspace.name(issue)}, {}):
            await agent.call("claim_task", **arguments, **length)
            (lease,) = await workspace.rows(
                "SELECT * FROM leases WHERE installation_id = :i AND state = 'held'"
            )
            assert lease["lease_s"] == lasts
            await agent.call("release_task", task=workspace.name(issue), fence=lease["fence"])
        workspace.person.close(issue)
        await workspace.settle()


async def test_the_task_label_makes_tasks_whatever_its_case_and_the_old_one_no_more(
    workspace: Workspace,
) -> None:
    workspace.person.open_issue(workspace.repository, "Before", labels=["Ready"])
    kept = await workspace.task("Kept")
    workspace.person.close(
        workspace.person.open_issue(workspace.repository, "Closed", labels=["Ready"])
    )
    await push(workspace, "task_label: ready")
    workspace.person.open_issue(workspace.repository, "After", labels=["Ready"])
    workspace.person.open_issue(workspace.repository, "No more", labels=["agent-task"])
    await workspace.settle()
    agent = await workspace.agent("scout")
    found = (await agent.call("list_tasks"))["tasks"]
    assert sorted(each["title"] for each in found) == ["After", "Before", kept.title]
    made = await agent.call("create_task", repository="acme/rocket", title="Made")
    await workspace.settle()
    number = (await agent.call("get_task", task=made["task"]["id"]))["task"]["number"]
    assert [each.name for each in workspace.repository.issues[number].labels] == ["Ready"]
    refused = await agent.refusal("get_task", task="acme/rocket#999")
    assert refused.message == (
        "There is no task 'acme/rocket#999' that you can see. Pass owner/repo#12 or a task's id. "
        "list_tasks lists the tasks. The label ready makes an issue a task."
    )


async def test_removing_the_file_makes_tasks_of_issues_with_the_default_label(
    workspace: Workspace,
) -> None:
    await push(workspace, "task_label: ready")
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    assert (await agent.refusal("claim_task")).code == "nothing_ready"
    await push(workspace, None)
    assert (await agent.call("claim_task"))["task"]["number"] == issue.number


async def test_more_issues_than_one_look_takes_become_tasks_all_the_same(
    workspace: Workspace,
) -> None:
    workspace.person.open_issue(workspace.repository, "The first of many", labels=["bulk"])
    await workspace.settle()
    (row,) = await workspace.rows("SELECT * FROM issues WHERE installation_id = :i")
    many = [{**row, "id": row["id"] + n, "number": row["number"] + n} for n in range(1, 2 * BATCH)]
    for each in many[1:-1]:
        each["labels"] = "[]"
    many[-2]["labels"] = '["agent-task"]'
    statement = sql.insert("issues", tuple(row))
    await workspace.store.write(lambda tx: tx.many(statement, many))
    await push(workspace, "task_label: bulk")
    tasks = "SELECT number FROM tasks WHERE installation_id = :i ORDER BY number"
    found = [each["number"] for each in await workspace.rows(tasks)]
    assert found == [row["number"], many[0]["number"], many[-1]["number"]]
    await push(workspace, None)
    more = [each["number"] for each in await workspace.rows(tasks)]
    assert more == sorted([*found, many[-2]["number"]])


async def test_a_command_takes_the_permission_that_the_repository_sets(
    workspace: Workspace,
) -> None:
    await push(workspace, "permissions:\n  claim: maintain\n  release: admin\n  status: write\n")
    issue = await workspace.task()
    people = {
        name: workspace.github.person(f"{name}-er", permissions={"acme/rocket": name})
        for name in ("triage", "write", "maintain", "admin")
    }
    said: list[str] = []
    for who, command in (
        ("write", "/claim"),
        ("maintain", "/claim"),
        ("maintain", "/release"),
        ("admin", "/release"),
        ("triage", "/status"),
        ("write", "/status"),
    ):
        before = len(issue.comments)
        comment = people[who].comment(issue, command)
        await workspace.settle()
        reaction = " ".join(each.content for each in comment.reactions)
        why = [
            reason
            for each in issue.comments[before + 1 :]
            for reason in re.findall(r"Hubbub did not run `.*`: (.*)", each.body)
        ]
        said.append(" ".join([who, command, reaction, *why]))
    tail = "on this repository, and you have"
    grant = "Somebody with the permission admin can give you more."
    assert said == [
        f"write /claim confused you need the permission maintain {tail} write. {grant}",
        "maintain /claim +1",
        f"maintain /release confused you need the permission admin {tail} maintain. {grant}",
        "admin /release +1",
        f"triage /status confused you need the permission write {tail} triage. {grant}",
        "write /status +1",
    ]


async def test_help_tells_the_permissions_in_force(workspace: Workspace) -> None:
    await push(workspace, "permissions:\n  cancel: admin\n")
    issue = await workspace.task()
    writer = workspace.github.person("writer", permissions={"acme/rocket": "write"})
    writer.comment(issue, "/help\n/help cancel\n/help hold")
    await workspace.settle()
    listed, *explained = issue.comments[-1].body.split("\n\n`/")
    allowed = re.findall(r"^\| `/(\w+).*`", listed, re.MULTILINE)
    assert "hold" in allowed
    assert "cancel" not in allowed
    needed = [re.findall(r"needs the permission (\w+)", each) for each in explained]
    assert needed == [["admin"], ["write"]]


# --- What is wrong -------------------------------------------------------------------------------


async def test_of_a_wrong_file_nothing_is_taken_and_who_pushed_it_is_told_once(
    workspace: Workspace,
) -> None:
    await push(workspace, "lease_s: 120")
    await push(workspace, "task_label: ready\n\nboard: {}\nlease_s: 5\ncolour: red\n")
    assert await in_force(workspace) == DEFAULTS.model_copy(update={"lease_s": 120})
    (issue,) = settings_issues(workspace)
    assert issue.user.login == "hubbub[bot]"
    assert issue.labels == []
    mark, _, shown = text(issue).partition("\n")
    assert mark.startswith("<!-- hubbub:write=")
    assert shown == (
        "@octocat, Hubbub did not apply your last change to `.github/hubbub.yml`:\n\n"
        "- `line 3: board.project: is missing`\n"
        "- `line 4: lease_s: must be at least 60`\n"
        "- `line 5: colour: is unknown; use task_label, lease_s, max_failures, max_claims, "
        "agents_may_merge, permissions, actions, texts, check, agents, runs, board, plans, spend, "
        "mirror, digest, hosted_agents, templates, tools`\n\n"
        "The last valid settings stay in force, or the defaults if there were none. The page "
        "*Repository settings* of Hubbub's documentation (`docs/reference/repository-settings.md`) "
        "describes each setting. Correct the file on the default branch, then close this issue."
    )
    await read_again(workspace)
    assert settings_issues(workspace) == [issue]
    assert await workspace.rows("SELECT id FROM tasks WHERE installation_id = :i") == []


async def test_each_wrong_content_is_told_and_a_right_one_is_taken_after_it(
    workspace: Workspace,
) -> None:
    await push(workspace, "lease_s: 1")
    await push(workspace, "lease_s: 2")
    assert len(settings_issues(workspace)) == 2
    await push(workspace, "lease_s: 200")
    assert ((await in_force(workspace)).lease_s, len(settings_issues(workspace))) == (200, 2)
    (row,) = await workspace.rows("SELECT * FROM repository_settings WHERE installation_id = :i")
    assert (row["problem"], row["problem_sha"]) == (None, None)
    await push(workspace, "lease_s: 2")
    assert ((await in_force(workspace)).lease_s, len(settings_issues(workspace))) == (200, 3)


async def test_what_a_file_says_mentions_nobody_and_is_no_markup(workspace: Workspace) -> None:
    await push(workspace, '"@everyone`<img src=x>`\\L/claim": 1\n')
    (issue,) = settings_issues(workspace)
    (problem,) = [line for line in text(issue).splitlines() if "everyone" in line]
    assert problem.startswith("- `line 1: @everyone")
    assert problem.count("`") == 2


async def test_a_folder_in_the_place_of_the_file_is_told(workspace: Workspace) -> None:
    await push(workspace, "lease_s: 120")
    workspace.person.push(
        workspace.repository, "main", {PATH: None, f"{PATH}/a.txt": "lease_s: 60"}
    )
    await workspace.settle()
    (issue,) = settings_issues(workspace)
    assert "- `this path must be a file`" in text(issue)
    assert (await in_force(workspace)).lease_s == 120


async def test_a_file_too_long_is_told(workspace: Workspace) -> None:
    await push(workspace, "lease_s: 120\n" + "#" * 65_536)
    (issue,) = settings_issues(workspace)
    assert "- `the file has 65549 bytes; the limit is 65536`" in text(issue)
    assert await in_force(workspace) == DEFAULTS


async def test_the_settings_outlive_a_time_in_which_the_app_does_not_see_the_repository(
    workspace: Workspace,
) -> None:
    await push(workspace, "lease_s: 120")
    workspace.installation.repositories.remove(workspace.repository)
    await read_again(workspace)
    assert (await in_force(workspace)).lease_s == 120


WORKFLOW = b"actions:\n  workflows:\n    - path: .github/workflows/a.yml\n"
LIMITS = ", ".join(RunLimits.model_fields)
NO_NAME = "must have lower-case letters, digits and hyphens, a letter first"
TEMPLATE = b"templates:\n  fixer:\n    workflow: agent.yml\n"
CALL = b"tools:\n  triage:\n    description: Hm\n    steps:\n      - id: a\n        call: a__b\n"
NO_REF = "must be a branch or tag with its prefix, for example refs/heads/main or refs/tags/v1"
WRONG: dict[str, tuple[bytes, str]] = {
    "nothing": (b"null", "line 1: must be keys with values, for example `lease_s: 900`"),
    "a list": (b"# Hm\n- a\n", "line 2: must be keys with values, for example `lease_s: 900`"),
    "a text": (b"hello", "line 1: must be keys with values, for example `lease_s: 900`"),
    "a short lease": (b"\n\n\nlease_s: 59", "line 4: lease_s: must be at least 60"),
    "a long lease": (b"lease_s: 86401", "line 1: lease_s: must be at most 86400"),
    "a fraction": (b"lease_s: 60.5", "line 1: lease_s: must be a whole number"),
    "a time": (b"lease_s: 15:00", "line 1: lease_s: must be a whole number"),
    "a quoted number": (b'lease_s: "60"', "line 1: lease_s: must be a whole number"),
    "endless digits": (b"lease_s: " + b"9" * 60_000, "line 1: lease_s: must be a whole number"),
    "a truth for a number": (b"lease_s: true", "line 1: lease_s: must be a whole number"),
    "yes": (b"agents_may_merge: yes", "line 1: agents_may_merge: must be true or false"),
    "a number for a text": (
        b"task_label: 2026",
        "line 1: task_label: must be a text; put it in quotes",
    ),
    "a list for a text": (
        b"task_label:\n  - a",
        "line 1: task_label: must be a text; put it in quotes",
    ),
    "an empty text": (b'task_label: ""', "line 1: task_label: must not be empty"),
    "a long text": (
        b"task_label: " + b"x" * 51,
        "line 1: task_label: must have at most 50 characters",
    ),
    "spaces around": (
        b'task_label: " a"',
        "line 1: task_label: must be one line that does not begin or end with a space",
    ),
    "two lines": (
        b'task_label: "a\\nb"',
        "line 1: task_label: has a control character",
    ),
    "a text for keys": (b"board: 4", "line 1: board: must have keys below it"),
    "no project": (b"\nboard:\n  field: X", "line 2: board.project: is missing"),
    "no such project": (b"board:\n  project: 0", "line 2: board.project: must be at least 1"),
    "a claim by everybody": (
        b"permissions:\n  claim: read",
        "line 2: permissions.claim: must be 'write', 'maintain' or 'admin'",
    ),
    "a role below that of the table": (
        b"agents:\n  claim_task: tester",
        "line 2: agents.claim_task: must be 'developer', 'tech-lead' or 'nobody'",
    ),
    "a role for what only reads": (
        b"agents:\n  get_task: tech-lead",
        f"line 2: agents.get_task: is unknown; use {', '.join(Agents.model_fields)}",
    ),
    "an unknown key": (
        b"permissions: {}\nlease: 1",
        f"line 2: lease: is unknown; use {', '.join(RepositorySettings.model_fields)}",
    ),
    "an unknown key within": (
        b"permissions:\n  fly: write",
        f"line 2: permissions.fly: is unknown; use {KNOWN}",
    ),
    "an unknown key of an entry": (
        WORKFLOW + b"      ref: main",
        "line 4: actions.workflows.0.ref: is unknown; use path, refs, events, role, agent",
    ),
    "a text for a list": (
        b"actions:\n  workflows: agent.yml",
        "line 2: actions.workflows: must be a list",
    ),
    "a branch without its prefix": (
        WORKFLOW + b"      refs: [main]",
        f"line 4: actions.workflows.0.refs.0: {NO_REF}",
    ),
    "the ref of a pull request": (
        WORKFLOW + b"      refs: [refs/pull/1/merge]",
        f"line 4: actions.workflows.0.refs.0: {NO_REF}",
    ),
    "a template without a workflow": (
        b"templates:\n  fixer:\n    role: tester",
        "line 2: templates.fixer.workflow: is missing",
    ),
    "a name of a template with spaces": (
        b"runs: {}\ntemplates:\n  My Fixer: {workflow: a.yml}",
        f"line 3: templates.My Fixer: {NO_NAME}",
    ),
    "an unknown key of a template": (
        TEMPLATE + b"    colour: red",
        f"line 4: templates.fixer.colour: is unknown; use {', '.join(Template.model_fields)}",
    ),
    "an unknown key of a template's limits": (
        TEMPLATE + b"    limits:\n      hours: 1",
        f"line 5: templates.fixer.limits.hours: is unknown; use {LIMITS}",
    ),
    "an unknown key of a rule": (
        TEMPLATE + b"    when:\n      - {model: a}\n      - {model: b, color: red}",
        "line 6: templates.fixer.when.1.color: is unknown; use model, size, priority, label",
    ),
    "an input that Hubbub passes itself": (
        TEMPLATE + b"    inputs:\n      task: x",
        "line 5: templates.fixer.inputs.task: is an input that Hubbub passes itself",
    ),
    "a number for an input": (
        TEMPLATE + b"    inputs:\n      depth: 3",
        "line 5: templates.fixer.inputs.depth: must be a text; put it in quotes",
    ),
    "a schedule with seconds": (
        TEMPLATE + b'    schedule: "0 0 6 * * 1"',
        "line 4: templates.fixer.schedule: must have five fields, as in `0 6 * * 1-5`",
    ),
    "a schedule that never comes": (
        TEMPLATE + b'    schedule: "0 6 30 2 *"',
        "line 4: templates.fixer.schedule: must be times that cron knows, as in `0 6 * * 1-5`",
    ),
    "more minutes than GitHub gives a job": (
        TEMPLATE + b"    limits:\n      minutes: 361",
        "line 5: templates.fixer.limits.minutes: must be at most 360",
    ),
    "a text for a template": (
        b"templates:\n  fixer: agent.yml",
        "line 2: templates.fixer: must have keys below it",
    ),
    "a tool without steps": (
        b"tools:\n  triage: {description: Hm}",
        "line 2: tools.triage.steps: is missing",
    ),
    "an unknown key of a step": (
        CALL + b"        then: b",
        "line 7: tools.triage.steps.0.then: is unknown; use id, call, with, if, needs, on_failure",
    ),
    "a value of a step that is not there": (
        CALL + b'        with: {text: "${{ steps.b.result }}"}',
        "line 7: tools.triage.steps.0.with.text: steps.b.result names no step; the steps are a",
    ),
    "a text for templates": (b"templates: fixer", "line 1: templates: must have keys below it"),
    "an unknown state": (
        b"board:\n  project: 1\n  statuses:\n    done: X",
        f"line 4: board.statuses.done: is unknown; use {', '.join(STATES)}",
    ),
    "a key twice": (
        b"lease_s: 60\nlease_s: 61",
        "line 2: lease_s: is a duplicate key; it is first in line 1",
    ),
    "no value": (
        b"# Hm\nlease_s:\n",
        "line 2: lease_s: has no value; remove the key to use its default",
    ),
    "a key that is a list": (b"? [a]\n: 1", "line 1: has a key that is not a text"),
    "a tab": (b"board:\n\tproject: 4", "line 2: is indented with a tab; use spaces"),
    "no YAML": (b"a: [1\nb: }", "line 2: is not valid YAML: expected ',' or ']', but got ':'"),
    "two documents": (
        b"lease_s: 60\n---\nlease_s: 61",
        "line 2: begins a second document; write only one",
    ),
    "an alias": (
        b"a: &a [x]\nb: *a",
        "line 1: a: has an anchor or alias; write the value itself",
    ),
    "a tag": (
        b"lease_s: !!int 60",
        "line 1: lease_s: has the tag 'tag:yaml.org,2002:int'; remove it",
    ),
    "an object": (
        b"\ntask_label: !!python/object:os.X {}",
        "line 2: task_label: has the tag 'tag:yaml.org,2002:python/object:os.X'; remove it",
    ),
    "bytes": (b"a: 1\nb: \x00", "line 2: has a character that YAML does not allow: U+0000"),
    "Latin 1": (b"# ok\ntask_label: caf\xe9", "line 2: is not UTF-8"),
    "no character": (
        b'a: 1\nb: "\\UFFFFFFFF"',
        "line 2: is not valid YAML: an escape is not a character",
    ),
    "half a character": (b'task_label: "\\ud83d"', "line 1: task_label: has a control character"),
    "UTF-16": ("lease_s: 60".encode("utf-16"), "line 1: is not UTF-8"),
    "65 KB": (b"#" * 66_560, "the file has 66560 bytes; the limit is 65536"),
    "depth": (b"[" * 65_536, f"line 1: {'.'.join('0' * 13)}: is nested too deeply"),
    "breadth": (
        b"".join(b"k%d: 1\n" % n for n in range(6000)),
        "line 500: k499: is beyond the limit of 1000 entries",
    ),
}


# Pieces of which hostile YAML is made.
PIECES = st.sampled_from(
    [
        *"[]{},:-?&*!|>'\"%@`#\\ \n\t\r6\x85\u2028\ufeff",
        *("a: ", "lease_s: ", "\n  ", "---", "...", "!!", "<<: ", "%YAML 1.1\n", "%TAG ! x\n"),
        *("\\UFFFFFFFF", "\\ud800", "\\x0"),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=30))
def test_whatever_the_text_it_is_read_or_gets_reasons_of_one_line(text: str) -> None:
    for each in reasons(text.encode()):
        assert each.encode().decode().splitlines() == [each]


def reasons(data: bytes) -> tuple[str, ...]:
    try:
        parse(data)
    except Unreadable as exc:
        return exc.problems
    return ()


@pytest.mark.parametrize(("data", "problem"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_gets_its_line_and_reason(data: bytes, problem: str) -> None:
    with pytest.raises(Unreadable) as failed:
        parse(data)
    assert failed.value.problems == (problem,)


def test_every_problem_is_named_in_the_order_of_the_lines() -> None:
    with pytest.raises(Unreadable) as failed:
        parse(b"permissions:\n  fly: write\nlease_s: 5\ntask_label: 7\n")
    assert [each.split(":")[0] for each in failed.value.problems] == ["line 2", "line 3", "line 4"]


AGENT = Workflow(path=".github/workflows/a.yml", refs=["refs/tags/v1"], role="tester")
FIXER = Template(
    workflow="agent.yml",
    when=[When(model="large-1", priority="high"), When(model="small-1")],
    prompt="Two\nlines.\n",
    schedule="*/5 * * * *",
)
RIGHT: dict[str, tuple[bytes, dict[str, Any]]] = {
    "a mapping of names to groups": (
        TEMPLATE + b"    when: [{priority: high, model: large-1}, {model: small-1}]\n"
        b'    prompt: |\n      Two\n      lines.\n    schedule: "*/5 * * * *"',
        {"templates": {"fixer": FIXER}},
    ),
    "a list of groups": (
        WORKFLOW + b"      refs:\n        - refs/tags/v1\n      role: tester",
        {"actions": Actions(workflows=[AGENT])},
    ),
    "nothing": (b"", {}),
    "only a comment": (b"# later\n", {}),
    "an empty document": (b"---\n", {}),
    "no keys": (b"{}", {}),
    "a byte order mark": (b"\xef\xbb\xbflease_s: 60", {"lease_s": 60}),
    "Windows' lines": (b"lease_s: 60\r\ntask_label: a\r\n", {"lease_s": 60, "task_label": "a"}),
    "a quoted number": (b'task_label: "2026"', {"task_label": "2026"}),
    "a word of YAML's": (b"task_label: on", {"task_label": "on"}),
    "any script": ("task_label: für Roboter 🤖".encode(), {"task_label": "für Roboter 🤖"}),
    "JSON": (
        b'{"lease_s": 60, "agents_may_merge": true}',
        {"lease_s": 60, "agents_may_merge": True},
    ),
}


@pytest.mark.parametrize(("data", "changes"), RIGHT.values(), ids=RIGHT)
def test_a_right_file_is_read(data: bytes, changes: dict[str, Any]) -> None:
    assert parse(data) == DEFAULTS.model_copy(update=changes)


# --- What is published ---------------------------------------------------------------------------


def test_the_schema_is_as_published() -> None:
    """After a wanted change: HUBBUB_UPDATE_SNAPSHOTS=1 pytest tests/repository."""
    found = repository_settings.schema()
    if os.environ.get("HUBBUB_UPDATE_SNAPSHOTS"):
        SCHEMA.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert found == json.loads(SCHEMA.read_text())


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_page_are_right_for_us_and_for_the_schema(example: str) -> None:
    parse(example.encode())
    Draft202012Validator(repository_settings.schema()).validate(yaml.safe_load(example))


def test_the_first_example_is_complete_and_shows_the_defaults() -> None:
    shown = parse(EXAMPLES[0].encode())
    without: dict[str, Any] = {
        "board": None,
        "spend": None,
        "digest": None,
        "hosted_agents": {},
        "templates": {},
        "tools": {},
    }
    assert shown.model_copy(update=without) == DEFAULTS
    (template,) = shown.templates.values()
    assert template.limits == RunLimits(tokens=2_000_000, cost="5.00", parallel=2)
    given = yaml.safe_load(EXAMPLES[0])
    for where, group in GROUPS.items():
        at = given
        for key in where:
            at = at[key]
        assert list(at) == list(group.model_fields)


def shown_path(where: tuple[str, ...]) -> str:
    """`actions.workflows[]` for a list of groups, `templates.NAME` for a mapping."""
    path = ".".join(where).replace("templates.*", "templates.NAME")
    path = path.replace("tools.*", "tools.NAME").replace("arguments.*", "arguments.NAME")
    return path.replace(".*", "[]")


def test_every_key_is_documented() -> None:
    names = {
        ".".join((*where, key)) for where, group in GROUPS.items() for key in group.model_fields
    }
    rows = {
        f"| `{name.removeprefix('permissions.').removeprefix('agents.')}` |"
        for name in names
        if not {"statuses", "priorities", "sizes"} & {*name.split(".")[1:-1]}
    }
    rows |= {
        f"| `{shown_path(where)}.{field.alias or key}` |"
        for where, entry in ENTRIES.items()
        for key, field in entry.model_fields.items()
    }
    assert [row for row in sorted(rows) if row not in PAGE] == []


def test_the_states_and_commands_are_those_there_are() -> None:
    assert get_args(When.model_fields["size"].annotation)[0] == Size
    assert get_args(When.model_fields["priority"].annotation)[0] == Priority
    assert tuple(GROUPS["board", "statuses"].model_fields) == STATES
    assert Permissions.model_fields.keys() == VERBS.keys()


@pytest.mark.parametrize("verb", VERBS)
def test_a_command_takes_by_default_the_permission_that_the_permission_table_asks_for(
    verb: str,
) -> None:
    role = lowest_role(VERBS[verb][0].name, person=True)
    assert DEFAULTS.permissions.permission_for(verb) == PERMISSION_OF_ROLE[role]


@pytest.mark.parametrize("verb", VERBS)
def test_no_repository_can_open_a_command_to_a_lower_permission(verb: str) -> None:
    least = DEFAULTS.permissions.permission_for(verb)
    for permission in PERMISSIONS[: PERMISSIONS.index(least)]:
        with pytest.raises(Unreadable, match=f"permissions.{verb}: must be "):
            parse(f"permissions:\n  {verb}: {permission}".encode())


@pytest.mark.parametrize("operation", Agents.model_fields)
def test_no_repository_can_open_an_operation_to_a_lower_role(operation: str) -> None:
    least = lowest_role(operation)
    for role in ROLES[: ROLES.index(least)]:
        with pytest.raises(Unreadable, match=f"agents.{operation}: must be "):
            parse(f"agents:\n  {operation}: {role}".encode())


def test_settings_that_an_older_version_allowed_have_the_default_where_they_are_too_low() -> None:
    stored = '{"lease_s": 60, "permissions": {"claim": "triage", "hold": "admin"}}'
    found = repository_settings.parse(stored)
    assert found.model_dump(exclude_defaults=True) == {
        "lease_s": 60,
        "permissions": {"hold": "admin"},
    }


# A gate says itself who may decide it, and so does the check of a plan.
DECIDED_ELSEWHERE = {"approve", "reject"}


@pytest.mark.parametrize(
    "verb",
    [each for each in VERBS if not VERBS[each][0].reads_only and each not in DECIDED_ELSEWHERE],
)
def test_no_command_that_changes_something_can_be_given_to_everybody(verb: str) -> None:
    with pytest.raises(Unreadable):
        parse(f"permissions:\n  {verb}: read".encode())
