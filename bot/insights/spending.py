"""Who uses up what all share: GitHub's limits, and money."""

from collections.abc import Sequence

from bot.identity.actors import BOT
from bot.insights.findings import Finding, Scope, percent
from bot.quotas.money import amount
from bot.times import DAY
from store import history
from store.history import Spent
from store.outbox import budgets

# More than half is much for one of several.
HALF = 0.5
FEWEST_WRITES = 100
FEWEST_REPORTS = 10
MOST_AUTHORS = 20


async def find(scope: Scope) -> list[Finding]:
    """Nothing for a reader who may see only some repositories: these sums are of all."""
    if scope.repositories is not None:
        return []
    here = (scope.tx, scope.installation_id)
    sent = await budgets.top_spenders(*here, scope.since, MOST_AUTHORS)
    requests = {row["author"]: int(row["requests"]) for row in sent}
    spent = await history.reported_spend(*here, scope.since // DAY)
    return [*limit_findings(requests, scope.account), *money_findings(spent)]


def limit_findings(requests: dict[str, int], account: str) -> list[Finding]:
    total = sum(requests.values())
    return [
        Finding(
            kind="limit_used_by_one",
            finding=f"{author} sent {percent(n, total)} of all writes to GitHub.",
            cases=n,
            evidence=[f"{n} of {total} writes, by {len(requests)} authors"],
            look_at=[f"hubbub writes list --installation {account} --agent {author} --state sent"],
            change="Let it write less: one comment in place of several, one commit with all files. "
            'HUBBUB_QUOTAS="queued_writes=50" limits how much each agent may queue.',
        )
        for author, n in requests.items()
        if total >= FEWEST_WRITES
        and n > HALF * total
        and len(requests) > 1
        and author != BOT
        and not author.startswith("@")
    ]


def money_findings(spent: Sequence[Spent]) -> list[Finding]:
    found = []
    for currency in dict.fromkeys(row["currency"] for row in spent):
        of = [row for row in spent if row["currency"] == currency]
        total = sum(int(row["cost"]) for row in of)
        found += [
            Finding(
                kind="money_spent_by_one",
                finding=f"{row['agent']} reported {percent(int(row['cost']), total)} of all spend.",
                cases=int(row["reports"]),
                evidence=[
                    f"{amount(int(row['cost']))} of {amount(total)} {currency}; {len(of)} agents",
                    f"{int(row['tokens']):,} tokens in {row['reports']} reports",
                ],
                look_at=[f"hubbub call get_agent agent_id={row['agent']}"],
                change="Give it a cap, `spend.agent` in .github/hubbub.yml or `agent` in "
                "HUBBUB_SPEND_CAPS; or a smaller model for small tasks.",
            )
            for row in of
            if len(of) > 1
            and int(row["reports"]) >= FEWEST_REPORTS
            and int(row["cost"]) > HALF * total
        ]
    return found
