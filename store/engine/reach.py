"""The repositories that a caller may see, as a condition of queries."""

from collections.abc import Collection
from typing import Any, TypeAlias

# Ids of repositories. None: all of the installation.
Reach: TypeAlias = Collection[int] | None


def within(reach: Reach, column: str) -> str:
    """The condition that the column names a repository within reach. It begins with AND."""
    return "" if reach is None else f" AND {column} IN :reach"


def none_or_within(reach: Reach, column: str) -> str:
    """The same, for rows that may belong to no repository: everybody sees those."""
    return "" if reach is None else f" AND ({column} IS NULL OR {column} IN :reach)"


def of_task(reach: Reach, task: str) -> str:
    """The condition that the column names a task in a repository within reach."""
    if reach is None:
        return ""
    return (
        " AND EXISTS (SELECT 1 FROM tasks x WHERE x.installation_id = :i "
        f"AND x.id = {task} AND x.repository_id IN :reach)"
    )


def parameters(reach: Reach) -> dict[str, Any]:
    """The parameters of these conditions."""
    return {} if reach is None else {"reach": tuple(sorted(reach))}


def is_one(reach: Reach) -> bool:
    """Whether it is exactly one repository."""
    return reach is not None and len(reach) == 1
