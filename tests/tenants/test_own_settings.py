"""What the operator sets for one account: how it is written, and that it counts there alone."""

import dataclasses
import re
from typing import Any

import pytest

from bot.background import spend_review
from bot.identity.actors import Actor
from bot.kernel.operation import Shared
from bot.quotas import table
from bot.quotas.table import DEFAULTS, Quota
from bot.tenants import look, own_settings
from store.engine.transaction import Store
from store.tables.tenants import TenantRow
from store.tenants import own_settings as stored
from tests.support.story import Agent, Workspace


def changed(*texts: str, row: TenantRow = own_settings.NOBODY) -> TenantRow:
    for each in texts:
        row = own_settings.with_change(row, each, DEFAULTS)
    return row


async def set_for(workspace: Workspace, *texts: str) -> None:
    """As `hubbub tenant set` does, and the loop of the server after it."""
    row = changed(*texts) | {"installation_id": workspace.installation.id}
    await workspace.store.write(lambda tx: stored.put(tx, row))
    await own_settings.refresh(workspace.store, workspace.dispatcher.shared)


# --- Values --------------------------------------------------------------------------------------


def test_a_quota_keeps_what_the_change_does_not_name() -> None:
    row = changed("calls_a_minute=600", "agents=20")
    assert row["quotas"] == {"calls_a_minute": [600, 60_000], "agents": [None, 20]}
    assert changed("calls_a_minute=/900", row=row)["quotas"]["calls_a_minute"] == [600, 900]


def test_an_empty_value_takes_back_what_was_set() -> None:
    texts = ("agents=20", "spend.task=3", "spend.agent=5", "name=Acme", "color=#2a7d5f")
    row = changed(*texts)
    assert (row["caps"], row["name"], row["color"]) == ("task=3, agent=5", "Acme", "#2a7d5f")
    assert changed("spend.task=", row=row)["caps"] == "agent=5"
    emptied = changed(*(f"{each.partition('=')[0]}=" for each in texts), row=row)
    assert emptied == own_settings.NOBODY


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("agents", "write 'agents' as name=value"),
        ("agent=3", "'agent' is none of name, color, spend.task"),
        ("agents=0", "write whole numbers"),
        ("agents=-1", "write whole numbers"),
        ("agents=2/3", "one agent has no agents: write agents=600"),
        ("calls_a_minute=many", "what you pass has 'calls_a_minute=many'; write whole numbers"),
        ("spend.day=3", "the caps are task, agent, installation"),
        ("spend.task=-3", "write an amount above 0"),
        ("name=**Acme**", "a name has 1 to 40 letters"),
        ("name=<b>", "a name has 1 to 40 letters"),
        ("name=@everyone", "begins with a letter"),
        (f"name={'A' * 41}", "a name has 1 to 40 letters"),
        ("color=green", "written as #2a7d5f"),
        ("color=#ffffff", "a contrast of 1.0 to the background #ffffff"),
        ("color=#101010", "to the background #12161c"),
    ],
)
def test_a_wrong_value_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        changed(text)


def test_text_on_any_colour_can_be_read() -> None:
    for red in range(0, 256, 51):
        for green in range(0, 256, 51):
            for blue in range(0, 256, 51):
                made = look.Look("Acme", f"#{red:02x}{green:02x}{blue:02x}")
                assert look.contrast(made.on_color, made.color) >= 4.5


# --- In use --------------------------------------------------------------------------------------


async def test_a_quota_of_one_account_counts_there_alone(store: Store) -> None:
    shared = Shared(keys=None)  # type: ignore[arg-type]
    shared.rates.is_open = False
    row = changed("calls_a_minute=3/5") | {"installation_id": 2**40 + 1}
    await store.write(lambda tx: stored.put(tx, row))
    await own_settings.refresh(store, shared)
    assert shared.rates.of(2**40 + 1)["calls_a_minute"] == dataclasses.replace(
        DEFAULTS["calls_a_minute"], agent=3, installation=5
    )
    assert shared.rates.of(2**40 + 2) == DEFAULTS
    await store.write(lambda tx: stored.put(tx, {**row, "quotas": {}}))
    await own_settings.refresh(store, shared)
    assert shared.rates.of(2**40 + 1) == DEFAULTS


async def test_one_agent_more_than_the_account_may_have_is_refused(workspace: Workspace) -> None:
    await set_for(workspace, "agents=2")
    ada = await workspace.agent("ada")
    await workspace.agent("bob")
    late = Agent(workspace.dispatcher, Actor(workspace.installation.id, "cid", "developer"))
    refused = await late.refusal("register_agent", agent_id="cid", name="Cid")
    assert (refused.code, refused.details["quota"], refused.details["most"]) == (
        "too_many",
        "agents",
        2,
    )
    # Who is there may register again, and a place that is left is free.
    await ada.call("register_agent", agent_id="ada", name="Ada")
    lead = await person(workspace)
    await lead.call("manage_agent", agent_id="bob", action="unregister")
    await late.call("register_agent", agent_id="cid", name="Cid")


async def person(workspace: Workspace) -> Agent:
    return Agent(workspace.dispatcher, Actor(workspace.installation.id, "@octocat", "tech-lead"))


async def test_agents_make_no_more_open_tasks_than_the_account_may_have(
    workspace: Workspace,
) -> None:
    await set_for(workspace, "open_tasks=2")
    agent = await workspace.agent("ada")
    await workspace.task("First")
    planned = [{"id": each, "title": each} for each in ("Second", "Third")]
    refused = await agent.refusal("create_tasks", repository="acme/rocket", tasks=planned)
    assert (refused.code, refused.details["quota"], refused.details["used"]) == (
        "too_many",
        "open_tasks",
        1,
    )
    await agent.call("create_task", repository="acme/rocket", title="Second")
    await workspace.settle()
    assert (await agent.refusal("create_task", repository="acme/rocket", title="Third")).code == (
        "too_many"
    )
    # People are not refused.
    await workspace.task("Fourth")
    assert len((await agent.call("list_tasks"))["tasks"]) == 3


async def test_a_cap_on_spend_of_one_account_replaces_that_of_the_server(
    workspace: Workspace,
) -> None:
    await set_for(workspace, "spend.installation=1")
    agent = await workspace.agent("ada")
    given: dict[str, Any] = {"model": "m", "input_tokens": 1, "output_tokens": 1}
    await agent.call("report_usage", **given, cost="1.50")
    name = workspace.name(await workspace.task("Mend it"))
    assert (await agent.refusal("claim_task", task=name)).code == "spend_cap"
    await set_for(workspace, "spend.installation=2")
    await spend_review.step(workspace.store, workspace.dispatcher.shared)
    await agent.call("claim_task", task=name)


async def test_cards_show_the_name_of_the_account(workspace: Workspace) -> None:
    await set_for(workspace, "name=Acme Robots")
    issue = await workspace.task("Mend it")
    agent = await workspace.agent("ada")
    await agent.call("claim_task", task=workspace.name(issue))
    await workspace.settle()
    (card,) = issue.comments
    _marker, first = card.body.splitlines()[:2]
    assert first == "**Acme Robots** · in progress"


def test_every_quota_of_the_server_can_be_set_for_one_account() -> None:
    for name in DEFAULTS:
        row = changed(f"{name}=7")
        assert own_settings.quotas_of(row, DEFAULTS)[name] != DEFAULTS[name]
    assert isinstance(table.parse("agents=5")["agents"], Quota)
