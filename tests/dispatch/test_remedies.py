"""A refusal names only what its reader may do: operations of its role, commands for people."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bot.errors import Refused
from bot.inbox.command_finder import VERBS
from bot.operations import OPERATIONS
from store.tables.agents import Role
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

BOT = Path(__file__).parents[2] / "bot"
NAMES = re.compile(rf"\b({'|'.join(OPERATIONS)})\b")
FOR_LEADS = {name for name, each in OPERATIONS.items() if each.role == "tech-lead"}
COMMANDS = re.compile(rf"(?<![\w/.])/({'|'.join(VERBS)})\b")
# Notices of the kind `stuck` go to tech-leads only.
ONLY_FOR_LEADS = {
    ("bot/messages/notice_sources.py", "change_task"),
    # What people who are tech-leads may change.
    ("bot/insights/agents.py", "change_task"),
    # Only people read these: an operation of theirs names another one, or something needs a person.
    ("bot/attention/wording.py", "manage_agent_endpoint"),
    ("bot/attention/wording.py", "manage_plugin"),
    ("bot/attention/wording.py", "manage_tracker"),
    ("bot/operations/tools/managing.py", "get_tool"),
    ("bot/operations/tools/mount_views.py", "list_mounts"),
    ("bot/operations/trackers/views.py", "list_trackers"),
}
# Where people's texts are made, so that commands stand there.
FOR_PEOPLE = (
    "bot/attention/wording.py",
    "bot/comments/",
    "bot/pulls/",
    "bot/inbox/",
    "bot/insights/",
    "bot/outbox/kinds/",
)


@cache
def texts() -> list[tuple[str, str, str | None]]:
    """Each string of the code: its module, itself, and for whom `remedies.by` keeps it."""
    found = []
    for path in sorted(BOT.rglob("*.py")):
        tree = ast.parse(path.read_text())
        audience = {
            id(part): keyword.arg
            for call in ast.walk(tree)
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "remedies.by"
            for keyword in call.keywords
            for part in ast.walk(keyword.value)
        }
        ignored = {id(part) for each in ast.walk(tree) for part in _no_text(each)}
        for each in ast.walk(tree):
            if not isinstance(each, ast.Constant) or id(each) in ignored:
                continue
            if isinstance(each.value, str):
                module = str(path.relative_to(BOT.parent))
                found.append((module, each.value, audience.get(id(each))))
    return found


def _no_text(node: ast.AST) -> Iterator[ast.AST]:
    """Docstrings, descriptions of arguments and the definitions of commands are no remedies."""
    if isinstance(node, ast.Expr):
        yield node.value
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Field", "Slash"):
        yield from ast.walk(node)


def test_an_operation_of_tech_leads_is_named_only_to_them() -> None:
    wrong = {
        (module, name)
        for module, text, audience in texts()
        for name in NAMES.findall(text)
        if name in FOR_LEADS and audience != "lead" and " " in text
    }
    assert wrong == ONLY_FOR_LEADS


def test_a_command_is_named_only_to_people() -> None:
    wrong = {
        (module, text)
        for module, text, audience in texts()
        if COMMANDS.search(text)
        and " " in text
        and audience != "person"
        and not module.startswith(FOR_PEOPLE)
    }
    assert wrong == set()


@ON_SQLITE
@pytest.mark.parametrize("role", ["observer", "tester", "developer", "tech-lead"])
async def test_what_an_agent_reads_when_it_is_refused_names_what_its_role_may_call(
    workspace: Workspace, role: Role
) -> None:
    """One task for each reason; every operation that is about a task, as far as the role goes."""
    lead, me = await workspace.agent("lead", "tech-lead"), await workspace.agent("me", role)
    await workspace.agent("chosen")
    names = [workspace.name(await workspace.task(each)) for each in ("a", "b", "c", "d", "e")]
    claimed, ended, reserved, held, by_person = names
    await lead.call("claim_task", task=claimed)
    await lead.call("change_task", task=ended, state="cancelled")
    await lead.call("assign_task", task=reserved, agent_id="chosen")
    await lead.call("change_task", task=held, hold=True)
    workspace.person.comment(workspace.repository.issues[int(by_person[-1])], "/hold")
    await workspace.settle()
    said = ""
    for task in names:
        explained = await me.call("explain_task", task=task)
        said += explained["text"] + "".join(each["remedy"] for each in explained["reasons"])
        said += await refusals(me, task)
    assert "with" in said
    named = set(NAMES.findall(said))
    assert named <= {each for each in OPERATIONS if me.actor.may(OPERATIONS[each].role)}
    assert COMMANDS.findall(said) == []
    assert ("Tech-leads: lead." in said) == (role != "tech-lead")


async def refusals(me: Agent, task: str) -> str:
    """The messages of calls about a task that are refused."""
    calls: dict[str, dict[str, Any]] = {
        "claim_task": {"task": task},
        "release_task": {"task": task, "fence": 1},
        "update_task_status": {"task": task, "fence": 1, "status": "completed"},
        "github_comment_issue": {"issue": task, "body": "Hm", "fence": 1},
        "assign_task": {"task": task, "agent_id": "nobody"},
        "get_agent": {"agent_id": "lead", "task": task},
    }
    found = []
    for name, given in calls.items():
        try:
            if me.actor.may(OPERATIONS[name].role):
                await me.call(name, **given)
        except Refused as exc:
            found.append(exc.message)
    return " ".join(found)


def test_no_text_for_people_names_an_operation() -> None:
    wrong = {
        (module, text)
        for module, text, audience in texts()
        if NAMES.search(text) and (audience == "person" or module.startswith("bot/comments/"))
    }
    assert wrong == set()
