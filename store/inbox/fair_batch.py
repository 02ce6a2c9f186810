"""One installation with much to do leaves room for the others."""

from collections.abc import Awaitable, Callable, Collection
from typing import TypedDict, TypeVar


class OfInstallation(TypedDict):
    installation_id: int


R = TypeVar("R", bound=OfInstallation)


async def fair_batch(
    limit: int, due: Callable[[int, Collection[int]], Awaitable[list[R]]]
) -> list[R]:
    """The first rows that are due, at most `limit`.

    If there are more, installations that are not among them get up to half of the places.
    `due` reads so many rows, and none of the installations in the collection.
    """
    first = await due(limit, ())
    if len(first) < limit:
        return first
    others = await due(limit // 2, {row["installation_id"] for row in first})
    return first[: limit - len(others)] + others
