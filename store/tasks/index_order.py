"""Reads the first tasks in an order: from indexes that have this order, and no further."""

from functools import lru_cache

from store.engine import sql


@lru_cache(512)
def first_of_parts(
    dialect: sql.Dialect, parts: tuple[tuple[str, str], ...], order: str, select: str
) -> str:
    """SQL for the first `:n` rows of the SELECT that match one of the parts.

    A part is an index and a condition, which fixes the first columns of the index, so that its
    rows are read in order. One condition over several states would make the database read and sort
    all rows. SQLite merges the parts by itself and stops at the limit; MySQL would read each to
    its end.
    """
    inner = ", ".join(f"t.{each}" for each in order.split(", "))
    if dialect == "sqlite":
        merged = [f"{_along(dialect, index, select)} AND {part}" for index, part in parts]
        return f"{' UNION ALL '.join(merged)} ORDER BY {inner} LIMIT :n"
    one = [
        f"SELECT * FROM ({_along(dialect, index, select)} AND {part} "
        f"ORDER BY {inner} LIMIT :n) part_{n}"
        for n, (index, part) in enumerate(parts)
    ]
    return f"{' UNION ALL '.join(one)} ORDER BY {order} LIMIT :n"


def _along(dialect: sql.Dialect, index: str, select: str) -> str:
    """The SQL of a SELECT of tasks, read in the order of an index.

    Without it MySQL starts with the few repositories, and then sorts all their tasks.
    """
    first = f"{sql.by_index(dialect, 'tasks t', index)} {sql.IN_ORDER[dialect]}"
    return select.replace("tasks t JOIN", first, 1)
