"""What the labels of an issue say about its task: `priority:high`, `size:small`, `needs:python`."""

import re
from collections.abc import Iterable
from typing import Any

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
CAPABILITY = re.compile(r"[a-z0-9][a-z0-9+.#-]{0,62}(:[1-5])?")


def said(labels: Iterable[str]) -> dict[str, Any]:
    """Columns of the task that labels settle: `priority`, `size`, `capabilities`."""
    settled: dict[str, Any] = {}
    needs: set[str] = set()
    for label in labels:
        if (found := LABEL.fullmatch(label.strip())) is None:
            continue
        what, value = found[1].lower(), found[2].strip().lower()
        if what == "priority" and value in PRIORITIES:
            settled["priority"] = max(PRIORITIES[value], settled.get("priority", 0))
        elif what == "size" and value in SIZES:
            settled["size"] = max(SIZES[value], settled.get("size", 0))
        elif what in ("needs", "capability") and CAPABILITY.fullmatch(value):
            needs.add(value)
    return settled | ({"capabilities": sorted(needs)} if needs else {})


def changed(before: Iterable[str], now: Iterable[str]) -> dict[str, Any]:
    """What a change of labels settles; a label taken off settles nothing, but for needs."""
    was, new = said(before), said(now)
    if "capabilities" in was and "capabilities" not in new:
        new["capabilities"] = []
    return {name: value for name, value in new.items() if was.get(name) != value}
