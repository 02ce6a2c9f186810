"""Which option of a board's field stands for which value, by their names. Pure functions.

The settings of a repository may name an option for a value. Otherwise the usual names are found,
whatever their case, emoji, spaces and hyphens. An option that was found once is found again by its
id after somebody renamed it.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

Names = Mapping[str, str | None]
Usual = Mapping[str, tuple[str, ...]]

# The usual names of a Status for each state, the preferred one first.
STATES: Usual = {
    "pending": ("todo", "ready", "backlog", "new", "open", "planned", "upnext", "triage"),
    "assigned": ("assigned", "reserved"),
    "in_progress": ("inprogress", "doing", "started", "working", "active", "wip", "ongoing"),
    "in_review": ("inreview", "review", "reviewing", "needsreview", "readyforreview", "codereview"),
    "completed": ("done", "complete", "completed", "closed", "finished", "shipped", "merged"),
    "failed": ("failed",),
    "cancelled": ("cancelled", "canceled", "wontdo", "wontfix", "notplanned", "dropped"),
}
PRIORITIES: Usual = {
    "high": ("high", "p0", "urgent", "critical", "highest"),
    "medium": ("medium", "p1", "normal", "default"),
    "low": ("low", "p2", "p3", "lowest", "minor"),
}
SIZES: Usual = {
    "small": ("small", "s", "xs", "tiny"),
    "medium": ("medium", "m"),
    "large": ("large", "l", "xl", "xxl"),
}
# A state without an option of its own is shown by that of another state.
LIKE = {"assigned": "pending", "in_review": "in_progress", "failed": "pending"} | {
    "cancelled": "completed"
}


class Option(TypedDict):
    id: str
    name: str


@dataclass(frozen=True)
class Matched:
    """`option_of`: the option to write for a value. `values_of`: what an option's id means."""

    option_of: Mapping[str, Option] = field(default_factory=dict)
    values_of: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # Options that the settings name and the field lacks, by value.
    unknown: Mapping[str, str] = field(default_factory=dict)


def plain(name: str) -> str:
    """The letters and digits of a name, in small letters: `✅ In-Progress` is `inprogress`."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(each for each in folded if each.isalnum())


def find(options: Sequence[Option], name: str) -> Option | None:
    """The option that somebody named: the same but for its case, or else its letters alone."""
    same = [each for each in options if each["name"].casefold() == name.casefold()]
    alike = [each for each in options if plain(name) and plain(each["name"]) == plain(name)]
    return next(iter(same + alike), None)


def match(
    options: Sequence[Option], named: Names, usual: Usual, known: Mapping[str, str]
) -> Matched:
    """`named`: the options that the settings name. `known`: the ids that were found before."""
    own: dict[str, list[Option]] = {}
    unknown: dict[str, str] = {}
    for value, name in named.items():
        if name is not None:
            found = find(options, name) or _by_id(options, known.get(value))
            own |= {value: [found]} if found else {}
            unknown |= {} if found else {value: name}
    taken = {each["id"] for found in own.values() for each in found}
    free = [each for each in options if each["id"] not in taken]
    for value, names in usual.items():
        if named.get(value) is None:
            found_here = _by_names(free, names) or _as_list(_by_id(free, known.get(value)))
            own |= {value: found_here} if found_here else {}
    return _matching(own, unknown, usual)


def _by_names(options: Sequence[Option], names: Sequence[str]) -> list[Option]:
    """Those with one of these names, in the order of the names."""
    return [each for name in names for each in options if plain(each["name"]) == name]


def _by_id(options: Sequence[Option], option_id: str | None) -> Option | None:
    return next((each for each in options if each["id"] == option_id), None)


def _as_list(option: Option | None) -> list[Option]:
    return [option] if option else []


def _matching(own: Mapping[str, list[Option]], unknown: Names, usual: Usual) -> Matched:
    shown: dict[str, list[Option]] = dict(own)
    for value in usual:
        if value not in own and value not in unknown and LIKE.get(value) in own:
            shown[value] = own[LIKE[value]]
    values: dict[str, set[str]] = {}
    for value, found in shown.items():
        for each in found:
            values.setdefault(each["id"], set()).add(value)
    return Matched(
        {value: found[0] for value, found in shown.items()},
        {option_id: frozenset(meant) for option_id, meant in values.items()},
        {value: name for value, name in unknown.items() if name is not None},
    )
