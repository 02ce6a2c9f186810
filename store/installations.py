"""Where the App is installed."""

from store.transaction import Tx


async def present(tx: Tx) -> list[int]:
    """Neither removed nor suspended."""
    rows = await tx.all(
        "SELECT installation_id FROM installations WHERE deleted = 0 AND suspended_at IS NULL "
        "ORDER BY installation_id"
    )
    return [row["installation_id"] for row in rows]
