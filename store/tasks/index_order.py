"""Reads the first tasks in an order: from indexes that have this order, and no further."""

from functools import lru_cache

from store.engine import sql

# What each SELECT reads first.
FIRST = "tasks t JOIN"


@lru_cache(512)
def first_of_parts(
    dialect: sql.Dialect, parts: tuple[tuple[str, str], ...], order: str, select: str
) -> str:
    """SQL for the first `:n` rows of the SELECT that match one of the parts.

    A part is an index and a condition, which fixes the first columns of the index, so that its
    rows are read in order. One condition over several states would make the database read and sort
    all rows. SQLite merges the parts by itself and stops at the limit. MySQL would read each to its
    end, and keep wide rows of all in a table: it gets the keys of each part, and then the rows.
    """
    inner = ", ".join(f"t.{each}" for each in order.split(", "))
    if dialect == "sqlite":
        merged = [f"{_along(dialect, index, select)} AND {part}" for index, part in parts]
        return f"{' UNION ALL '.join(merged)} ORDER BY {inner} LIMIT :n"
    keys = ", ".join(f"t.{each.split()[0]}" for each in order.split(", "))
    _, joined = select.split(f" FROM {FIRST}")
    narrow = f"SELECT {keys} FROM {FIRST}{joined}"
    every = [
        f"{_along(dialect, index, narrow)} AND {part} ORDER BY {inner} LIMIT :n"
        for index, part in parts
    ]
    union = " UNION ALL ".join(f"({each})" for each in every) + f" ORDER BY {order} LIMIT :n"
    first = f"({union if len(every) > 1 else every[0]}) k {sql.IN_ORDER[dialect]}"
    found = f"{first} tasks t ON t.installation_id = :i AND t.id = k.id JOIN"
    return f"{select.replace(FIRST, found, 1)} ORDER BY {inner}"


def _along(dialect: sql.Dialect, index: str, select: str) -> str:
    """The SQL of a SELECT of tasks, read in the order of an index.

    Without it MySQL starts with the few repositories, and then sorts all their tasks.
    """
    first = f"{sql.by_index(dialect, 'tasks t', index)} {sql.IN_ORDER[dialect]}"
    return select.replace(FIRST, first, 1)
