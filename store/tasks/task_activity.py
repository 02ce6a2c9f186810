"""What agents did for a task, by agent: their calls, their writes on GitHub, what they reported."""

from collections.abc import Sequence
from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.usage import UsageReportRow


class Count(TypedDict):
    who: str
    n: int


class ReportedBy(TypedDict):
    """The sum of an agent's reports, as in `UsageSumRow`."""

    agent_id: str
    currency: str
    reports: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int


SUMMED = ("input_tokens", "output_tokens", "cached_tokens", "cost")
assert set(SUMMED) <= set(UsageReportRow.__annotations__)


async def calls(tx: Tx, installation_id: int, names: Sequence[str]) -> list[Count]:
    """The calls of each caller about these subjects that changed something or were refused."""
    return await tx.all(
        "SELECT actor AS who, SUM(calls) AS n FROM "
        f"{sql.by_index(tx.dialect, 'audit', 'ix_audit_subject')} "
        # The steps of a task, such as `task.claimed`, are no calls.
        "WHERE installation_id = :i AND subject IN :names AND INSTR(operation, '.') = 0 "
        "GROUP BY actor",
        i=installation_id,
        names=tuple(names),
    )


async def writes_sent(
    tx: Tx, installation_id: int, task_id: str, targets: Sequence[str]
) -> list[Count]:
    """The writes of each author for the task that were sent, also those without its lease."""
    by_task = sql.by_index(tx.dialect, "writes", "ix_writes_task")
    by_target = sql.by_index(tx.dialect, "writes", "ix_writes_target")
    here = "installation_id = :i AND state = 'sent'"
    parts = [f"SELECT author FROM {by_task} WHERE {here} AND task_id = :t"]
    if targets:
        unfenced = "target IN :targets AND task_id IS NULL"
        parts.append(f"SELECT author FROM {by_target} WHERE {here} AND {unfenced}")
    return await tx.all(
        f"SELECT author AS who, COUNT(*) AS n FROM ({' UNION ALL '.join(parts)}) q GROUP BY author",
        i=installation_id,
        t=task_id,
        **({"targets": tuple(targets)} if targets else {}),
    )


async def reported_by(tx: Tx, installation_id: int, task_id: str) -> list[ReportedBy]:
    """What each agent reported for the task, one row for each currency."""
    sums = ", ".join(f"SUM({each}) AS {each}" for each in SUMMED)
    return await tx.all(
        f"SELECT agent_id, currency, COUNT(*) AS reports, {sums} FROM "
        f"{sql.by_index(tx.dialect, 'usage_reports', 'ix_usage_reports_task')} "
        "WHERE installation_id = :i AND task_id = :t GROUP BY agent_id, currency",
        i=installation_id,
        t=task_id,
    )
