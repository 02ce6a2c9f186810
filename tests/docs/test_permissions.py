"""The page on permissions prints the permission table."""

import os
import re
from pathlib import Path

from bot.identity.permissions import RULES, Rule

PAGE = Path(__file__).parents[2] / "docs/reference/permissions.md"
COLUMNS = ("operation or action", "own", "same task", "any", "people", "its own")
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n"
PRINTED = re.compile(r"^\| operation or action .*?\n(?!\|)", re.DOTALL | re.MULTILINE)


def row(action: str, rule: Rule) -> str:
    cells = (rule.own, rule.same_task, rule.any)
    shown = [each or "nobody" for each in cells]
    return f"| `{action}` | {' | '.join(shown)} | {rule.people or ''} | {rule.own_is} |\n"


def test_the_page_prints_the_table() -> None:
    """After a wanted change: HUBBUB_UPDATE_SNAPSHOTS=1 pytest tests/docs/test_permissions.py."""
    table = HEAD + "".join(row(action, rule) for action, rule in RULES.items())
    page = PAGE.read_text()
    if os.environ.get("HUBBUB_UPDATE_SNAPSHOTS"):
        page = PRINTED.sub(table, page)
        PAGE.write_text(page)
    assert table in page
