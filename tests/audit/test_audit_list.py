"""Tech-leads look through the audit log by actor, operation and time."""

from functools import partial
from typing import Any

import pytest

from bot.identity.actors import person_with_roles
from bot.times import stamp
from store.audit import records
from store.engine.transaction import Tx
from tests.support.story import Agent, Workspace


def lead(workspace: Workspace) -> Agent:
    here = workspace.repository.id
    actor = person_with_roles(workspace.installation.id, "octocat", {here: "tech-lead"}, [here])
    return Agent(workspace.dispatcher, actor)


async def leave(workspace: Workspace, *rows: tuple[str, str]) -> None:
    i = workspace.installation.id
    for row in rows:
        workspace.clock.forward(60)
        await workspace.store.write(partial(_append, i, row))


async def _append(i: int, row: tuple[str, str], tx: Tx) -> None:
    await records.append(tx, i, *row)


async def listed(me: Agent, **given: Any) -> list[tuple[str, str]]:
    page = await me.call("list_audit", **given)
    return [(each["actor"], each["operation"]) for each in page["entries"]]


async def test_the_audit_log_is_filtered_by_actor_operation_and_time(workspace: Workspace) -> None:
    me = lead(workspace)
    await leave(workspace, ("ada", "claim_task"), ("bob", "claim_task"))
    between = stamp(workspace.clock() + 30_000_000)
    await leave(workspace, ("ada", "release_task"))
    assert await listed(me, actor="ada") == [("ada", "release_task"), ("ada", "claim_task")]
    assert await listed(me, action="claim_task") == [("bob", "claim_task"), ("ada", "claim_task")]
    assert await listed(me, actor="ada", action="claim_task") == [("ada", "claim_task")]
    assert await listed(me, since=between) == [("ada", "release_task")]
    assert await listed(me, until=between, actor="ada") == [("ada", "claim_task")]
    assert await listed(me, actor="ada", since=between[:-1]) == [("ada", "release_task")]
    assert await listed(me, until="2001-01-01") == []


async def test_the_audit_log_has_pages(workspace: Workspace) -> None:
    me, seen, cursor = lead(workspace), list[int](), None
    await leave(workspace, *[("ada", "claim_task")] * 120)
    while True:
        page = await me.call("list_audit", actor="ada", cursor=cursor)
        seen += [each["seq"] for each in page["entries"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert len(seen) == 120
    assert seen == sorted(seen, reverse=True)


async def test_only_leads_of_every_repository_read_the_audit_log(workspace: Workspace) -> None:
    here = workspace.repository.id
    actor = person_with_roles(workspace.installation.id, "mona", {here: "tech-lead"}, [here, 99])
    refused = await Agent(workspace.dispatcher, actor).refusal("list_audit")
    assert refused.code == "forbidden"


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "T"])
async def test_a_wrong_time_is_refused(workspace: Workspace, since: str) -> None:
    refused = await lead(workspace).refusal("list_audit", since=since)
    assert refused.message == f"`since` is {since!r}. Pass a day, such as 2026-11-30, or a time."
