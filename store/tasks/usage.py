"""What agents reported of their use of models: each report, and sums that never lose one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.usage import Scope, UsageReportRow, UsageSumRow

REPORT = tuple(UsageReportRow.__annotations__)
COUNTED = ("reports", "input_tokens", "output_tokens", "cached_tokens", "cost")
ALL_DAYS = 0


@dataclass(frozen=True)
class SumKey:
    """Whose sum. `day` 0 is the sum of all days."""

    scope: Scope
    subject: str = ""
    day: int = ALL_DAYS


class Amounts(TypedDict):
    """What a report adds. `cost` is in millionths of the currency."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int


async def add_report(tx: Tx, row: UsageReportRow) -> None:
    await tx.run(sql.insert("usage_reports", REPORT), **row)


async def add_to_sums(
    tx: Tx, installation_id: int, keys: Sequence[SumKey], currency: str, amounts: Amounts
) -> None:
    """Add to each sum in one statement, so that reports at the same time lose nothing.

    All callers pass the keys in the same order, because each locks its row.
    """
    columns = ("installation_id", "scope", "subject", "day", "currency", *COUNTED, "last_at")
    more = ", ".join(f"{each} = usage_sums.{each} + :{each}" for each in COUNTED)
    conflict = (
        "ON CONFLICT (installation_id, scope, subject, day, currency) DO UPDATE SET"
        if tx.dialect == "sqlite"
        else "ON DUPLICATE KEY UPDATE"
    )
    statement = f"{sql.insert('usage_sums', columns)} {conflict} {more}, last_at = :last_at"
    for each in keys:
        await tx.run(
            statement,
            installation_id=installation_id,
            scope=each.scope,
            subject=each.subject,
            day=each.day,
            currency=currency,
            reports=1,
            last_at=await tx.now(),
            **amounts,
        )


async def sums(
    tx: Tx, installation_id: int, keys: Sequence[SumKey]
) -> dict[SumKey, list[UsageSumRow]]:
    """The sums that exist, each in one or several currencies."""
    # A union, because MySQL would read many rows for one condition with OR.
    parts = [
        "SELECT * FROM usage_sums WHERE installation_id = :i "
        f"AND scope = :scope_{n} AND subject = :subject_{n} AND day = :day_{n}"
        for n in range(len(keys))
    ]
    given: dict[str, str | int] = {}
    for n, each in enumerate(keys):
        given |= {f"scope_{n}": each.scope, f"subject_{n}": each.subject, f"day_{n}": each.day}
    found: dict[SumKey, list[UsageSumRow]] = {each: [] for each in keys}
    for row in await tx.all(" UNION ALL ".join(parts), i=installation_id, **given):
        found[SumKey(row["scope"], row["subject"], row["day"])].append(row)
    return found


async def sums_of_days(
    tx: Tx, installation_id: int, keys: Sequence[SumKey], first_day: int
) -> list[UsageSumRow]:
    """The sums of single days of these subjects, from a day on."""
    found: list[UsageSumRow] = []
    for each in keys:
        found += await tx.all(
            "SELECT * FROM usage_sums WHERE installation_id = :i AND scope = :scope "
            "AND subject = :subject AND day >= :first AND day > 0",
            i=installation_id,
            scope=each.scope,
            subject=each.subject,
            first=first_day,
        )
    return found
