"""Titles of tasks as agents get them: an outsider may have written them."""

from collections.abc import Sequence
from typing import TypeVar, cast

from bot.kernel.operation import Context
from bot.operations.github.text_trust import WITHHELD, Author, Judge, Judged, judge_of
from store.mirror.text_edits import TextKey
from store.mirror.text_policies import PolicyState
from store.tasks.listing import TitledTask

Row = TypeVar("Row", bound=TitledTask)


async def with_titles(
    ctx: Context, rows: Sequence[Row], known: Sequence[PolicyState] = (), *, edits: bool = False
) -> list[Row]:
    """The tasks with titles that the policy passes. `outsider` then says who is not trusted.

    `edits`: whether any of the titles may have been edited.
    """
    authors = [each for row in rows if (each := _author(row))]
    keys = [key for row in rows if edits and (key := _key(row))]
    if not authors and not keys:
        return list(rows)
    judge = await judge_of(ctx, authors, keys, known)
    return [_with_title(row, judge) for row in rows]


async def with_title(ctx: Context, row: Row, *known: PolicyState, edits: bool = False) -> Row:
    (found,) = await with_titles(ctx, [row], known, edits=edits)
    return found


def _with_title(row: Row, judge: Judge) -> Row:
    judged = _judge(row, judge)
    title = WITHHELD if judged.withheld else judged.text
    outsider = None if judged.trusted else row["outsider"]
    return cast("Row", {**row, "title": title, "outsider": outsider})


def _judge(row: TitledTask, judge: Judge) -> Judged:
    author, key = _author(row), _key(row)
    if author is not None:
        return judge.judge(author, row["title"], key)
    return judge.judge_edit(key, row["title"]) if key else Judged(row["title"])


def _key(row: TitledTask) -> TextKey | None:
    number = row["number"]
    return None if number is None else TextKey.of_opening(row["repository_id"], number)


def _author(row: TitledTask) -> Author | None:
    outsider = row["outsider"]
    return None if outsider is None else Author(row["repository_id"], outsider, None)
