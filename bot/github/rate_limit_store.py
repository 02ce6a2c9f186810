"""The limits of an installation, as they are kept: read, spent, and told anew by each answer."""

from collections.abc import Mapping

from bot.github import rate_limits, token_buckets
from bot.github.rate_limits import Budget, Limits
from bot.github.token_buckets import Cost
from store.engine.transaction import Row, Tx
from store.outbox import budgets, sender_leases


async def spend(tx: Tx, installation_id: int, cost: Cost, *, back: bool = False) -> None:
    """Take a request's cost from the limits that GitHub does not report, or give it back."""
    full_at = await budgets.allowances(tx, installation_id)
    after = token_buckets.taken(full_at, cost, await tx.now(), back=back)
    await budgets.put_allowances(tx, installation_id, after)


async def of(tx: Tx, installation_id: int, sender: Row | None = None) -> Limits:
    """`sender`: the row of its sender's lease, where that is known already."""
    row = sender or await sender_leases.get(tx, installation_id) or {}
    return Limits(
        known=tuple(_budget(each) for each in await budgets.all_of(tx, installation_id)),
        full_at=await budgets.allowances(tx, installation_id),
        last_mutation_at=row.get("last_mutation_at", 0),
        last_notified_at=row.get("last_notified_at", 0),
    )


async def observe(
    tx: Tx, installation_id: int, status: int, headers: Mapping[str, str], message: str
) -> None:
    """Keep what an answer says about them."""
    known = [_budget(row) for row in await budgets.all_of(tx, installation_id)]
    for each in rate_limits.observed(known, status, headers, message, await tx.now()):
        await budgets.put(tx, _row(installation_id, each))


def _budget(row: Row) -> Budget:
    return Budget(
        resource=row["resource"],
        limit=row["limit_"],
        remaining=row["remaining"],
        used=row["used"],
        reset_at=row["reset_at"],
        blocked_until=row["blocked_until"],
        failures=row["failures"],
    )


def _row(installation_id: int, known: Budget) -> Row:
    return {
        "installation_id": installation_id,
        "resource": known.resource,
        "limit_": known.limit,
        "remaining": known.remaining,
        "used": known.used,
        "reset_at": known.reset_at,
        "blocked_until": known.blocked_until,
        "failures": known.failures,
    }
