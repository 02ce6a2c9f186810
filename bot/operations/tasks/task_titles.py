"""Titles of tasks as agents get them: an outsider may have written them."""

from collections.abc import Sequence
from typing import TypeVar, cast

from bot.kernel.operation import Context
from bot.operations.github.text_trust import Author, judge_of
from store.mirror.text_policies import PolicyState
from store.tasks.listing import ListedTask

Row = TypeVar("Row", bound=ListedTask)


async def with_titles(
    ctx: Context, rows: Sequence[Row], known: Sequence[PolicyState] = ()
) -> list[Row]:
    """The tasks with titles that the policy passes. `outsider` then says who is not trusted."""
    authors = {each["id"]: author for each in rows if (author := _author(each))}
    if not authors:
        return list(rows)
    judge = await judge_of(ctx, authors.values(), known=known)
    found = []
    for row in rows:
        if author := authors.get(row["id"]):
            title, trusted = judge.label(author, row["title"])
            changed = {**row, "title": title, "outsider": None if trusted else row["outsider"]}
            found.append(cast("Row", changed))
        else:
            found.append(row)
    return found


async def with_title(ctx: Context, row: Row, *known: PolicyState) -> Row:
    (found,) = await with_titles(ctx, [row], known)
    return found


def _author(row: ListedTask) -> Author | None:
    outsider = row["outsider"]
    return None if outsider is None else Author(row["repository_id"], outsider, None)
