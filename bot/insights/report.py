"""The report of an installation: every finding, the one with most cases first."""

from bot.insights import agents, leases, outbox, refusals, reviews, spending
from bot.insights.findings import Finding, Scope

PARTS = (leases.find, agents.find, spending.find, reviews.find, outbox.find, refusals.find)
MOST_FINDINGS = 50


async def findings(scope: Scope) -> list[Finding]:
    found = [each for find in PARTS for each in await find(scope)]
    return sorted(found, key=lambda each: -each.cases)[:MOST_FINDINGS]
