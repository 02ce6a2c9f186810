"""Hubbub's own check on the heads of pull requests, and who overrode it."""

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.builds import CheckOverrideRow, HeadCheckRow

CHECK_KEY = ("installation_id", "repository_id", "head_sha")
CHECK = (*CHECK_KEY, "conclusion", "digest", "at")
OVERRIDE_KEY = ("installation_id", "repository_id", "number")
OVERRIDE = (*OVERRIDE_KEY, "decided_by", "note", "rules", "at")


async def get(
    tx: Tx, installation_id: int, repository_id: int, head_sha: str
) -> HeadCheckRow | None:
    q = (
        "SELECT * FROM head_checks WHERE installation_id = :i AND repository_id = :r "
        "AND head_sha = :sha"
    )
    return await tx.one(q, i=installation_id, r=repository_id, sha=head_sha)


async def put(
    tx: Tx, installation_id: int, repository_id: int, head_sha: str, conclusion: str, digest: str
) -> None:
    """Store what the check of the head shows. Its check run stays the same."""
    await tx.run(
        sql.upsert(tx.dialect, "head_checks", CHECK, CHECK_KEY),
        installation_id=installation_id,
        repository_id=repository_id,
        head_sha=head_sha,
        conclusion=conclusion,
        digest=digest,
        at=await tx.now(),
    )


async def set_check_run(
    tx: Tx, installation_id: int, repository_id: int, head_sha: str, check_run_id: int
) -> None:
    """Store GitHub's id of the check run."""
    await tx.run(
        "UPDATE head_checks SET check_run_id = :id WHERE installation_id = :i "
        "AND repository_id = :r AND head_sha = :sha",
        id=check_run_id,
        i=installation_id,
        r=repository_id,
        sha=head_sha,
    )


async def forget(tx: Tx, installation_id: int, repository_id: int, head_sha: str) -> None:
    q = (
        "DELETE FROM head_checks WHERE installation_id = :i AND repository_id = :r "
        "AND head_sha = :sha"
    )
    await tx.run(q, i=installation_id, r=repository_id, sha=head_sha)


async def override(
    tx: Tx, installation_id: int, repository_id: int, number: int
) -> CheckOverrideRow | None:
    q = (
        "SELECT * FROM check_overrides WHERE installation_id = :i AND repository_id = :r "
        "AND number = :n"
    )
    return await tx.one(q, i=installation_id, r=repository_id, n=number)


async def put_override(tx: Tx, row: CheckOverrideRow) -> None:
    await tx.run(sql.upsert(tx.dialect, "check_overrides", OVERRIDE, OVERRIDE_KEY), **row)


async def drop_override(tx: Tx, installation_id: int, repository_id: int, number: int) -> None:
    await tx.run(
        "DELETE FROM check_overrides WHERE installation_id = :i AND repository_id = :r "
        "AND number = :n",
        i=installation_id,
        r=repository_id,
        n=number,
    )
