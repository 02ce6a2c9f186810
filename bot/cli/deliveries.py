"""`hubbub deliveries`: what GitHub sent."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bot.cli import local_origin
from bot.cli.output import pretty, say
from bot.cli.session import open_session
from bot.cli.tables import show_rows
from bot.settings import Settings, WrongSettings
from bot.times import stamp
from store.engine.transaction import Row, Tx
from store.inbox import deliveries, missed_deliveries

# The state of deliveries that are in GitHub's log, and not in the inbox.
LOST = "lost"
ROW = ("guid", "received_at", "event", "action", "state", "outcome", "attempts", "error")


async def list_deliveries(
    loaded: Settings, state: str | None, limit: int, *, counts: bool, as_json: bool
) -> None:
    known = (*deliveries.STATES, LOST)
    if state not in (None, *known):
        raise WrongSettings(f"--state is {state!r}; it must be one of {', '.join(known)}.")
    rows: Sequence[Row]
    async with open_session(loaded) as session:
        if counts:
            rows = await session.store.read(deliveries.counts)
        elif state == LOST:
            rows = await session.store.read(lambda tx: missed_deliveries.newest(tx, limit))
        else:
            rows = await session.store.read(lambda tx: deliveries.newest(tx, state, limit))
    columns = ("event", "action", "state", "outcome", "n") if counts else ROW
    show_rows(rows, columns, as_json=as_json, whole=("guid", "received_at"), cell=_cell)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    return stamp(value) if name.endswith("_at") else str(value)


async def show_delivery(loaded: Settings, guid: str) -> None:
    async with open_session(loaded) as session:
        found = await session.store.read(lambda tx: _delivery(tx, guid))
    say(pretty(found))


async def _delivery(tx: Tx, guid: str) -> dict[str, Any]:
    for installation_id in await deliveries.installations_of(tx, guid):
        if found := await deliveries.get(tx, installation_id, guid):
            row, delivery = found
            return {**row, "payload": json.loads(delivery.payload)}
    raise WrongSettings(
        f"There is no delivery {guid}. `hubbub deliveries list` shows those that are kept."
    )


async def replay(loaded: Settings, guid: str | None, *, all_dead: bool) -> None:
    if (guid is None) == (not all_dead):
        raise WrongSettings("Pass one GUID or --all.")
    async with open_session(loaded) as session:
        n = await session.store.write(lambda tx: _replay(tx, guid))
    if guid is not None and not n:
        raise WrongSettings(f"No dead delivery has the GUID {guid}, so there is nothing to replay.")
    say(f"`hubbub serve` will process {n} {'delivery' if n == 1 else 'deliveries'} again.")


async def _replay(tx: Tx, guid: str | None) -> int:
    if guid is None:
        dead = await deliveries.newest(tx, "dead", 1_000_000)
        chosen = [(row["installation_id"], row["guid"]) for row in dead]
    else:
        chosen = [(each, guid) for each in await deliveries.installations_of(tx, guid)]
    revived = Counter[int]()
    for installation_id, each in chosen:
        revived[installation_id] += await deliveries.revive(tx, installation_id, [each])
    for installation_id, n in (+revived).items():
        await local_origin.record(
            tx, installation_id, "deliveries replay", guid or "--all", deliveries=n
        )
    return revived.total()
