"""What an issue of a foreign tracker should be here: the rules, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from bot.repository.mirror_settings import Mirror
from bot.trackers.foreign import Content
from store.tables.tasks import TaskState

# What the state there means for the task.
Wanted: TypeAlias = Literal["open", "completed", "cancelled"]
ORDER = ("low", "medium", "high")


@dataclass(frozen=True)
class Fields:
    """What an issue here has of the one there. `body`: a hash of it."""

    title: str
    body: str
    labels: tuple[str, ...]
    state: Wanted

    @property
    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "body": self.body,
            "labels": list(self.labels),
            "state": self.state,
        }


@dataclass(frozen=True)
class Merge:
    """What to change here, by field, and the fields in which people's word stands."""

    changes: dict[str, Any]
    add: tuple[str, ...]
    remove: tuple[str, ...]
    state: Wanted | None
    kept: tuple[str, ...]
    # What was in accord without a change.
    agreed: dict[str, Any]


def matches(content: Content, mirror: Mirror) -> bool:
    """Whether it becomes a task. What only members there may see is never copied."""
    has = {each.casefold() for each in content.labels}
    return not content.confidential and all(each.casefold() in has for each in mirror.labels)


def labels_here(content: Content, mirror: Mirror) -> tuple[str, ...]:
    """The labels that the settings give it, and that of its priority."""
    has = {each.casefold() for each in content.labels}
    copied = [here for there, here in mirror.copied_labels.items() if there.casefold() in has]
    found = [each for there, each in mirror.priorities.items() if there.casefold() in has]
    priority = [f"priority:{max(found, key=ORDER.index)}"] if found else []
    return tuple(sorted({each.casefold(): each for each in [*copied, *priority]}.values()))


def wanted_state(content: Content, mirror: Mirror) -> Wanted:
    """An issue that matches no longer is nobody's task any more."""
    if not matches(content, mirror):
        return "cancelled"
    if content.state == "open":
        return "open"
    has = {each.casefold() for each in content.labels}
    is_cancelled = content.moved or any(each.casefold() in has for each in mirror.cancelled)
    return "cancelled" if is_cancelled else "completed"


def state_here(state: TaskState) -> Wanted:
    """The issue of a failed task stays open."""
    if state == "completed":
        return "completed"
    return "cancelled" if state == "cancelled" else "open"


def merge(
    wanted: Fields, written: Mapping[str, Any], here: Fields, *, follows_texts: bool = True
) -> Merge:
    """The changes there since `written`, carried over where nobody changed it here.

    `here`: its fields now, with all labels of the issue. A field that is equal again is in accord.
    """
    changes: dict[str, Any] = {}
    agreed: dict[str, Any] = {}
    kept: list[str] = []
    for name in ("title", "body"):
        now, last, new = getattr(here, name), written[name], getattr(wanted, name)
        if now == new:
            agreed[name] = new
        elif now != last:
            kept.append(name)
        elif new != last and follows_texts:
            changes[name] = new
    add, remove = _labels(wanted.labels, written["labels"], here.labels)
    agreed["labels"] = list(wanted.labels)
    state = _state(wanted.state, written["state"], here.state, agreed, kept)
    return Merge(changes, add, remove, state, tuple(kept), agreed)


def _labels(
    wanted: tuple[str, ...], written: list[str], here: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A label that somebody removed or added here stays so."""
    new = {each.casefold(): each for each in wanted}
    old = {each.casefold(): each for each in written}
    has = {each.casefold() for each in here}
    add = sorted(new[each] for each in new.keys() - old.keys() if each not in has)
    remove = sorted(old[each] for each in old.keys() - new.keys() if each in has)
    return tuple(add), tuple(remove)


def _state(
    new: Wanted, last: Wanted, now: Wanted, agreed: dict[str, Any], kept: list[str]
) -> Wanted | None:
    if (now == "open") == (new == "open"):
        agreed["state"] = new
        return None
    if (now == "open") != (last == "open"):
        kept.append("state")
        return None
    return new if new != last else None
