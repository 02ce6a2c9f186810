"""Leases that expired: because they were too short, or because the agent died."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bot.insights.findings import FEWEST, Finding, Scope, first_few, length, quantile
from bot.times import SECOND
from store import history
from store.history import EndedLease

# An agent that works on the task so soon after its lease expired had not died.
ALIVE_FOR = 3600 * SECOND
# So many leases are looked at one by one.
MOST_EXPIRED = 200
# Proposals are whole multiples of this, in seconds, and at most a day.
STEP_S = 300
LONGEST_S = 86_400


@dataclass(frozen=True)
class Expired:
    """`silent_s`: how long an agent that worked on was silent. None: it was not seen again."""

    holder: str
    task: str
    repository: str
    lease_s: int
    silent_s: int | None


async def find(scope: Scope) -> list[Finding]:
    ended = await history.ended_leases(
        scope.tx, scope.installation_id, scope.since, scope.repositories
    )
    of_agents = [row for row in ended if not row["holder"].startswith("@")]
    rows = [row for row in of_agents if row["state"] == "expired"][:MOST_EXPIRED]
    expired = [await _look(scope, row) for row in rows]
    return findings(expired, len(of_agents), scope.account)


async def _look(scope: Scope, row: EndedLease) -> Expired:
    name = f"{row['full_name']}#{row['number']}" if row["number"] else row["task_id"]
    worked = await history.worked_after(
        scope.tx,
        scope.installation_id,
        row["holder"],
        (row["task_id"], name),
        row["ended_at"],
    )
    back = min((at for at in (worked, row["came_back_at"]) if at), default=None)
    alive = back is not None and back - row["ended_at"] <= ALIVE_FOR
    silent = (back - row["renewed_at"]) // SECOND if alive and back else None
    return Expired(row["holder"], name, row["full_name"], row["lease_s"], silent)


def findings(expired: Sequence[Expired], ended: int, account: str) -> list[Finding]:
    """`ended`: how many leases of agents ended in all, in whatever way."""
    short, dead = defaultdict[str, list[Expired]](list), defaultdict[str, list[Expired]](list)
    for each in expired:
        if each.silent_s is None:
            dead[each.holder].append(each)
        else:
            short[each.repository].append(each)
    return [
        *(_too_short(name, of, ended) for name, of in short.items() if len(of) >= FEWEST),
        *(_death(name, of, account) for name, of in dead.items() if len(of) >= FEWEST),
    ]


def _too_short(repository: str, found: Sequence[Expired], ended: int) -> Finding:
    silent = [each.silent_s for each in found if each.silent_s is not None]
    longest = quantile(silent, 0.9)
    proposed = min(-(-longest // STEP_S) * STEP_S, LONGEST_S)
    given = quantile([each.lease_s for each in found], 0.5)
    return Finding(
        kind="leases_too_short",
        finding=f"In {repository} {len(found)} claims expired while their agents still worked.",
        cases=len(found),
        evidence=[
            f"{ended} claims of agents ended in this time, {len(found)} of them in this way",
            f"a lease lasted {length(given)}; nine of ten were back after {length(longest)}",
        ],
        look_at=first_few([each.task for each in found]),
        change=f"Set `lease_s: {proposed}` in .github/hubbub.yml of {repository}; or let agents "
        f"pass `lease_s={proposed}` to claim_task, or call anything more often.",
    )


def _death(agent: str, found: Sequence[Expired], account: str) -> Finding:
    return Finding(
        kind="agent_dies",
        finding=f"{agent} let {len(found)} claims expire and did not come back within an hour.",
        cases=len(found),
        evidence=[f"{len(found)} leases of {agent} expired without another call about the task"],
        look_at=first_few([each.task for each in found]),
        change=f"Find out why the program of {agent} ends: its log, its memory, its time limit. "
        "Let it end with release_task, and restart with its checkpoint. Until then: `hubbub call "
        f"manage_agent agent_id={agent} action=pause` as a person of {account}.",
    )
