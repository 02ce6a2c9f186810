"""What the labels of an issue say about its task: `priority:high`, `size:small`, `needs:python`."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from bot.tasks.capabilities import is_capability

LABEL = re.compile(r"(priority|size|needs|capability)\s*[:/]\s*(\S.*)", re.IGNORECASE)
PRIORITIES = {
    "low": 0,
    "p3": 0,
    "medium": 1,
    "normal": 1,
    "p2": 1,
    "high": 2,
    "critical": 2,
    "urgent": 2,
    "p0": 2,
    "p1": 2,
}
SIZES = {"xs": 0, "s": 0, "small": 0, "m": 1, "medium": 1, "l": 2, "large": 2, "xl": 2}


def has_label(labels: Iterable[str], label: str) -> bool:
    """Whether the label is among them. GitHub compares labels without case."""
    return label.casefold() in map(str.casefold, labels)


def task_fields(labels: Iterable[str]) -> dict[str, Any]:
    """The columns of the task that labels set: `priority`, `size`, `capabilities`."""
    fields: dict[str, Any] = {}
    needs: set[str] = set()
    for label in labels:
        if (found := LABEL.fullmatch(label.strip())) is None:
            continue
        what, value = found[1].lower(), found[2].strip().lower()
        if what == "priority" and value in PRIORITIES:
            fields["priority"] = max(PRIORITIES[value], fields.get("priority", 0))
        elif what == "size" and value in SIZES:
            fields["size"] = max(SIZES[value], fields.get("size", 0))
        elif what in ("needs", "capability") and is_capability(value):
            needs.add(value)
    return fields | ({"capabilities": sorted(needs)} if needs else {})


def changed_task_fields(before: Iterable[str], now: Iterable[str]) -> dict[str, Any]:
    """The columns that a change of labels sets. A removed label changes only `capabilities`."""
    was, new = task_fields(before), task_fields(now)
    if "capabilities" in was and "capabilities" not in new:
        new["capabilities"] = []
    return {name: value for name, value in new.items() if was.get(name) != value}


def labels_for(labels: Sequence[str], fields: dict[str, Any], known: Iterable[str]) -> list[str]:
    """The labels without those that contradict the task's fields, which were set another way.

    Labels that the repository has take their place; this creates no label.
    """
    left = [each for each in labels if _agrees(each, fields)]
    gone = [each for each in labels if each not in left]
    needs = task_fields(labels).get("capabilities") and fields.get("capabilities", [])
    wanted: list[dict[str, Any]] = [{"capabilities": [each]} for each in needs or ()]
    wanted += [
        {name: fields[name]}
        for each in gone
        for name in task_fields([each])
        if name != "capabilities"
    ]
    styles = [_style(each) for each in gone]
    # First those that are written like the labels they replace.
    offered = sorted(known, key=lambda label: (_style(label) not in styles, label))
    for what in wanted:
        if not any(task_fields([each]) == what for each in left):
            left += [each for each in offered if task_fields([each]) == what][:1]
    return left


def _agrees(label: str, fields: dict[str, Any]) -> bool:
    for name, value in task_fields([label]).items():
        wanted = fields.get(name, value)
        if not set(value) <= set(wanted) if name == "capabilities" else value != wanted:
            return False
    return True


def _style(label: str) -> str:
    """The label without its value."""
    found = LABEL.fullmatch(label.strip())
    return label.strip()[: found.start(2)] if found else ""
