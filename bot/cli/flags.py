"""`hubbub flags`: risky paths, turned on for some installations first."""

from typing import Any

from bot.cli import installations, local_origin
from bot.cli.output import say
from bot.cli.session import open_session
from bot.cli.tables import show_rows
from bot.flags import setting
from bot.flags.fall_back import WINDOW
from bot.flags.known import FLAGS
from bot.flags.rollout import ALL
from bot.identity.actors import OPERATOR
from bot.settings import Settings, WrongSettings
from bot.times import stamp
from store.engine.transaction import Tx
from store.flags import feature_flags, flag_counts
from store.flags.feature_flags import EVERYWHERE
from store.flags.flag_counts import Count
from store.tables.flags import FeatureFlagRow

COLUMNS = ("flag", "installation", "state", "changed_at", "by", "why", "failed_on", "failed_off")
# How soon every server knows: its loop reads the flags this often.
KNOWN_WITHIN_S = 5


async def list_flags(loaded: Settings, *, as_json: bool) -> None:
    async with open_session(loaded) as session:
        rows = await session.store.read(_lines)
    show_rows(rows, COLUMNS, as_json=as_json, whole=("flag", "state"))


async def _lines(tx: Tx) -> list[dict[str, Any]]:
    """A line for each flag, and one for each installation with a value of its own."""
    rows = await feature_flags.rows(tx)
    sums = await flag_counts.sums(tx, await tx.now() - WINDOW)
    found = []
    for name, known in FLAGS.items():
        here = [row for row in rows if row["name"] == name]
        failed = {
            "failed_on": _errors_of(sums.get((name, True))),
            "failed_off": _errors_of(sums.get((name, False))),
        }
        default = {"state": "on" if known.is_on else "off", "why": "default"}
        if all(row["installation_id"] != EVERYWHERE for row in here):
            nobody = {"changed_at": None, "by": None}
            found.append({"flag": name, "installation": "all", **default, **nobody, **failed})
        found += [_line(row) | failed for row in here]
    return found


def _line(row: FeatureFlagRow) -> dict[str, Any]:
    here = row["installation_id"]
    share = f"on for {row['percentage']}%" if 0 < row["percentage"] < ALL else "on"
    return {
        "flag": row["name"],
        "installation": "all" if here == EVERYWHERE else here,
        "state": share if row["state"] == "on" else row["state"],
        "changed_at": stamp(row["changed_at"]),
        "by": row["changed_by"],
        "why": row["why"],
    }


def _errors_of(count: Count | None) -> str | None:
    return f"{count.errors} of {count.calls}" if count else None


async def set_flag(
    loaded: Settings, name: str, text: str, installation: str | None, why: str
) -> None:
    value = setting.parse(text)

    async def write(tx: Tx, here: int) -> None:
        await setting.put(tx, here, name, value, OPERATOR, why)
        data = {"state": value.state, "percentage": value.percentage}
        await local_origin.record(tx, here, "flags set", name, **data)

    where = await _change(loaded, name, installation, write)
    say(f"{name} is {value.words} for {where}, on every server within {KNOWN_WITHIN_S} seconds.")


async def clear_flag(loaded: Settings, name: str, installation: str | None) -> None:
    async def write(tx: Tx, here: int) -> None:
        if not await setting.clear(tx, here, name):
            raise WrongSettings(f"{name} is not set there. `hubbub flags list` shows what is set.")
        await local_origin.record(tx, here, "flags clear", name)

    where = await _change(loaded, name, installation, write)
    say(f"{name} is as it was before it was set for {where}.")


async def _change(loaded: Settings, name: str, installation: str | None, write: Any) -> str:
    """Run `write` for an installation, or for all. Return for which, in words."""
    setting.check(name)

    async def work(tx: Tx) -> None:
        here = await installations.find(tx, installation) if installation else EVERYWHERE
        await write(tx, here)

    async with open_session(loaded) as session:
        await session.store.write(work)
    return installation or "all installations"
