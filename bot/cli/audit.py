"""`hubbub audit`: verify the audit log, and print its rows."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from bot.audit import seals, verification
from bot.audit.verification import Expected, Report
from bot.cli import installations
from bot.cli.output import say, warn
from bot.cli.session import open_session
from bot.settings import Settings, WrongSettings
from bot.times import SECOND, stamp
from store.audit import records
from store.audit import seals as stored_seals
from store.engine import json_text
from store.engine.transaction import Tx
from store.tables.audit import AuditRow

# A seal as the log shows it.
SEAL = re.compile(r"(\d{1,20}):(\d{1,18}):([0-9a-f]{16,64})")
PAGE = 500


async def verify(loaded: Settings, installation: str | None, expected: Sequence[str]) -> int:
    """0 if nothing was changed, else 1."""
    wanted = [_parse_seal(each) for each in expected]
    async with open_session(loaded) as session:
        chosen = await session.store.read(lambda tx: _installations(tx, installation))
        others = {each.installation_id for each in wanted} - set(chosen)
        chosen += sorted(others) if installation is None else []
        problems = 0
        for i in chosen:
            here = [each for each in wanted if each.installation_id == i]
            report = await verification.verify(session.store, session.keys, i, here)
            problems += _print_report(report)
    if not chosen:
        say("The audit log is empty.")
    return int(problems > 0)


def _parse_seal(text: str) -> Expected:
    found = SEAL.fullmatch(text)
    if found is None:
        raise WrongSettings(
            f"--expect is {text!r}. Pass a seal as the log shows it: installation:number:hash."
        )
    return Expected(int(found[1]), int(found[2]), found[3])


async def _installations(tx: Tx, installation: str | None) -> list[int]:
    if installation is None:
        return await stored_seals.installations(tx)
    return [await installations.find(tx, installation)]


def _print_report(report: Report) -> bool:
    """Print the report. Return whether something is wrong."""
    name = f"installation {report.installation_id}"
    if report.problem is not None:
        warn(f"{name}: {report.problem}")
        return True
    last = report.last
    seal = seals.name(last["installation_id"], last["number"], last["hash"]) if last else "none"
    say(
        f"{name}: no row was changed. Rows with a seal: {report.rows}. Newer rows, which have "
        f"none yet: {report.unsealed}. Last seal: {seal}"
    )
    return False


async def export(loaded: Settings, installation: str | None, since: str | None) -> None:
    """Print the rows as JSON, one a line, the oldest of each installation first."""
    begin = _time(since) if since else 0
    async with open_session(loaded) as session:
        for i in await session.store.read(lambda tx: _installations(tx, installation)):
            after = 0
            while rows := await session.store.read(
                lambda tx, i=i, after=after: records.page(tx, i, after, records.LAST, PAGE)  # type: ignore[misc]
            ):
                for row in rows:
                    if row["at"] >= begin:
                        say(json.dumps(_json_row(row), ensure_ascii=False))
                after = rows[-1]["seq"]


def _json_row(row: AuditRow) -> dict[str, object]:
    return {**row, "at": stamp(row["at"]), "data": json_text.value(row["data"])}


def _time(text: str) -> int:
    """Microseconds of a day or a time; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise WrongSettings(
            f"--since is {text!r}. Pass a day or a time, such as 2027-01-31 or 2027-01-31T09:00Z."
        ) from exc
    in_zone = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(in_zone.timestamp() * SECOND)
