"""Why a write cannot be sent, if the write that it builds on did not take effect. Pure."""

from store.tables.outbox import WriteRow

# What failed, by the kind of write that others build on.
FAILED = {
    "branch": "the branch `{branch}` could not be created",
    "commit": "the commit to `{branch}` failed",
    "pull": "the pull request from `{head}` could not be opened",
    "issue": "the issue could not be created",
}
OTHER = "the write that it builds on, {id}, did not take effect"
NOT_SENT = "Not sent: "


def obstacle(after: str, before: WriteRow | None) -> str:
    """What failed, and the reason. `before` is the write with the id `after`."""
    if before is None or before["kind"] not in FAILED:
        return OTHER.format(id=after)
    what = FAILED[before["kind"]].format_map(before["arguments"])
    why = (before["error"] or {}).get("message", "").removeprefix(NOT_SENT)
    return f"{what}, because {why}" if why else what
