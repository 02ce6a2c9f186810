"""`hubbub writes`: what waits to be sent to GitHub."""

from typing import Any

from bot.cli import installations, local_origin
from bot.cli.output import say
from bot.cli.session import open_session
from bot.cli.tables import show_rows
from bot.errors import Refused
from bot.outbox import cancellation, stopped
from bot.settings import Settings, WrongSettings
from bot.tasks import lookup
from bot.times import stamp
from store.engine.transaction import Tx
from store.outbox import write_history, writes
from store.outbox.write_history import Wanted
from store.tables.outbox import WriteRow

COLUMNS = ("write_id", "queued_at", "author", "kind", "number", "state", "why")
OPERATOR = "The operator of Hubbub cancelled it."
# One transaction cancels so many.
AT_ONCE = 200


async def list_writes(
    loaded: Settings,
    installation: str,
    agent: str | None,
    task: str | None,
    state: str | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    if state not in (None, *writes.LIVE, *writes.FINAL):
        known = ", ".join((*writes.LIVE, *writes.FINAL))
        raise WrongSettings(f"--state is {state!r}; it must be one of {known}.")
    states = (state,) if state else writes.LIVE

    async def find(tx: Tx) -> list[dict[str, Any]]:
        here = await installations.find(tx, installation)
        wanted = await _filters(tx, here, agent, task, states)
        found = await write_history.page(tx, here, wanted, None, limit)
        paused = await stopped.pause_reasons(tx, found)
        return [_table_row(row, paused.get(row["id"])) for row in found]

    async with open_session(loaded) as session:
        rows = await session.store.read(find)
    show_rows(rows, COLUMNS, as_json=as_json, whole=("write_id", "queued_at"))


async def _filters(
    tx: Tx, installation_id: int, agent: str | None, task: str | None, states: tuple[str, ...]
) -> Wanted:
    try:
        task_id = (await lookup.find(tx, installation_id, task))["id"] if task else None
    except Refused as exc:
        raise WrongSettings(f"--task: {exc.message}") from exc
    return Wanted(states=states, authors=[agent] if agent else None, task_id=task_id)


def _table_row(row: WriteRow, paused: str | None) -> dict[str, Any]:
    error = row["error"]
    return {
        "write_id": row["id"],
        "queued_at": stamp(row["queued_at"]),
        "author": row["author"],
        "kind": row["kind"],
        "number": row["arguments"].get("number"),
        "state": row["state"],
        "why": paused or (error and error["message"]),
    }


async def cancel_writes(
    loaded: Settings,
    installation: str,
    write_id: str | None,
    agent: str | None,
    task: str | None,
    *,
    all_of_them: bool,
) -> None:
    if sum((write_id is not None, bool(agent or task), all_of_them)) != 1:
        raise WrongSettings("Pass one write's id; or --agent, --task or both; or --all.")
    n = 0
    async with open_session(loaded) as session:
        here = await session.store.read(lambda tx: installations.find(tx, installation))
        if write_id is not None:
            n = await session.store.write(lambda tx: _cancel_one(tx, here, write_id))
        else:
            wanted = await session.store.read(
                lambda tx: _filters(tx, here, agent, task, ("queued",))
            )
            while found := await session.store.write(lambda tx: _cancel_some(tx, here, wanted)):
                n += found
    say(f"{n} {'write is' if n == 1 else 'writes are'} cancelled.")


async def _cancel_one(tx: Tx, installation_id: int, write_id: str) -> int:
    row = await writes.get(tx, installation_id, write_id)
    if row is None:
        raise WrongSettings(f"There is no write {write_id}. `hubbub writes list` lists them.")
    await local_origin.record(tx, installation_id, "writes cancel", write_id)
    if done := await cancellation.cancel(tx, row, OPERATOR, author_knows=False):
        return len(done)
    raise WrongSettings(f"{write_id} cannot be cancelled, because it is {row['state']}.")


async def _cancel_some(tx: Tx, installation_id: int, wanted: Wanted) -> int:
    rows = await write_history.page(tx, installation_id, wanted, None, AT_ONCE)
    tx.origin = local_origin.of()
    done = len(await cancellation.cancel_each(tx, rows, OPERATOR, None))
    if done:
        subject = wanted.task_id or ",".join(wanted.authors or ())
        await local_origin.record(tx, installation_id, "writes cancel", subject, writes=done)
    return done
