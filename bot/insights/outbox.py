"""Writes that GitHub refused, by reason, and how long writes waited."""

from collections import defaultdict
from collections.abc import Sequence

from bot.identity.actors import BOT
from bot.insights.findings import FEWEST, Finding, Scope, first_few, length, median, quantile
from bot.times import SECOND
from store import history
from store.tables.outbox import WriteRow

FEWEST_SENT = 20
# Half of the writes waited longer: worth a look.
LONG_S = 60
CHANGES = {
    "missing_permission": "An owner of the account grants it at the App's installation on GitHub, "
    "under Configure. `hubbub doctor` compares what the App has with what it needs.",
    "locked": "A person unlocks the conversation, or the agents leave it alone.",
    "archived": "Take the repository out of the App's installation, or end its tasks.",
    "branch_protected": "Let the agents open pull requests, or allow the App to bypass the rule.",
    "disabled": "Turn the feature on in the repository's settings.",
}
OTHERWISE = "The list above shows GitHub's reason for each, and what the agent can do."


async def find(scope: Scope) -> list[Finding]:
    here = (scope.tx, scope.installation_id)
    refused = await history.writes_in(*here, "refused", scope.since, scope.repositories)
    sent = await history.writes_in(*here, "sent", scope.since, scope.repositories)
    return [*refusals(refused, scope.account), *waits(sent, scope.account)]


def refusals(rows: Sequence[WriteRow], account: str) -> list[Finding]:
    by_reason = defaultdict[tuple[str, str], list[WriteRow]](list)
    for row in rows:
        by_reason[_reason(row), _permission(row)].append(row)
    return [
        _refusal(reason, permission, of, account)
        for (reason, permission), of in by_reason.items()
        if len(of) >= FEWEST
    ]


def _details(row: WriteRow) -> dict[str, object]:
    found = (row["error"] or {}).get("details")
    return found if isinstance(found, dict) else {}


def _reason(row: WriteRow) -> str:
    return str(_details(row).get("reason") or "refused")


def _permission(row: WriteRow) -> str:
    return str(_details(row).get("accepted_permissions") or "")


def _refusal(reason: str, permission: str, rows: Sequence[WriteRow], account: str) -> Finding:
    kinds = first_few([row["kind"] for row in rows])
    what = f"the permission {permission} is missing" if permission else reason.replace("_", " ")
    return Finding(
        kind="writes_refused",
        finding=f"GitHub refused {len(rows)} writes: {what}.",
        cases=len(rows),
        evidence=[
            f"kinds: {', '.join(kinds)}",
            f"authors: {', '.join(first_few([row['author'] for row in rows]))}",
        ],
        look_at=[
            f"hubbub writes list --installation {account} --state refused",
            *first_few([row["id"] for row in rows]),
        ],
        change=CHANGES.get(reason, OTHERWISE),
    )


def waits(rows: Sequence[WriteRow], account: str) -> list[Finding]:
    waited = [
        (row["finished_at"] - row["queued_at"]) // SECOND
        for row in rows
        if row["finished_at"] and row["author"] != BOT and not row["author"].startswith("@")
    ]
    if len(waited) < FEWEST_SENT or median(waited) <= LONG_S:
        return []
    return [
        Finding(
            kind="writes_wait",
            finding=f"Half of the agents' writes reached GitHub after more than "
            f"{length(median(waited))}.",
            cases=len(waited),
            evidence=[
                f"{len(waited)} writes; nine of ten took at most {length(quantile(waited, 0.9))}"
            ],
            look_at=[f"hubbub writes list --installation {account}"],
            change="GitHub allows 80 new texts a minute and 500 an hour. Let agents write fewer "
            "comments: progress by update_task_status is on the card and costs none.",
        )
    ]
