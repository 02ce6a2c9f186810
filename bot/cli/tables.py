"""The rows of a list: a table for people, or one JSON object a line for programs."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bot.cli.output import say

# Ids that are cut are of no use to the commands that take them.
NARROWEST = 160


def text(_name: str, value: Any) -> str:
    return "" if value is None else str(value)


def show_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
    whole: Collection[str] = (),
    cell: Callable[[str, Any], str] = text,
) -> None:
    """`whole`: columns that never go over several lines. `cell` gives the text of a value."""
    if as_json:
        for row in rows:
            say(json.dumps(row))
        return
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, no_wrap=name in whole, overflow="fold")
    for row in rows:
        table.add_row(*(cell(name, row[name]) for name in columns))
    console = Console(soft_wrap=True)
    console.width = max(console.width, NARROWEST)
    console.print(table)
