"""The permission table, held against real calls: each action, each role, each condition."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from bot.errors import Refused
from bot.identity.actors import ROLES, Actor
from bot.identity.permissions import CONDITIONS, RULES, Condition, is_for_people, lowest_role
from bot.operations import OPERATIONS
from store.tables.agents import Role
from tests.support.database_content import changed_tables, content
from tests.support.engines import ON_SQLITE
from tests.support.permission_scenes import SCENES, Given, Scene, decide_own
from tests.support.story import Agent, Workspace

BOT = Path(__file__).parents[2] / "bot"
# What the caller may not know of, it is refused as unknown.
HIDDEN = {"unknown_message", "unknown_context", "unknown_attachment", "unknown_write"}
REFUSED = {"forbidden", "not_holder", "stale_fence", "own_work", "blocked", *HIDDEN}
# Nobody has an argument for what belongs to others.
WITHOUT_OTHERS = {"get_messages"}
# Without a board in the settings, a card cannot be moved, whoever asks.
OTHER_ERRORS = {
    # A gate says itself who may decide it, beyond the role that the operation needs.
    "approve_task": "forbidden",
    "github_move_card": "invalid_arguments",
    "github_create_pr": "invalid_arguments",
    "get_delivery": "unknown_delivery",
    "replay_delivery": "unknown_delivery",
    "get_plugin": "unknown_plugin",
    "manage_plugin": "unknown_plugin",
    # No server is mounted.
    "call_tool": "unknown_tool",
    "get_tool": "unknown_tool",
    "manage_tool": "unknown_tool",
}


def test_every_operation_has_its_row_and_every_row_its_operation_and_scene() -> None:
    assert {each.partition(".")[0] for each in RULES} == OPERATIONS.keys()
    assert OPERATIONS.keys() <= RULES.keys()
    assert SCENES.keys() == RULES.keys()


def conditions(action: str) -> list[Condition]:
    """Those in which the row differs."""
    rule = RULES[action]
    if rule.own == rule.same_task == rule.any:
        return ["any"]
    if action in WITHOUT_OTHERS:
        return ["own"]
    return [each for each in CONDITIONS if each == "any" or getattr(rule, each) != rule.any]


CASES = [(action, condition) for action in RULES for condition in conditions(action)]


async def set_up(workspace: Workspace, name: str, *, is_mine: bool) -> Scene:
    return Scene(
        workspace,
        name,
        await workspace.agent(f"me-{name}", "tech-lead"),
        await workspace.agent(f"other-{name}"),
        await workspace.agent("boss", "tech-lead"),
        is_mine,
    )


async def given_for(scene: Scene, action: str, condition: Condition) -> Given:
    if (action, condition) == ("github_update_issue.decide", "own"):
        return await decide_own(scene)
    return await SCENES[action](scene)


async def attempt(actor: Agent, action: str, given: Given) -> Refused | None:
    """Call the operation. What a list leaves out counts as refused."""
    operation = action.partition(".")[0]
    look = LOOKS.get(action)
    try:
        answer = await actor.call(operation, **(look[0] if look else given_of(action, given)))
    except Refused as exc:
        return exc
    if look and not any(look[1](each, given) for each in answer[look[2]]):
        return Refused("unknown_message", "It is not in the list.")
    return None


def given_of(action: str, given: Given) -> Given:
    if action == "snapshot_contexts":
        return {"name": "Before", "context_ids": [given["context_id"]]}
    return given


# Actions that are lists: the arguments, whether an entry is the one that is looked for, and where.
LOOKS: dict[str, tuple[Given, Any, str]] = {
    "get_messages.dead": (
        {"state": "dead"},
        lambda each, given: each["id"] == given["message_id"],
        "messages",
    ),
    "list_contexts": ({}, lambda each, given: each["id"] == given["context_id"], "contexts"),
    "list_contexts.snapshots": ({"snapshots": True}, lambda each, _: bool(each), "snapshots"),
}


def expected(action: str, condition: Condition, role: Role) -> bool:
    base, needed = lowest_role(action.partition(".")[0]), getattr(RULES[action], condition)
    if needed is None:
        return False
    return ROLES.index(role) >= max(ROLES.index(base), ROLES.index(needed))


@ON_SQLITE
@pytest.mark.parametrize(("action", "condition"), CASES)
async def test_each_role_may_do_what_the_table_says_and_a_refusal_changes_nothing(
    workspace: Workspace, action: str, condition: Condition
) -> None:
    await check(workspace, action, condition)


@pytest.mark.parametrize(
    ("action", "condition"),
    [("manage_agent", "any"), ("release_task", "any"), ("update_context", "any")],
)
async def test_a_sample_of_the_table_on_both_engines(
    workspace: Workspace, action: str, condition: Condition
) -> None:
    await check(workspace, action, condition)


async def check(workspace: Workspace, action: str, condition: Condition) -> None:
    scene, given, before = None, dict[str, Any](), dict[str, Any]()
    for role in ROLES:
        may = expected(action, condition, role)
        if scene is None:
            scene = await set_up(workspace, role, is_mine=condition != "any")
            given = await given_for(scene, action, condition)
            # A refusal changes nothing, so this also holds before the next one.
            before = {} if may else await content(workspace)
        actor = Actor(workspace.installation.id, scene.me.actor.name, role)
        refused = await attempt(Agent(workspace.dispatcher, actor), action, given)
        if may:
            allowed = refused is None or refused.code == OTHER_ERRORS.get(action.partition(".")[0])
            assert allowed, (role, refused and refused.message)
            scene = None
        else:
            assert refused is not None, role
            assert refused.code in REFUSED, refused.message
            assert changed_tables(before, await content(workspace)) == {}, role
            check_words(refused, action, condition, role)


def check_words(refused: Refused, action: str, condition: Condition, role: Role) -> None:
    """A refusal names the role that is missing, and who can help."""
    base, needed = lowest_role(action.partition(".")[0]), getattr(RULES[action], condition)
    missing = base if ROLES.index(role) < ROLES.index(base) else needed
    missing = None if is_for_people(action.partition(".")[0]) else missing
    if refused.code != "forbidden" and "needs" not in refused.details:
        return
    assert (refused.details["needs"], refused.details["has"]) == (missing, role)
    if missing is None:
        return
    assert missing in refused.message
    assert "administers the installation" in refused.message
    if missing == "tech-lead":
        assert re.search(r"Tech-leads: .*\bboss\b", refused.message)


# --- People --------------------------------------------------------------------------------------

FOR_PEOPLE = [action for action, rule in RULES.items() if rule.people is not None]


@ON_SQLITE
@pytest.mark.parametrize("action", FOR_PEOPLE)
async def test_people_need_no_more_than_the_role_of_their_column(
    workspace: Workspace, action: str
) -> None:
    scene = await set_up(workspace, "x", is_mine=False)
    given = await given_for(scene, action, "any")
    lowest = RULES[action].people
    assert lowest is not None
    below = ROLES[: ROLES.index(lowest)][-1:]
    for role in (*below, lowest):
        where = workspace.repository.id
        roles = {where: role}
        i = workspace.installation.id
        person = Agent(
            workspace.dispatcher, Actor(i, "@helper", role, frozenset(roles), roles=roles)
        )
        before = await content(workspace)
        refused = await attempt(person, action, given)
        if role == lowest:
            tolerated = OTHER_ERRORS.get(action.partition(".")[0])
            assert refused is None or refused.code == tolerated, refused.message
        else:
            assert refused is not None
            assert refused.code in REFUSED, refused.message
            assert changed_tables(before, await content(workspace)) == {}


# --- One source ----------------------------------------------------------------------------------

# Not about an operation: who gets notices, names of groups, texts for a role, what a list shows.
OTHERS = {
    "bot/agents/tech_leads.py",
    "bot/contexts/access.py",
    "bot/identity/actors.py",
    "bot/identity/permissions.py",
    "bot/kernel/remedies.py",
    "bot/messages/notices.py",
    "bot/tools/tool_access.py",
    "bot/operations/agents/invitations.py",
    "bot/operations/agents/moving.py",
    "bot/operations/tasks/access.py",
    "bot/operations/tasks/ready.py",
    "bot/plugins/added.py",
    "bot/repository/narrowing.py",
    "bot/tasks/step_roles.py",
}


def test_no_operation_decides_by_a_role_beside_the_table() -> None:
    found = {
        str(path.relative_to(BOT.parent))
        for path in BOT.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("may", "may_somewhere")
    }
    assert found - OTHERS == set()
