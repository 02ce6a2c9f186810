"""The sentence of the card about the newest run of the task in GitHub Actions."""

from dataclasses import dataclass

from bot.kernel.sentences import code, inline
from store.runs.runs import NOT_ENDED
from store.tables.runs import AgentRunRow, RunState

# What people read of each state.
WORDS: dict[RunState, str] = {
    "queued": "waits for a free place",
    "dispatched": "is starting",
    "running": "is running",
    "stopping": "was asked to stop",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "was cancelled",
    "not_started": "did not start",
}


# A run that was asked to stop may have succeeded all the same.
WITH_REASON = ("stopping", "failed", "cancelled", "not_started")


@dataclass(frozen=True)
class ShownRun:
    """`url`: its page on GitHub, once it is known."""

    run: AgentRunRow
    url: str | None = None

    @property
    def is_live(self) -> bool:
        return self.run["state"] in NOT_ENDED


def lines(shown: ShownRun | None) -> list[str]:
    if shown is None:
        return []
    run = shown.run
    where = f" [in GitHub Actions]({shown.url})" if shown.url else " in GitHub Actions"
    why = f": {inline(run['why'])}" if run["why"] and run["state"] in WITH_REASON else ""
    return [f"The run of {code(run['template'])}{where} {WORDS[run['state']]}{why}."]


def phase(shown: ShownRun | None) -> list[str]:
    """What people act on: that it starts is not worth an edit of its own."""
    if shown is None:
        return []
    state = shown.run["state"]
    return [f"{shown.run['id']} {'live' if state in ('dispatched', 'running') else state}"]
