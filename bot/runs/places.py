"""How many runs of a repository may run at the same time, and whose turn is next. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from bot.repository.repository_settings import RepositorySettings
from store.tables.runs import AgentRunRow


def in_order(queue: Sequence[AgentRunRow]) -> list[AgentRunRow]:
    """Those of high priority first, then the oldest."""
    return sorted(queue, key=lambda row: (-row["priority"], row["created_at"], row["id"]))


def has_place(settings: RepositorySettings, template: str, live: Mapping[str, int]) -> bool:
    """Whether one more run of the template may run. `live`: how many run now, by template."""
    if sum(live.values()) >= settings.runs.parallel:
        return False
    # A run whose template was removed from the file still gets its turn.
    known = settings.templates.get(template)
    most = known.limits.parallel if known else None
    return most is None or live.get(template, 0) < most


def next_runs(
    settings: RepositorySettings, queue: Sequence[AgentRunRow], live: Mapping[str, int]
) -> Iterator[AgentRunRow]:
    """The queued runs for which there is a place now, in their order."""
    counts = dict(live)
    for run in in_order(queue):
        if has_place(settings, run["template"], counts):
            counts[run["template"]] = counts.get(run["template"], 0) + 1
            yield run
