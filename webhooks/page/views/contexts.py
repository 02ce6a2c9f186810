"""Contexts, and one of them: its versions, and what changed between two of them."""

import difflib
import json
from typing import Any

from webhooks.page.visit import Visit

ON_A_PAGE = 50
# Characters of a content that the page shows, and lines that it compares.
LONGEST, MOST_LINES = 100_000, 2000
CONTEXT_LINES = 3


async def contexts(visit: Visit) -> dict[str, Any]:
    wanted = {name: visit.value(name) for name in ("task", "owner", "prefix")}
    found = await visit.call(
        "list_contexts", limit=ON_A_PAGE, cursor=visit.value("cursor"), **wanted
    )
    return {"found": found, "wanted": wanted}


async def context(visit: Visit) -> dict[str, Any]:
    context_id, version = visit.part("context"), _number(visit, "version")
    shown = await visit.call("get_context", context_id=context_id, version=version)
    history = await visit.call("get_context", context_id=context_id, history=True)
    number = shown.version.version
    before = _number(visit, "compare") or (number - 1 if number > 1 else None)
    text = _as_text(shown.content)
    return {
        "title": shown.context.name,
        "context": shown.context,
        "version": shown.version,
        "history": history.history,
        "files": shown.attachments,
        "text": text[:LONGEST],
        "is_cut": len(text) > LONGEST,
        "before": before,
        "diff": await _diff(visit, context_id, before, text) if before else [],
    }


def _number(visit: Visit, name: str) -> int | None:
    text = visit.value(name)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _as_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True)


async def _diff(visit: Visit, context_id: str, before: int, text: str) -> list[tuple[str, str]]:
    """The lines that differ from the other version, each with what became of it."""
    old = await visit.call("get_context", context_id=context_id, version=before)
    return changed_lines(_as_text(old.content), text)


def changed_lines(old: str, new: str) -> list[tuple[str, str]]:
    """Pairs of `ins`, `del` or `span`, and a line. Long texts are compared at their beginning."""
    found = difflib.unified_diff(
        old.splitlines()[:MOST_LINES],
        new.splitlines()[:MOST_LINES],
        lineterm="",
        n=CONTEXT_LINES,
    )
    tags = {"+": "ins", "-": "del"}
    lines = list(found)[2:]
    return [(tags.get(each[:1], "span"), each) for each in lines]
