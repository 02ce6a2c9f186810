"""The texts of reviews that requested changes, by who wrote them in lower case."""

from store.engine import json_text
from store.engine.transaction import Tx


async def of_people(
    tx: Tx, installation_id: int, repository_id: int, number: int
) -> dict[str, str]:
    """By @login. The newest of each counts."""
    rows = await tx.all(
        "SELECT author, body FROM reviews WHERE installation_id = :i AND repository_id = :r "
        "AND number = :n AND state = 'changes_requested' AND deleted = 0 "
        "ORDER BY submitted_at, id",
        i=installation_id,
        r=repository_id,
        n=number,
    )
    return {f"@{row['author'] or 'ghost'}".casefold(): row["body"] for row in rows}


async def of_agents(
    tx: Tx, installation_id: int, repository_id: int, number: int
) -> dict[str, str]:
    """By the agent's id, from the writes that posted them. The newest of each counts."""
    rows = await tx.all(
        "SELECT v.reviewer, w.arguments FROM verdicts v JOIN writes w "
        "ON w.installation_id = v.installation_id AND w.id = v.write_id "
        "WHERE v.installation_id = :i AND v.repository_id = :r AND v.number = :n "
        "AND v.verdict = 'changes_requested' ORDER BY v.at, v.write_id",
        i=installation_id,
        r=repository_id,
        n=number,
    )
    return {row["reviewer"]: _text(json_text.value(row["arguments"])) for row in rows}


def _text(review: dict[str, object]) -> str:
    """Without the first line, by which Hubbub tells people the verdict."""
    return str(review.get("body", "")).removeprefix("**Changes requested.**").strip()
