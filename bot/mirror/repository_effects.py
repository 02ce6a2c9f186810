"""What a change of a repository means: it was deleted or restored, or a feature may be on again."""

from bot.mirror import reads
from store.audit import records
from store.engine.transaction import Tx
from store.fetch import backfills, pending_reads
from store.mirror import stored_repositories
from store.tables.mirror import RepositoryRow


async def update_absence(tx: Tx, row: RepositoryRow, before: RepositoryRow | None) -> None:
    """Mark a deleted repository as gone. Fetch a restored one again: it sent no webhooks."""
    here = (tx, row["installation_id"], row["id"])
    was_deleted = before is not None and bool(before["deleted"])
    if bool(row["deleted"]) == was_deleted:
        return
    await stored_repositories.mark_repository_gone(*here, gone=bool(row["deleted"]))
    what = "repository.restored" if was_deleted else "repository.deleted"
    await records.append(tx, row["installation_id"], None, what, row["full_name"])
    if was_deleted:
        await backfills.forget(*here)
        await reads.queue(tx, row["installation_id"], reads.ALL_REPOSITORIES)


async def read_namesakes(tx: Tx, row: RepositoryRow, before: RepositoryRow | None) -> None:
    """Read other repositories of the same name: they were renamed or deleted without an event."""
    is_old = before is not None and before["full_name_key"] == row["full_name_key"]
    if is_old or row["deleted"]:
        return
    here = (tx, row["installation_id"])
    for other in await stored_repositories.namesakes(*here, row["full_name_key"], row["id"]):
        await reads.queue(*here, reads.repository("repository", other))


async def fetch_refused_parts(tx: Tx, installation_id: int, repository_id: int) -> None:
    """Fetch what GitHub refused, because a feature that was off may be on now."""
    await backfills.retry_refused(tx, installation_id, repository_id)
    await pending_reads.wake_parked(tx, installation_id, repository_id)
