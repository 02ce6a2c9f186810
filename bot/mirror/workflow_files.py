"""Has the files for Hubbub read that a pull request changes, for Hubbub's check on it."""

from bot.mirror import reads
from bot.pulls import workflow_files
from bot.workflows.definitions import file_checks
from store.engine.transaction import Tx
from store.mirror import code_objects, pulls
from store.tables.mirror import PullRequestRow


async def check_changed(tx: Tx, pull: PullRequestRow) -> None:
    """After the list of changed files came. A file that Hubbub has is not read again."""
    here = (pull["installation_id"], pull["repository_id"])
    known = await pulls.files(tx, *here, pull["number"])
    if known is None or pull["state"] != "open":
        return
    missing = await workflow_files.unread(tx, here, known["files"])
    shas = list(dict.fromkeys(sha for _, sha in missing))
    contents = await code_objects.get_all(tx, here, "blob", shas) if shas else {}
    for path, sha in missing:
        if sha in contents:
            await file_checks.check_changed(tx, here, path, sha, contents[sha])
    for sha in shas:
        if sha not in contents:
            await reads.queue(tx, here[0], reads.workflow_file(here[1], sha))
