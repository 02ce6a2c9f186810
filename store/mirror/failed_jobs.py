"""The steps that failed in jobs of GitHub Actions."""

from collections.abc import Collection

from store.engine.transaction import Tx


async def steps(tx: Tx, installation_id: int, job_ids: Collection[int]) -> dict[int, list[str]]:
    """By the job's id, which is also that of its check run. Other checks have no steps."""
    if not job_ids:
        return {}
    rows = await tx.all(
        "SELECT id, failed_steps FROM workflow_jobs WHERE installation_id = :i AND id IN :ids "
        "AND failed_steps <> ''",
        i=installation_id,
        ids=tuple(job_ids),
    )
    return {row["id"]: row["failed_steps"].split("\n") for row in rows}
