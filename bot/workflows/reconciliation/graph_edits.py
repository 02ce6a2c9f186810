"""What people changed in the graph of a workflow on GitHub. Pure.

The steps and their needs are compared with the relations of the issues. So it does not matter in
which order, or how often, GitHub tells of a change, and Hubbub's own relations change nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from bot.workflows.execution.flow_state import ENDED
from store.tables.workflows import StepState

# A step that was taken out may come back.
FINAL = ENDED - {"removed"}


@dataclass(frozen=True)
class StoredStep:
    """A step as it is stored. `issue`: None before GitHub has it.

    `is_settled`: GitHub has all relations that Hubbub wants to make for it.
    """

    key: str
    issue: int | None
    state: StepState = "open"
    is_settled: bool = True


@dataclass(frozen=True)
class GitHubGraph:
    """What the mirror has: the sub-issues of the parent, and the blockers of each step's issue.

    `listed`: the issue whose sub-issues, or whose blockers, GitHub has listed just now. What other
    issues lack was perhaps not read yet. `circles`: blockers that keep nobody waiting, because
    they wait for the issue themselves.
    """

    listed: int | None
    sub_issues: Sequence[int] = ()
    blockers: Mapping[int, frozenset[int]] = field(default_factory=dict)
    circles: Mapping[int, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class TakeOut:
    """A person took the step's issue out of the workflow."""

    step: str


@dataclass(frozen=True)
class PutBack:
    """It is in the workflow again."""

    step: str


@dataclass(frozen=True)
class Add:
    """A person added an issue to the workflow."""

    issue: int


@dataclass(frozen=True)
class AddNeed:
    step: str
    needs: str


@dataclass(frozen=True)
class DropNeed:
    step: str
    needs: str


Edit: TypeAlias = TakeOut | PutBack | Add
NeedEdit: TypeAlias = AddNeed | DropNeed


def steps_to_change(steps: Sequence[StoredStep], drawn: GitHubGraph, parent: int) -> list[Edit]:
    """What changed among the steps. `parent`: its issue."""
    there = set(drawn.sub_issues)
    found: list[Edit] = []
    for each in steps:
        if each.issue is None or each.state in FINAL:
            continue
        if each.state == "removed":
            found += [PutBack(each.key)] if each.issue in there else []
        elif each.issue not in there and each.is_settled and drawn.listed == parent:
            found.append(TakeOut(each.key))
    known = {each.issue for each in steps}
    return found + [Add(each) for each in drawn.sub_issues if each not in known]


def needs_to_change(
    steps: Sequence[StoredStep], needs: Mapping[tuple[str, str], str], drawn: GitHubGraph
) -> list[NeedEdit]:
    """What changed between the steps. `needs`: the state of each, by the step and what it needs.

    A need that Hubbub released stays so.
    """
    present = {each.key: each for each in steps if each.state != "removed"}
    found: list[NeedEdit] = []
    for (step, needed), state in needs.items():
        if state == "present" and not _is_drawn(present, step, needed, drawn):
            found.append(DropNeed(step, needed))
    for step, needed in _drawn_between(present, drawn):
        if (step, needed) not in needs:
            found.append(AddNeed(step, needed))
    return found


def _is_drawn(
    present: Mapping[str, StoredStep], step: str, needed: str, drawn: GitHubGraph
) -> bool:
    """Whether GitHub shows the need, or cannot show it yet."""
    one, other = present.get(step), present.get(needed)
    if one is None or other is None:
        return False
    if one.issue is None or other.issue is None or not one.is_settled:
        return True
    if one.state in FINAL:
        return True  # nothing about it changes any more
    if other.issue in drawn.circles.get(one.issue, ()):
        return False
    return drawn.listed != one.issue or other.issue in drawn.blockers.get(one.issue, ())


def _drawn_between(
    present: Mapping[str, StoredStep], drawn: GitHubGraph
) -> Iterator[tuple[str, str]]:
    by_issue = {each.issue: each.key for each in present.values() if each.issue is not None}
    for each in present.values():
        if each.issue is None or each.state in FINAL:
            continue
        for blocker in sorted(drawn.blockers.get(each.issue, ())):
            if blocker in by_issue:
                yield each.key, by_issue[blocker]
