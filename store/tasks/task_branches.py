"""Whose work a branch is."""

from store.engine import sql
from store.engine.transaction import Tx
from store.tasks import tasks
from store.tasks.tasks import ANY, ENDED, FullTask


async def open_tasks(
    tx: Tx, installation_id: int, repository_id: int, branch: str
) -> list[FullTask]:
    """The tasks that have not ended and have this branch, or whose open pull request has it."""
    here = {"i": installation_id, "r": repository_id, "b": branch}
    rows = await tx.all(f"{ANY} AND t.repository_id = :r AND t.branch = :b", **here)
    found = {row["id"]: row for row in tasks.decode(rows)}
    of_branch = sql.by_index(tx.dialect, "pull_requests", "ix_pull_requests_branch")
    heads = await tx.all(
        f"SELECT number FROM {of_branch} WHERE installation_id = :i AND repository_id = :r "
        "AND state = 'open' AND head_ref = :b AND deleted = 0 LIMIT 10",
        **here,
    )
    for head in heads:
        of_head = await tasks.of_pull(tx, installation_id, repository_id, head["number"])
        found |= {row["id"]: row for row in of_head}
    return [row for row in found.values() if row["state"] not in ENDED]
