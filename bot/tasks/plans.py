"""Plans: tasks that are made together, with their relations. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

PARENT_WAITS = "A parent cannot be claimed until all its sub-issues are closed."
# GitHub's limits on an issue's relations.
MOST_SUB_ISSUES, MOST_LEVELS, MOST_DEPENDENCIES = 100, 8, 50


@dataclass(frozen=True)
class Relations:
    """What a task of the plan is related to: keys of tasks of the plan, or of existing issues."""

    blocked_by: Sequence[str] = ()
    parent: str | None = None

    @property
    def first(self) -> list[str]:
        """What should be made before it, so that its relations can follow at once."""
        return [*([self.parent] if self.parent else []), *self.blocked_by]


def creation_order(plan: Mapping[str, Relations]) -> list[str]:
    """The tasks of the plan, parents and blockers first, otherwise in the given order."""
    order: list[str] = []
    seen: set[str] = set()
    for start in plan:
        path = [start]
        while path:
            key = path[-1]
            seen.add(key)
            ahead = (each for each in plan[key].first if each in plan and each not in seen)
            if (following := next(ahead, None)) is not None:
                path.append(following)
                continue
            path.pop()
            if key not in order:
                order.append(key)
    return order


def waits(plan: Mapping[str, Relations]) -> set[tuple[str, str]]:
    """Who waits for whom: the blocked task for its blocker, and the parent for its sub-issue."""
    found = {(key, each) for key, its in plan.items() for each in its.blocked_by}
    return found | {(its.parent, key) for key, its in plan.items() if its.parent}


def cycle(edges: Collection[tuple[str, str]], starts: Collection[str]) -> list[str]:
    """A cycle through one of the starts, as a path that begins and ends with it. [] if none."""
    onward: dict[str, list[str]] = {}
    for waiting, awaited in sorted(edges):
        onward.setdefault(waiting, []).append(awaited)
    for start in starts:
        came_from: dict[str, str] = {}
        ahead = [start]
        while ahead:
            here = ahead.pop()
            for each in onward.get(here, ()):
                if each not in came_from:
                    came_from[each] = here
                    ahead.append(each)
        if start in came_from:
            return _path(came_from, start)
    return []


def _path(came_from: Mapping[str, str], start: str) -> list[str]:
    path = [start, came_from[start]]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def levels(plan: Mapping[str, Relations], key: str) -> list[str]:
    """The parents above a task of the plan, the nearest first; the last may exist already."""
    above: list[str] = []
    while key in plan and (parent := plan[key].parent) is not None and parent not in above:
        above.append(parent)
        key = parent
    return above
