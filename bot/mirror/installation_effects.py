"""What a change of the installation means: the App went away, came back, or may do more."""

from store.audit import records
from store.engine import json_text
from store.engine.transaction import Tx
from store.fetch import backfills
from store.mirror import stored_installations
from store.tables.mirror import InstallationRow


async def update_absence(tx: Tx, row: InstallationRow, before: InstallationRow | None) -> None:
    """Mark the installation gone or present; once it is back, start its backfill again."""
    gone = row["deleted"] or row["suspended_at"] is not None
    # The removal counts from its own time, also after a suspension.
    is_removed = bool(row["deleted"]) and (before is None or not before["deleted"])
    here = (tx, row["installation_id"])
    await stored_installations.mark_gone(*here, gone=bool(gone), is_news=is_removed)
    was_gone = before is not None and before["gone_at"] is not None
    if bool(gone) != was_gone:
        what = "installation.gone" if gone else "installation.returned"
        await records.append(*here, None, what, row["account"])
    if before is None or gone:
        return
    # GitHub sent no webhooks while the App was away, or for what it could not see.
    if before["gone_at"] is not None or _may_do_more(before["permissions"], row["permissions"]):
        await backfills.forget(tx, row["installation_id"])


def _may_do_more(before: str, now: str) -> bool:
    """False when the permissions before are not known: only other events named the installation."""
    return before != "{}" and bool(json_text.value(now).items() - json_text.value(before).items())
