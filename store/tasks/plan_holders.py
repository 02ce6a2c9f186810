"""Who holds the tasks of the issues below an issue."""

from store.engine import sql
from store.engine.transaction import Tx

# Levels of issues, and issues in all, that are looked at.
MOST_LEVELS, MOST_ISSUES = 5, 500


async def below(tx: Tx, installation_id: int, issue_id: int) -> set[str]:
    """The holders of all tasks below the issue, on the first levels."""
    found, level, seen = set[str](), [issue_id], {issue_id}
    for _ in range(MOST_LEVELS):
        rows = await tx.all(
            "SELECT n.source_id, t.holder FROM "
            f"{sql.by_index(tx.dialect, 'relations n', 'ix_relations_target')} "
            "LEFT JOIN tasks t ON t.installation_id = :i AND t.issue_id = n.source_id "
            "WHERE n.installation_id = :i AND n.kind = 'parent' AND n.target_id IN :ids LIMIT :n",
            i=installation_id,
            ids=tuple(level),
            n=MOST_ISSUES,
        )
        found |= {row["holder"] for row in rows if row["holder"]}
        level = [row["source_id"] for row in rows if row["source_id"] not in seen]
        seen |= {*level}
        if not level or len(seen) > MOST_ISSUES:
            break
    return found
