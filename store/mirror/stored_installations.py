"""The installations that the mirror has."""

from store.engine.transaction import Tx
from store.mirror import version_guard
from store.tables.mirror import InstallationRow


async def lock_installation(tx: Tx, installation_id: int) -> None:
    q = "SELECT installation_id FROM installations WHERE installation_id = :i FOR UPDATE"
    await tx.one(q, i=installation_id)


async def mark_gone(tx: Tx, installation_id: int, *, gone: bool, is_news: bool = False) -> None:
    """Set since when the installation is removed or suspended, or clear it.

    `is_news`: it is gone since now, whatever happened before.
    """
    await tx.run(
        "UPDATE installations SET gone_at = CASE WHEN :gone = 0 THEN NULL WHEN :news = 1 THEN :now "
        "ELSE COALESCE(gone_at, :now) END WHERE installation_id = :i",
        gone=int(gone),
        news=int(is_news),
        now=await tx.now(),
        i=installation_id,
    )


async def installation(tx: Tx, installation_id: int) -> InstallationRow | None:
    q = "SELECT * FROM installations WHERE installation_id = :i"
    return await tx.one(q, i=installation_id)


async def app_ids(tx: Tx) -> list[int]:
    """The Apps whose installations the database has."""
    q = "SELECT DISTINCT app_id FROM installations WHERE app_id <> 0 ORDER BY app_id"
    return [row["app_id"] for row in await tx.all(q)]


async def is_suspended(tx: Tx, installation_id: int) -> bool:
    """Whether the installation is known to be suspended: GitHub gives it no token."""
    found = await installation(tx, installation_id)
    return found is not None and not found["deleted"] and found["suspended_at"] is not None


async def installation_of(tx: Tx, account: str) -> InstallationRow | None:
    """The live installation on an account, by its login in any letter case."""
    q = "SELECT * FROM installations WHERE deleted = 0 ORDER BY installation_id DESC"
    found = [r for r in await tx.all(q) if r["account"].casefold() == account.casefold()]
    return found[0] if found else None


async def removed_from(tx: Tx, account: str) -> list[int]:
    """The installations that were removed from an account and are not purged yet."""
    q = "SELECT installation_id, account FROM installations WHERE deleted = 1"
    rows = await tx.all(q)
    return [r["installation_id"] for r in rows if r["account"].casefold() == account.casefold()]


async def every_one(tx: Tx) -> list[InstallationRow]:
    """Also those that were removed and are not purged yet."""
    return await tx.all("SELECT * FROM installations ORDER BY account, installation_id")


async def present_installations(tx: Tx) -> list[int]:
    """The installations that are neither removed nor suspended."""
    rows = await tx.all(
        "SELECT installation_id FROM installations WHERE deleted = 0 AND suspended_at IS NULL "
        "ORDER BY installation_id"
    )
    return [row["installation_id"] for row in rows]


async def hide_installation(tx: Tx, installation_id: int) -> None:
    """Hide an installation that GitHub does not show. It returns when GitHub shows it later."""
    row = await installation(tx, installation_id)
    if row and not row["deleted"]:
        await tx.run(
            "UPDATE installations SET deleted = 1, version = :v WHERE installation_id = :i",
            v=version_guard.hidden_version(row, await tx.now()),
            i=installation_id,
        )
        await mark_gone(tx, installation_id, gone=True)
