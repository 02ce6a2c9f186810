"""Reports overlaps of pull requests, and queues reads of what a comparison of symbols needs."""

from collections.abc import Iterable

from bot.mirror import reads
from bot.tasks import path_overlap
from store.engine.transaction import Tx
from store.mirror.pulls import ChangedFile
from store.tables.mirror import PullRequestRow

# Files whose content is read for one change. Each is a request.
MOST_BLOBS = 6


async def report_pull_change(
    tx: Tx, pull: PullRequestRow, files_before: Iterable[ChangedFile]
) -> None:
    lacking = await path_overlap.report_pull_change(tx, pull, files_before)
    where = pull["repository_id"]
    wanted = [reads.thread("pull_files", where, each) for each in sorted(lacking.pulls)]
    wanted += [reads.blob(where, each) for each in sorted(lacking.blobs)[:MOST_BLOBS]]
    for each in wanted:
        await reads.queue(tx, pull["installation_id"], each)
