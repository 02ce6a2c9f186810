"""Backups that `serve` makes: whose turn it is, which ones stay, and how old the last one is.

All processes of all servers share the turn, a fact in the database. So one of them makes the
backup, in a process of its own, because a backup would slow down the answers of this one.
"""

import asyncio
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import structlog

from bot import times
from bot.backup.archive import read_header
from bot.backup.creation import DRAFT, SUFFIX
from bot.backup.frames import BadBackup
from bot.child_processes import ending
from bot.identity.keyring import BOUND
from bot.settings import Settings
from bot.times import DAY, SECOND
from store.engine import json_text, key_values
from store.engine.database import system_clock
from store.engine.transaction import Store, Tx

log = structlog.get_logger()

COMMAND = (sys.executable, "-m", "hubbub", "backup")
TURN, LAST = "backup turn", "backup last"
# A turn that is not renewed for so long belongs to a process that died.
TURN_LASTS = 120 * SECOND
RENEW_EVERY_S = 30.0
# After a failure.
AGAIN_AFTER = 300 * SECOND


class Turn(TypedDict):
    """Which process makes a backup, or may not try again before `until`."""

    holder: str
    until: int


class LastBackup(TypedDict):
    """The last backup that is complete. `at`: when its snapshot was taken."""

    at: int
    file: str
    size: int
    rows: int


@dataclass
class Schedule:
    store: Store
    folder: Path
    every: int
    keep: int
    me: str = field(default_factory=lambda: secrets.token_hex(8))

    async def step(self) -> int:
        """Make a backup if one is due and no other process does. Return how many were made."""
        if not await self.store.write(self._take_turn):
            return 0
        done = await self._make_backup()
        await self.store.write(lambda tx: self._end_turn(tx, failed=not done))
        if done:
            key_id = await self.store.read(lambda tx: key_values.get(tx, BOUND))
            await asyncio.to_thread(drop_old, self.folder, self.keep, key_id or "")
        return int(done)

    async def _take_turn(self, tx: Tx) -> bool:
        now = await tx.now()
        last = await last_backup(tx)
        if last is not None and last["at"] + self.every > now:
            return False
        # The lock of its row lets one process after the other look.
        text = await key_values.put_if_absent(tx, TURN, json_text.text(Turn(holder="", until=0)))
        turn: Turn = json_text.value(text)
        if turn["until"] > now and turn["holder"] != self.me:
            return False
        await self._put_turn(tx, now + TURN_LASTS)
        return True

    async def _put_turn(self, tx: Tx, until: int) -> None:
        await key_values.put(tx, TURN, json_text.text(Turn(holder=self.me, until=until)))

    async def _renew(self, tx: Tx) -> None:
        await self._put_turn(tx, await tx.now() + TURN_LASTS)

    async def _end_turn(self, tx: Tx, *, failed: bool) -> None:
        until = await tx.now() + AGAIN_AFTER if failed else 0
        await key_values.put(tx, TURN, json_text.text(Turn(holder="", until=until)))

    async def _make_backup(self) -> bool:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "--to",
            str(self.folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output = await self._wait(process)
        finally:
            if process.returncode is None:
                await ending.kill(process, group=False)
        words = output.decode(errors="replace").strip()
        if process.returncode == 0:
            log.info("backup made", words=words)
            return True
        log.error("backup failed", status=process.returncode, why=words[-2000:])
        return False

    async def _wait(self, process: asyncio.subprocess.Process) -> bytes:
        """Wait for its end, and renew the turn meanwhile: its output."""
        reading = asyncio.create_task(process.communicate())
        try:
            while not (await asyncio.wait({reading}, timeout=RENEW_EVERY_S))[0]:
                await self.store.write(self._renew)
            return (await reading)[0]
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def schedule_of(loaded: Settings, store: Store) -> Schedule | None:
    """None if `serve` makes no backups."""
    if not loaded.backup_dir:
        return None
    every = times.seconds(loaded.backup_every) * SECOND
    return Schedule(store, Path(loaded.backup_dir).expanduser(), every, loaded.backup_keep)


async def last_backup(tx: Tx) -> LastBackup | None:
    found = await key_values.get(tx, LAST)
    return json_text.value(found) if found else None


async def record_backup(tx: Tx, made: LastBackup) -> None:
    await key_values.put(tx, LAST, json_text.text({**made, "file": made["file"][-300:]}))


def drop_old(folder: Path, keep: int, key_id: str) -> list[Path]:
    """Delete all but the newest backups, and what a killed process left: the deleted files.

    Only those that belong to this main secret: another Hubbub may have the same folder.
    """
    backups = [each for each in folder.glob(f"hubbub-*Z{SUFFIX}") if _key_id(each) == key_id]
    old = sorted(backups)[:-keep]
    now = system_clock()
    drafts = folder.glob(f".hubbub-*Z{SUFFIX}.*{DRAFT}")
    old += [each for each in drafts if each.stat().st_mtime * SECOND < now - DAY]
    for each in old:
        each.unlink(missing_ok=True)
    return old


def _key_id(path: Path) -> str | None:
    """To which main secret a backup belongs. None if the file is not a backup."""
    try:
        with path.open("rb") as file:
            return read_header(file)[0].key_id
    except (BadBackup, OSError):
        return None
