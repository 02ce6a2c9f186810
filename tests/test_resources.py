"""Resources of MCP: read and watched, in both eras of the protocol, over real HTTP."""

import json
from typing import Any

import pytest
from town import Town

from bot.errors import Refused


async def test_the_ready_tasks_are_listed_best_first_page_by_page(town: Town) -> None:
    first, second, third = [await town.task(title) for title in ("One", "Two", "Three")]
    agent, lead = await town.agent("ada"), await town.agent("lead", "tech-lead")
    await lead.call("change_task", task=town.name(third), priority="high")
    await agent.call("claim_task", task=town.name(first))
    page = await agent.call("list_tasks", state="ready", limit=1)
    assert [each["task"] for each in page["tasks"]] == [town.name(third)]
    rest = await agent.call("list_tasks", state="ready", cursor=page["next_cursor"])
    assert [each["task"] for each in rest["tasks"]] == [town.name(second)]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    "given",
    [{"holder": "ada"}, {"assignee": "octocat"}, {"cursor": "bm9uZQ"}, {"cursor": "LTEgMCAwIHQ"}],
)
async def test_what_does_not_fit_the_ready_tasks_is_refused(
    town: Town, given: dict[str, Any]
) -> None:
    agent = await town.agent("ada")
    refused: Refused = await agent.refused("list_tasks", state="ready", **given)
    assert refused.code == "invalid_arguments"
