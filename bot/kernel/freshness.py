"""How far the mirror is behind GitHub, and why."""

from dataclasses import dataclass
from typing import Any

from bot.times import SECOND, stamp
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.fetch import backfills
from store.fetch.backfills import Unfinished
from store.mirror import freshness


@dataclass(frozen=True)
class Freshness:
    """The mirror has what GitHub sent up to `at`, in microseconds. `behind` says why not later."""

    at: int
    behind: list[str]

    def fields(self, now: int) -> dict[str, Any]:
        """The fields of every answer that say so."""
        stale_s = round((now - self.at) / SECOND, 1)
        return {"as_of": stamp(self.at), "stale_s": stale_s, "behind": self.behind}


async def of(tx: Tx, installation_id: int, now: int, reach: Reach = None) -> Freshness:
    """`reach`: the repositories that the answer may name; None: all."""
    row = await freshness.of(tx, installation_id, reach)
    return await explain(tx, installation_id, row, now, reach)


async def explain(
    tx: Tx,
    installation_id: int,
    row: freshness.Behind,
    now: int,
    reach: Reach = None,
) -> Freshness:
    """The freshness by a row that was read before."""
    kept_out = (row["waiting"], row["failed"], row["dead"], row["lost"])
    since = [at for at in kept_out if at is not None]
    why: list[str] = []
    if late := _unread_since(row, now):
        since.append(late)
        why.append("GitHub's log of deliveries cannot be read, and webhooks cannot reach Hubbub")
    if row["dead"] is not None:
        n = await freshness.dead_count(tx, installation_id, reach)
        why.append(
            f"{_deliveries(n)} could not be processed: `hubbub deliveries list --state dead`"
        )
    if row["failed"] is not None:
        why.append("a delivery failed and will be tried again")
    if row["lost"] is not None:
        why += [
            f"{each['name'] or 'the installation'}: {_deliveries(each['n'])} lost, being fetched"
            for each in await freshness.lost_by_repository(tx, installation_id)
            if _is_within(each, reach)
        ]
    if row["filling"]:
        why += [
            f"{each['name']}: being fetched, {_share(each)}"
            for each in await backfills.unfinished_repositories(tx, installation_id)
            if _is_within(each, reach)
        ]
    return Freshness(min([now, *since]), why)


def _unread_since(row: freshness.Behind, now: int) -> int | None:
    """Without webhooks: since when GitHub's log was not read, if that is too long ago."""
    late_after, surveyed = int(row["late_after"] or 0), int(row["surveyed"] or 0)
    return surveyed if late_after and now - surveyed > late_after else None


def _is_within(row: freshness.LostIn | Unfinished, reach: Reach) -> bool:
    return reach is None or row["id"] is None or row["id"] in reach


async def filling(tx: Tx) -> dict[str, str]:
    """The running backfills of all installations, with their progress."""
    return {row["name"]: _share(row) for row in await backfills.unfinished_repositories(tx)}


def _deliveries(n: int) -> str:
    return f"{n} {'delivery' if n == 1 else 'deliveries'}"


def _share(row: Unfinished) -> str:
    seen, expected = int(row["seen"]), int(row["expected"])
    return f"{min(99, 100 * seen // expected)} %" if expected else f"{seen} items so far"
