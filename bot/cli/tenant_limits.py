"""`hubbub tenant show`: what one account may use, by whose word, and what it has now."""

from typing import Any

from bot.cli.output import say
from bot.cli.session import open_session
from bot.cli.tables import show_rows
from bot.cli.tenants import find_known, quotas_of
from bot.quotas.money import NAMES, parse_caps, with_currency
from bot.settings import Settings
from bot.tenants import in_use, own_settings, usage
from store.engine.transaction import Tx
from store.tables.tenants import TenantRow
from store.tenants import own_settings as stored
from store.tenants import usage_counts

COLUMNS = ("limit", "of_task", "of_agent", "of_account", "in_use", "set_for")


async def show(loaded: Settings, account: str, *, as_json: bool) -> None:
    """Raise WrongSettings."""

    async def work(tx: Tx) -> list[dict[str, Any]]:
        return await _lines(tx, await find_known(tx, account), loaded)

    async with open_session(loaded) as session:
        rows = await session.store.read(work)
    show_rows(rows, COLUMNS, as_json=as_json, whole=("limit",))
    if not as_json:
        say(f"`hubbub tenant set {account} name=value` changes a limit, and `name=` takes it back.")


async def _lines(tx: Tx, here: int, loaded: Settings) -> list[dict[str, Any]]:
    row = await stored.of(tx, here) or {**own_settings.NOBODY, "installation_id": here}
    held = await in_use.of(tx, here)
    lines = [
        {
            "limit": name,
            "of_task": None,
            "of_agent": each.agent,
            "of_account": each.installation,
            "in_use": held.get(name),
            "set_for": _for_whom(is_own=name in row["quotas"]),
        }
        for name, each in (await quotas_of(tx, here, loaded)).items()
    ]
    return [*lines, *await _caps(tx, row, loaded)]


async def _caps(tx: Tx, row: TenantRow, loaded: Settings) -> list[dict[str, Any]]:
    """The caps on the spend of a task, and of a day. In use: what agents reported today."""
    server = parse_caps(loaded.spend_caps, loaded.currency)
    caps, own = own_settings.caps_of(row, server), parse_caps(row["caps"])
    today = await tx.now() // usage.DAY
    spent = await usage_counts.spend_between(tx, row["installation_id"], today, today)
    reported = spent.get(today, {}).get(caps.currency, 0)
    lines = []
    for name in NAMES:
        most = getattr(caps, name)
        line = dict.fromkeys(COLUMNS) | {"limit": f"spend.{name}"}
        column = "of_account" if name == "installation" else f"of_{name}"
        line[column] = None if most is None else with_currency(most, caps.currency)
        if name == "installation":
            line["in_use"] = with_currency(reported, caps.currency)
        lines.append({**line, "set_for": _for_whom(is_own=getattr(own, name) is not None)})
    return lines


def _for_whom(*, is_own: bool) -> str:
    return "this account" if is_own else "all accounts"
