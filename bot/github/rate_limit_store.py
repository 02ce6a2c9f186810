"""The rate limits of an installation in the database: read, spend, and record from answers."""

from collections.abc import Mapping

from bot.github import rate_limits, token_buckets
from bot.github.rate_limits import Budget, Limits
from bot.github.token_buckets import Cost
from store.engine.transaction import Tx
from store.outbox import budgets, sender_leases
from store.outbox.budgets import NewBudget
from store.tables.outbox import BudgetRow, SenderRow


async def spend(tx: Tx, installation_id: int, cost: Cost, *, back: bool = False) -> None:
    """Take a request's cost from the limits that GitHub does not report. `back` returns it."""
    full_at = await budgets.allowances(tx, installation_id)
    after = token_buckets.allowances_after(full_at, cost, await tx.now(), back=back)
    await budgets.put_allowances(tx, installation_id, after)


async def of(tx: Tx, installation_id: int, sender: SenderRow | None = None) -> Limits:
    """The limits now. `sender` is the row of the sender's lease, if the caller has read it."""
    row = sender or await sender_leases.get(tx, installation_id)
    return Limits(
        known=tuple(_budget(each) for each in await budgets.all_of(tx, installation_id)),
        full_at=await budgets.allowances(tx, installation_id),
        last_mutation_at=row["last_mutation_at"] if row else 0,
        last_notified_at=row["last_notified_at"] if row else 0,
    )


async def is_short(tx: Tx, installation_id: int) -> bool:
    """Whether less than half of the limits is left."""
    return rate_limits.is_short(await of(tx, installation_id), await tx.now())


async def record_answer(
    tx: Tx,
    installation_id: int,
    status: int,
    headers: Mapping[str, str],
    message: str,
    resource: str,
) -> None:
    """Store what an answer says about the rate limits."""
    known = [_budget(row) for row in await budgets.all_of(tx, installation_id)]
    now = await tx.now()
    for each in rate_limits.changed_budgets(known, status, headers, message, now, resource):
        await budgets.put(tx, _row(installation_id, each))


def _budget(row: BudgetRow) -> Budget:
    return Budget(
        resource=row["resource"],
        limit=row["limit_"],
        remaining=row["remaining"],
        used=row["used"],
        reset_at=row["reset_at"],
        blocked_until=row["blocked_until"],
        failures=row["failures"],
    )


def _row(installation_id: int, known: Budget) -> NewBudget:
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
