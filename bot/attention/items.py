"""What needs a person now. The same trouble has the same key as long as it lasts."""

from collections.abc import Collection
from dataclasses import dataclass

from pydantic import BaseModel, Field

from bot.attention.wording import WORDS, Severity, name
from bot.times import DAY, SECOND, stamp
from store.attention import troubles
from store.attention.troubles import Trouble
from store.engine.reach import Reach
from store.engine.transaction import Tx

# Of one kind.
MOST_LISTED = 100
# What happened before is history, not a trouble.
RECENT = 3 * DAY
# A write is looked for by itself for so long.
SETTLING = 60 * SECOND

# Every kind, in the order in which people read them, and when it appears and goes away.
KINDS: dict[str, str] = {
    "question": "an agent asks people something on its task, until somebody answers",
    "gate": "a gate of a workflow can be decided, until enough have voted or somebody rejects it",
    "plan": "an agent proposes a plan for its task, until somebody decides or the agent takes "
    "it back",
    "task_failed": "a task failed, until somebody retries it or closes its issue",
    "task_stuck": "Hubbub put a task on hold, because its leases keep expiring or failing, until "
    "somebody resumes or ends it",
    "step_agent_away": "a step of a workflow is kept for the agent that it names, and that has "
    "never registered, has left or is paused, until it comes or the step is open to all, after a "
    "day",
    "deadlock": "agents wait for each other in a circle, until one of the waits ends",
    "context_damaged": "a version of a running workflow's context was found damaged, until the "
    "workflow ends; at most three days",
    "agent_died": "an agent's lease expired and the agent has not called since, until it calls, "
    "is paused or leaves; at most three days",
    "run_failed": "an agent run failed, until another run for its task begins or the task ends; at "
    "most three days",
    "run_not_started": "an agent run could not start, until the same happens",
    "write_refused": "GitHub refused a write, until a later one like it is sent or its task ends; "
    "at most three days",
    "write_unknown": "whether a write took effect is unknown for more than a minute, until Hubbub "
    "knows",
    "write_dead": "Hubbub gave up a write, until the same as for a refused one",
    "spend_cap": "reported spend reached a cap, until the cap is raised or its day ends",
    "team_budget": "the budget of an agent and all agents below it is used up, until it is raised "
    "or the agent leaves",
    "move_code_reused": "somebody used the code of a move a second time from elsewhere, until "
    "three days after the code ended",
    "budget_exhausted": "one of GitHub's limits is used up, until GitHub resets it",
    "delivery_dead": "a webhook could not be processed, until it is replayed",
    "check_failed": "Hubbub's check fails on an open pull request, until it passes or the pull "
    "request is closed",
    "agent_unreachable": "a delivery to an agent's endpoint was given up, until a later one "
    "succeeds or the endpoint is turned off",
    "tracker_failing": "a foreign tracker cannot be read or refuses its token, until it answers "
    "again or somebody pauses it",
    "tool_parked": "the server of a tool added or changed it, until a person accepts or rejects "
    "that, or the server takes it back",
    "plugin_failing": "Hubbub turned a plug-in off, because its calls kept failing or it was "
    "revoked, until somebody "
    "turns it on or off",
    "forward_dead": "Hubbub gave up forwarding deliveries to an app, until somebody sends them "
    "again or turns the plug-in off",
    "flag_fell_back": "Hubbub turned a feature flag off, because more calls failed with it, until "
    "the operator sets or clears it",
    "notification_dead": "Hubbub gave up a notification to a target, until a later one is sent "
    "to it; at most three days",
    "target_stopped": "Hubbub stopped a target of notifications, because it is gone, until "
    "somebody resumes or removes it",
}


# Their rows name a target where others name an agent.
OF_TARGETS = ("notification_dead", "target_stopped")
# Only for those who lead all repositories: their rows name a server where others name an agent.
OF_SERVERS = ("tool_parked",)
OF_TRACKERS = ("tracker_failing",)
# These begin anew, each time under another key.
OF_TASKS = ("question", "gate", "task_failed", "task_stuck", "step_agent_away")


class Item(BaseModel):
    """One thing that needs a person."""

    key: str = Field(description="the same as long as the trouble lasts")
    kind: str
    severity: Severity
    repository: str | None = None
    task: str | None = Field(None, description="owner/repo#12, or the task's id")
    pull_request: str | None = None
    agent: str | None = None
    since: str
    title: str = Field(description="what is wrong")
    action: str = Field(description="what a person can do")
    # Not for answers: what notifications need.
    repository_id: int | None = Field(None, exclude=True)
    is_private: bool = Field(False, exclude=True)
    plain: str = Field("", exclude=True)
    began: int = Field(0, exclude=True)


@dataclass(frozen=True)
class Open:
    """The items of one kind, the newest first. `total` counts those that are not listed too."""

    kind: str
    items: list[Item]
    total: int


async def open_kinds(
    tx: Tx,
    installation_id: int,
    repositories: Reach = None,
    kinds: Collection[str] = tuple(KINDS),
) -> list[Open]:
    """What needs a person, by kind. `repositories`: those within reach."""
    return [
        await _of_kind(tx, installation_id, kind, repositories) for kind in KINDS if kind in kinds
    ]


async def open_items(tx: Tx, installation_id: int, repositories: Reach = None) -> list[Item]:
    """All that needs a person: at most `MOST_LISTED` of a kind, the newest first in each."""
    found = await open_kinds(tx, installation_id, repositories)
    return [item for each in found for item in each.items]


async def _of_kind(tx: Tx, installation_id: int, kind: str, repositories: Reach) -> Open:
    now = await tx.now()
    rows = await troubles.of_kind(
        tx,
        installation_id,
        kind,
        recent=now - RECENT,
        settled=now - SETTLING,
        repositories=repositories,
    )
    items = [_item(kind, row) for row in rows[:MOST_LISTED]]
    return Open(kind, items, len(rows))


def _item(kind: str, row: Trouble) -> Item:
    words = WORDS[kind](row)
    has_task = row["task_id"] is not None
    has_pull = not has_task and row["number"] is not None
    return Item(
        key=_key(kind, row),
        kind=kind,
        severity=words.severity,
        repository=row["full_name"],
        task=name(row) if has_task else None,
        pull_request=name(row) if has_pull else None,
        agent=None if kind in (*OF_TARGETS, *OF_SERVERS, *OF_TRACKERS) else row["agent"] or None,
        since=stamp(row["since"]),
        title=words.title,
        action=words.action,
        repository_id=row["repository_id"],
        is_private=bool(row["private"]),
        plain=words.plain,
        began=row["since"],
    )


def _key(kind: str, row: Trouble) -> str:
    """A trouble that began again is another one, but GitHub's limits are counted on and on."""
    if kind == "spend_cap":
        parts = (row["subject"], row["repository_id"] or 0, row["agent"], row["task_id"] or "")
        return f"{kind}:{':'.join(map(str, parts))}"
    if kind in OF_SERVERS:
        return f"{kind}:{row['agent']}__{row['subject']}:{row['since']}"
    began = f":{row['since']}" if kind in OF_TASKS else ""
    return f"{kind}:{row['subject']}{began}"
