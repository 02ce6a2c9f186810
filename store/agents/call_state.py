"""What every call needs to know before it begins, in one statement."""

from functools import cache

from store.engine import reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.messages import due_notices
from store.mirror import freshness
from store.mirror.freshness import Behind

# The key value with the id of the App's bot user, which GitHub's first answer to a write tells.
BOT = "github bot"


class CallState(Behind):
    """What a call needs to know about its installation and its agent.

    `head`: the number of the last event. `bot`: the id of the App's bot user. `has_planned`:
    whether any task waits for relations that GitHub does not have yet. `narrows`: whether the
    settings of any repository allow less than the permission table. `left_at` and `paused_at`
    of the agent are None also if it never registered. `due`: the kinds of notices that it should
    get, see `due_notices`.
    """

    head: int
    bot: str | None
    has_planned: int
    narrows: int
    left_at: int | None
    paused_at: int | None
    due: list[str]


@cache
def _query(dialect: sql.Dialect, *, leads: bool, is_bound: bool) -> str:
    # The text is the same for every reach: its repositories are a parameter.
    repositories = () if is_bound else None
    return (
        "SELECT COALESCE((SELECT seq FROM heads WHERE installation_id = :i), 0) AS head, "
        "(SELECT value FROM facts WHERE name = :bot) AS bot, "
        "EXISTS (SELECT 1 FROM planned_relations WHERE installation_id = :i) AS has_planned, "
        "(SELECT left_at FROM agents WHERE installation_id = :i AND id = :a) AS left_at, "
        "(SELECT paused_at FROM agents WHERE installation_id = :i AND id = :a) AS paused_at, "
        "EXISTS (SELECT 1 FROM repository_settings WHERE installation_id = :i AND narrows = 1) "
        f"AS narrows, {freshness.columns(repositories)}, "
        f"{due_notices.columns(dialect, leads=leads)}"
    )


async def of(
    tx: Tx,
    installation_id: int,
    agent_id: str,
    since: int,
    *,
    leads: bool = False,
    repositories: Reach = None,
) -> CallState:
    """No notice of something older than `since` is due. `leads`: also what tech-leads get.

    `repositories`: those within reach, for what the mirror lacks.
    """
    row = await tx.one(
        _query(tx.dialect, leads=leads, is_bound=repositories is not None),
        i=installation_id,
        a=agent_id,
        now=await tx.now(),
        since=since,
        bot=BOT,
        **freshness.PARAMETERS,
        **reach.parameters(repositories),
    )
    assert row is not None
    row["due"] = due_notices.kinds_in(row)
    found: CallState = row
    return found
