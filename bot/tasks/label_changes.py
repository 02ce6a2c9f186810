"""Changes of an issue's labels that wait in the outbox: names to add and names to remove."""

from store.engine.transaction import Tx
from store.outbox import issue_changes, writes
from store.tables.mirror import IssueRow


async def coming_labels(tx: Tx, issue: IssueRow) -> list[dict[str, list[str]]]:
    """The changes of its labels that the mirror does not show yet, oldest first."""
    target = writes.on_issue(issue["repository_id"], issue["number"])
    found = await issue_changes.changes(tx, issue["installation_id"], target, "labels")
    coming = [
        each
        for each in found
        if each["state"] in writes.LIVE or (each["finished_at"] or 0) > issue["updated_at"]
    ]
    return [each["arguments"]["labels"] for each in reversed(coming)]


def labels_after(now: list[str], coming: list[dict[str, list[str]]]) -> list[str]:
    for change in coming:
        now = names_after(now, change)
    return now


def names_after(now: list[str], change: dict[str, list[str]]) -> list[str]:
    """The names with `add` and without `remove`. GitHub ignores their case."""
    gone = {each.casefold() for each in change["remove"]}
    kept = [each for each in now if each.casefold() not in gone]
    there = {each.casefold() for each in kept}
    return kept + [each for each in change["add"] if each.casefold() not in there]
