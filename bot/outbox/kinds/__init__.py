"""Every kind of write: what to send, what to keep of the answer, how to look for its effect."""

from bot.outbox.kinds import boards, builds, comments, git, issues, pulls, reactions, threads
from bot.outbox.kinds.kind import Kind, Sending

__all__ = ["KINDS", "Kind", "Sending"]

KINDS: dict[str, Kind] = {
    **comments.KINDS,
    **reactions.KINDS,
    **issues.KINDS,
    **pulls.KINDS,
    **threads.KINDS,
    **git.KINDS,
    **boards.KINDS,
    **builds.KINDS,
}
