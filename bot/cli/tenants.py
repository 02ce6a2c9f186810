"""`hubbub tenant`: the accounts on this server, what they may use, and what they used."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.backup import tenant_export
from bot.cli import installations, local_origin
from bot.cli.output import say
from bot.cli.session import Session, open_session
from bot.cli.tables import show_rows
from bot.identity.actors import OPERATOR
from bot.quotas import table
from bot.quotas.money import with_currency
from bot.quotas.table import Quota
from bot.settings import Settings, WrongSettings
from bot.tenants import deletion, in_use, own_settings, usage
from bot.tenants.usage import DayOfUse
from bot.times import stamp
from store.engine.transaction import Tx
from store.mirror import stored_installations
from store.tables.tenants import TenantRow
from store.tenants import own_settings as stored

# How soon every server knows: its loop reads the settings this often.
KNOWN_WITHIN_S = 5
COLUMNS = ("installation", "account", "name", "color", "own_quotas", "own_caps", "state")


async def list_tenants(loaded: Settings, *, as_json: bool) -> None:
    async with open_session(loaded) as session:
        rows = await session.store.read(_lines)
    show_rows(rows, COLUMNS, as_json=as_json, whole=("installation", "account"))


async def _lines(tx: Tx) -> list[dict[str, Any]]:
    own = {row["installation_id"]: row for row in await stored.rows(tx)}
    found = []
    for each in await stored_installations.every_one(tx):
        row = own.get(each["installation_id"], own_settings.NOBODY)
        gone = "removed" if each["deleted"] else "suspended" if each["suspended_at"] else "active"
        found.append(
            {
                "installation": each["installation_id"],
                "account": each["account"],
                "name": row["name"] or None,
                "color": row["color"] or None,
                "own_quotas": _quota_words(row) or None,
                "own_caps": row["caps"] or None,
                "state": gone,
            }
        )
    return found


def _quota_words(row: TenantRow) -> str:
    return ", ".join(own_settings.changes_of({**own_settings.NOBODY, "quotas": row["quotas"]}))


async def set_values(loaded: Settings, account: str, changes: list[str]) -> None:
    """Change what the operator set for an account. All changes are made, or none."""
    async with open_session(loaded) as session:
        defaults = table.parse(loaded.quotas)

        async def work(tx: Tx) -> TenantRow:
            here = await find_known(tx, account)
            row = await stored.of(tx, here) or {**own_settings.NOBODY, "installation_id": here}
            for each in changes:
                try:
                    row = own_settings.with_change(row, each, defaults)
                except ValueError as exc:
                    raise WrongSettings(f"Nothing was changed: {exc}.") from exc
            row = {**row, "changed_at": await tx.now(), "changed_by": OPERATOR}
            await stored.put(tx, row)
            await local_origin.record(tx, here, "tenant set", account, changes=changes)
            return row

        row = await session.store.write(work)
    own = " ".join(own_settings.changes_of(row)) or "nothing"
    say(f"{account} has of its own: {own}. Every server knows it within {KNOWN_WITHIN_S} seconds.")


async def find(tx: Tx, account: str) -> int:
    """The installation of the account, also if it was removed. Raise WrongSettings."""
    removed = await stored_installations.removed_from(tx, account)
    live = await stored_installations.installation_of(tx, account)
    if live is None and len(removed) > 1:
        numbers = ", ".join(map(str, sorted(removed)))
        raise WrongSettings(f"{account} had several installations. Pass one of {numbers}.")
    if live is None and removed:
        return removed[0]
    found = await installations.find(tx, account)
    # 0 has what belongs to the server: its plug-ins, the keys that it trusts, and its audit log.
    if found == 0:
        raise WrongSettings("No account has the number 0. Pass its login.")
    return found


async def find_known(tx: Tx, account: str) -> int:
    """Not one of which only the number is known. Raise WrongSettings."""
    found = await find(tx, account)
    if await stored_installations.installation(tx, found) is None:
        raise WrongSettings(f"Hubbub knows no installation with the number {found}.")
    return found


async def show_usage(loaded: Settings, account: str, month: str | None, *, as_json: bool) -> None:
    async with open_session(loaded) as session:
        here = await session.store.read(lambda tx: find_known(tx, account))
        await usage.count(session.store, here)
        today = await session.store.read(lambda tx: tx.now()) // usage.DAY
        first, last = days_of(month, today)
        days = await session.store.read(lambda tx: usage.report(tx, here, first, last))
        held = await session.store.read(lambda tx: in_use.of(tx, here))
        quotas = await session.store.read(lambda tx: quotas_of(tx, here, loaded))
    rows = [_usage_line(each) for each in days]
    total = {**_usage_line(usage.total(days)), "day": "total"}
    if as_json:
        total["in_use"] = held
    show_rows([*rows, total], ("day", *usage.NAMES, "spend"), as_json=as_json, whole=("day",))
    if not as_json:
        say(f"In use now: {', '.join(_in_use(quotas[name], n) for name, n in held.items())}.")


async def quotas_of(tx: Tx, here: int, loaded: Settings) -> dict[str, Quota]:
    defaults, row = table.parse(loaded.quotas), await stored.of(tx, here)
    return {**defaults, **(own_settings.quotas_of(row, defaults) if row else {})}


def _in_use(quota: Quota, used: int) -> str:
    most = "" if quota.installation is None else f" of {quota.installation:,}"
    return f"{used:,}{most} {quota.unit}"


def days_of(month: str | None, today: int) -> tuple[int, int]:
    """The first and the last day of a month such as 2026-11, or of this month until today."""
    if month is None:
        now = datetime.fromtimestamp(today * 86_400, UTC)
        return today - now.day + 1, today
    try:
        start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
        year, number = divmod(start.year * 12 + start.month, 12)
        end = datetime(year, number + 1, 1, tzinfo=UTC)
    except ValueError as exc:
        raise WrongSettings(f"Write the month as 2026-11, not {month!r}.") from exc
    return int(start.timestamp()) // 86_400, int(end.timestamp()) // 86_400 - 1


def _usage_line(each: DayOfUse) -> dict[str, Any]:
    spend = ", ".join(with_currency(cost, name) for name, cost in sorted(each.spend.items()))
    counts = {name: each.counts.get(name, 0) for name in usage.NAMES}
    return {"day": stamp(each.day * usage.DAY)[:10], **counts, "spend": spend or None}


async def export(loaded: Settings, account: str, path: Path) -> None:
    async with open_session(loaded) as session:
        here = await session.store.read(lambda tx: find_known(tx, account))
        await session.store.write(
            lambda tx: local_origin.record(tx, here, "tenant export", account)
        )
        counts = tenant_export.write(loaded.database_url, session.keys, here, path)
    say(f"{path} has {sum(counts.values())} rows of {account} in {len(counts)} files.")


async def delete(loaded: Settings, account: str, *, confirmed: bool) -> None:
    async with open_session(loaded) as session:
        here = await session.store.read(lambda tx: find(tx, account))
        counts = await session.store.read(lambda tx: deletion.counts(tx, here))
        await _check_deletion(session, account, here, counts, confirmed=confirmed)
        try:
            dropped = await deletion.delete(session.store, here, account)
        except deletion.RowsLeft as exc:
            raise WrongSettings(str(exc)) from exc
    say(f"All {dropped} rows of {account} are deleted. Backups may still have them.")


async def _check_deletion(
    session: Session, account: str, here: int, counts: dict[str, int], *, confirmed: bool
) -> None:
    row = await session.store.read(lambda tx: stored_installations.installation(tx, here))
    if row is not None and not row["deleted"]:
        raise WrongSettings(
            f"The App is installed on {account}, so GitHub would send its data again. Uninstall "
            "it there first. Nothing was deleted."
        )
    if not confirmed:
        say(json.dumps({name: n for name, n in counts.items() if n}))
        raise WrongSettings(
            f"This deletes {sum(counts.values())} rows of {account} for ever. Export them first "
            "if somebody may need them, and then pass --yes."
        )
