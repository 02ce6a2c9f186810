"""`hubbub notify`: where people get notifications about what needs them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from bot.background.notifying import notifier_of
from bot.cli import installations, local_origin
from bot.cli.output import say
from bot.cli.session import open_session
from bot.cli.tables import show_rows
from bot.errors import Refused
from bot.identity.keyring import Keys
from bot.notifications import targets, trials
from bot.notifications.addresses import check_mail, check_web
from bot.notifications.delivery import account_of
from bot.notifications.message import Message, of_row
from bot.notifications.outcomes import Sent
from bot.notifications.rules import QuietHours, Rules
from bot.notifications.targets import Address
from bot.settings import Settings, WrongSettings, split_list
from bot.times import SECOND, stamp
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from store.notifications import notifications
from store.notifications import targets as stored
from store.tables.notifications import NotificationTargetRow, TargetKind

KINDS: tuple[TargetKind, ...] = get_args(TargetKind)
COLUMNS = ("name", "kind", "address", "state", "rules", "last_sent_at", "why")
LONGEST_NAME = 60


@dataclass(frozen=True)
class Wanted:
    """What the options of `notify add` say. `rules` lacks repositories and quiet hours."""

    installation: str
    kind: str
    name: str
    to: str
    repositories: Sequence[str]
    quiet: str | None
    zone: str
    rules: dict[str, Any]


async def add(loaded: Settings, wanted: Wanted) -> None:
    kind = _kind(wanted.kind)
    if not 1 <= len(wanted.name) <= LONGEST_NAME or not wanted.name.isprintable():
        raise WrongSettings(f"The name must have 1 to {LONGEST_NAME} characters in one line.")
    _check_address(loaded, kind, wanted.to)
    address = Address(wanted.to, targets.new_secret() if kind == "webhook" else "")
    async with open_session(loaded) as session:
        keys = session.keys
        await session.store.write(lambda tx: _add(tx, keys, kind, wanted, address))
    say(f"Added {wanted.name}. Try it with `hubbub notify test {wanted.name!r}`.")
    if address.secret:
        say(f"Its requests are signed with this secret, which is not shown again: {address.secret}")


def _kind(text: str) -> TargetKind:
    for kind in KINDS:
        if kind == text:
            return kind
    raise WrongSettings(f"The kind is {text!r}; it must be one of {', '.join(KINDS)}.")


def _check_address(loaded: Settings, kind: TargetKind, to: str) -> None:
    """Raise WrongSettings."""
    try:
        if kind == "mail":
            check_mail(to)
        else:
            check_web(to, frozenset(each.lower() for each in split_list(loaded.notify_origins)))
    except Refused as exc:
        raise WrongSettings(exc.message) from exc
    if kind == "mail" and not loaded.smtp_host:
        raise WrongSettings("Set HUBBUB_SMTP_HOST first, here and for `hubbub serve`.")


async def _add(tx: Tx, keys: Keys, kind: TargetKind, wanted: Wanted, address: Address) -> None:
    i = await installations.find(tx, wanted.installation)
    known = await stored.all_of(tx, i)
    if len(known) >= stored.MOST:
        raise WrongSettings(f"There are {len(known)} targets already. Remove one first.")
    if any(row["name"] == wanted.name for row in known):
        raise WrongSettings(f"There is a target {wanted.name!r} already. Choose another name.")
    rules = await _rules(tx, i, wanted)
    by = local_origin.of().remote
    row = await targets.add(tx, keys, i, kind, wanted.name, address, rules, by)
    await local_origin.record(tx, i, "notify add", row["id"], kind=kind)


async def _rules(tx: Tx, installation_id: int, wanted: Wanted) -> Rules:
    """Raise WrongSettings."""
    found = []
    for each in wanted.repositories:
        row = await stored_repositories.repository(tx, installation_id, each)
        if row is None:
            raise WrongSettings(f"The installation has no repository {each!r}. Pass owner/repo.")
        found.append(row["id"])
    try:
        return Rules(
            **wanted.rules,
            repositories=tuple(found) or None,
            quiet=_quiet(wanted.quiet, wanted.zone),
        )
    except ValidationError as exc:
        raise WrongSettings(_problem(exc)) from exc


def _quiet(text: str | None, zone: str) -> QuietHours | None:
    if text is None:
        return None
    begin, dash, end = text.partition("-")
    if not dash:
        raise WrongSettings(f"--quiet is {text!r}; write for example 22:00-07:00.")
    try:
        return QuietHours(begin=begin.strip(), end=end.strip(), zone=zone)
    except ValidationError as exc:
        raise WrongSettings(_problem(exc)) from exc


def _problem(exc: ValidationError) -> str:
    first = exc.errors(include_url=False)[0]
    return f"--{first['loc'][0]}: {first['msg'].removeprefix('Value error, ')}"


async def list_targets(loaded: Settings, installation: str, *, as_json: bool) -> None:
    async with open_session(loaded) as session:
        rows = await session.store.read(lambda tx: _lines(tx, installation))
    show_rows(rows, COLUMNS, as_json=as_json, cell=_cell)


def _cell(_name: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in value.items() if each not in (None, ()))
    return "" if value is None else str(value)


async def _lines(tx: Tx, installation: str) -> list[dict[str, Any]]:
    i = await installations.find(tx, installation)
    return [await _line(tx, row) for row in await stored.all_of(tx, i)]


async def _line(tx: Tx, row: NotificationTargetRow) -> dict[str, Any]:
    newest = await notifications.newest(tx, row["installation_id"], row["id"])
    at = newest["last_sent_at"]
    return {
        "id": row["id"],
        "name": row["name"],
        "kind": row["kind"],
        "address": row["shown"],
        "state": row["state"],
        "rules": row["rules"],
        "last_sent_at": at and stamp(at),
        "why": row["why"] or newest["error"],
    }


async def change(loaded: Settings, installation: str, name: str, action: str) -> None:
    """Pause, resume or remove a target."""
    async with open_session(loaded) as session:
        await session.store.write(lambda tx: _change(tx, installation, name, action))
    say(f"{name} is {DONE[action]}.")


DONE = {"pause": "paused", "resume": "active again", "remove": "removed"}


async def _change(tx: Tx, installation: str, name: str, action: str) -> None:
    row = await _find(tx, installation, name)
    here = (tx, row["installation_id"], row["id"])
    if action == "remove":
        await stored.remove(*here)
    else:
        await stored.set_state(*here, "paused" if action == "pause" else "active")
    if action == "pause":
        await notifications.drop_waiting(*here)
    await local_origin.record(tx, row["installation_id"], f"notify {action}", row["id"])


async def _find(tx: Tx, installation: str, name: str) -> NotificationTargetRow:
    i = await installations.find(tx, installation)
    for row in await stored.all_of(tx, i):
        if name in (row["id"], row["name"]):
            return row
    raise WrongSettings(f"There is no target {name!r}. `hubbub notify list` shows them.")


async def try_out(loaded: Settings, installation: str, name: str) -> None:
    """Send a test message at once. Raise WrongSettings with the reason if it did not arrive."""
    async with open_session(loaded) as session:
        notifier = notifier_of(loaded, session.store, session.keys)
        row = await session.store.read(lambda tx: _find(tx, installation, name))

        async def trial(tx: Tx) -> Message:
            account = await account_of(tx, row["installation_id"])
            made = await trials.row_of(tx, row)
            return of_row(made, account, notifier.links, await tx.now() // SECOND)

        outcome = await notifier.send(row, await session.store.read(trial))
    if not isinstance(outcome, Sent):
        raise WrongSettings(f"The test message was not sent: {outcome.why}.")
    but = f", but {outcome.note}" if outcome.note else ""
    say(f"The test message was sent to {row['shown']}{but}.")


def read_address(given: str | None) -> str:
    """The address of the option, or of standard input if it is a dash."""
    if given != "-":
        return given or ""
    return sys.stdin.readline().strip()
