"""The files of a pull request whose commits all went through Hubbub, so that nobody reads them."""

from store.engine.transaction import Tx
from store.mirror.pulls import ChangedFile
from store.outbox import write_history, writes
from store.tables.mirror import PullRequestRow
from store.tables.outbox import WriteRow

# A branch with more writes than this is read from GitHub.
MOST_WRITES = 50


async def files(tx: Tx, row: PullRequestRow) -> list[ChangedFile] | None:
    """What Hubbub's commits changed since the branch began. None if there may be more.

    A file that a later commit restored is listed too. How many lines changed is not known.
    """
    here = row["installation_id"]
    target = writes.on_branch(row["repository_id"], row["head_ref"])
    done = await write_history.results(tx, here, target, MOST_WRITES)
    commits = {_head(each): each for each in done if each["kind"] == "commit"}
    heads = {each["id"]: _head(each) for each in done}
    found: dict[str, ChangedFile] = {}
    at: str | None = row["head_sha"]
    while (write := commits.pop(at, None)) is not None:
        # Not from the result: that of a commit which a look found has no paths.
        given = write["arguments"]
        for path in (*(each["path"] for each in given["files"]), *given["delete"]):
            how = "removed" if path in given["delete"] else "modified"
            found.setdefault(path, {"path": path, "status": how, "additions": 0, "deletions": 0})
        at = given.get("head") or heads.get(given.get("after", ""))
    began_here = any(_head(each) == at and _began_at(each, row["base_ref"]) for each in done)
    return list(found.values()) if found and began_here else None


def _head(write: WriteRow) -> str | None:
    head: str | None = (write["result"] or {}).get("head")
    return head


def _began_at(write: WriteRow, base: str) -> bool:
    """Whether this write created the branch, at the head that `base` had then."""
    if write["kind"] != "branch" or "sha" in write["arguments"]:
        return False
    is_new = (write["result"] or {}).get("new") is True
    return is_new and write["arguments"]["base"] == base
