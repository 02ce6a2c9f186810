"""How far the mirror of an installation is behind, and why."""

from typing import TypedDict

from store.engine import reach
from store.engine.reach import Reach
from store.engine.transaction import Tx

# Key values of the repair: when it last read GitHub's log of deliveries to its end, and how old
# that may be where no webhook arrives (microseconds; 0 where webhooks arrive).
SURVEYED, LATE_AFTER = "deliveries surveyed at", "deliveries late after"


class Behind(TypedDict):
    """What the mirror lacks.

    `waiting`, `failed`, `dead` and `lost` are when the oldest delivery came that is in that state,
    in microseconds. `filling`: whether parts of backfills are not fetched yet.
    """

    waiting: int | None
    failed: int | None
    dead: int | None
    lost: int | None
    filling: int
    surveyed: str | None
    late_after: str | None


class LostIn(TypedDict):
    """How many deliveries a repository lacks. `id` is None for those without a repository."""

    id: int | None
    name: str | None
    n: int


PARAMETERS = {"surveyed": SURVEYED, "late_after": LATE_AFTER}


def columns(repositories: Reach) -> str:
    """The columns of `Behind`, each a query for one value. They need :i and PARAMETERS.

    `repositories`: those within reach. What belongs to none counts for everybody.
    """
    within = reach.none_or_within(repositories, "repository_id")
    received = f"(SELECT MIN(received_at) FROM deliveries WHERE installation_id = :i{within}"
    return (
        f"{received} AND state = 'received') AS waiting, "
        f"{received} AND state = 'failed') AS failed, "
        f"{received} AND state = 'dead') AS dead, "
        f"(SELECT MIN(delivered_at) FROM lost_deliveries WHERE installation_id = :i{within}) "
        "AS lost, EXISTS (SELECT 1 FROM backfills WHERE installation_id = :i AND state = 'queued'"
        f"{reach.within(repositories, 'repository_id')}) AS filling, "
        "(SELECT value FROM facts WHERE name = :surveyed) AS surveyed, "
        "(SELECT value FROM facts WHERE name = :late_after) AS late_after"
    )


async def of(tx: Tx, installation_id: int, repositories: Reach = None) -> Behind:
    given = PARAMETERS | reach.parameters(repositories)
    q = f"SELECT {columns(repositories)}"
    row: Behind | None = await tx.one(q, i=installation_id, **given)
    assert row is not None
    return row


async def dead_count(tx: Tx, installation_id: int, repositories: Reach = None) -> int:
    q = (
        "SELECT COUNT(*) AS n FROM deliveries WHERE installation_id = :i AND state = 'dead'"
        f"{reach.none_or_within(repositories, 'repository_id')}"
    )
    row = await tx.one(q, i=installation_id, **reach.parameters(repositories))
    return int(row["n"]) if row else 0


async def lost_by_repository(tx: Tx, installation_id: int) -> list[LostIn]:
    """How many deliveries are lost, for up to 10 repositories."""
    return await tx.all(
        "SELECT r.id, r.full_name AS name, COUNT(*) AS n FROM lost_deliveries d "
        "LEFT JOIN repositories r "
        "ON r.installation_id = d.installation_id AND r.id = d.repository_id "
        "WHERE d.installation_id = :i GROUP BY r.id, r.full_name ORDER BY r.full_name LIMIT 10",
        i=installation_id,
    )
