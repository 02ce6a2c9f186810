"""What agents decided about pull requests, by the reviews that they queued."""

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.verdicts import VerdictRow

COLUMNS = (
    "installation_id",
    "write_id",
    "repository_id",
    "number",
    "reviewer",
    "verdict",
    "head_sha",
    "at",
)


class PostedVerdict(VerdictRow):
    """`review_id`: GitHub's id of the review, once it was posted."""

    review_id: int | None


async def add(tx: Tx, row: VerdictRow) -> None:
    await tx.run(sql.insert("verdicts", COLUMNS), **row)


async def of_pull(
    tx: Tx, installation_id: int, repository_id: int, number: int
) -> list[PostedVerdict]:
    """The verdicts whose review was posted or may still be, the oldest first."""
    rows = await tx.all(
        "SELECT v.*, w.result FROM verdicts v LEFT JOIN writes w "
        "ON w.installation_id = v.installation_id AND w.id = v.write_id "
        "WHERE v.installation_id = :i AND v.repository_id = :r AND v.number = :n "
        "AND (w.state IS NULL OR w.state NOT IN ('refused', 'dead', 'cancelled')) "
        "ORDER BY v.at, v.write_id",
        i=installation_id,
        r=repository_id,
        n=number,
    )
    return [row | {"review_id": _review_id(row["result"])} for row in rows]


def _review_id(result: str | None) -> int | None:
    found: int | None = json_text.value(result).get("id") if result else None
    return found
