"""`hubbub backup`, `hubbub restore` and `hubbub epoch raise`."""

import asyncio
import os
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

from bot.backup import creation, epoch, restoration
from bot.backup.creation import Backup
from bot.backup.frames import passphrase_of
from bot.backup.restoration import Restored
from bot.backup.schedule import record_backup
from bot.backup.verification import UnusableBackup, header_of, verify_backup
from bot.cli import local_origin
from bot.cli.output import say
from bot.cli.session import open_session, safe_url
from bot.settings import Settings, WrongSettings, load
from bot.times import SECOND, stamp
from store.audit.records import NO_INSTALLATION
from store.engine.database import system_clock
from store.engine.transaction import Tx

MIB = 1024**2


async def back_up(
    loaded: Settings, path: Path | None, folder: Path | None, passphrase: Path | None, *, code: bool
) -> None:
    """Make a backup, read all of it again, and record it for the metric and the schedule."""
    where = _place(loaded, path, folder)
    secret = passphrase_of(loaded, passphrase)
    with suppress(OSError):
        os.nice(5)  # a server on the same machine goes first
    async with open_session(loaded) as session:
        url = loaded.database_url
        made = await asyncio.to_thread(creation.create_backup, url, where, secret, code=code)
        await asyncio.to_thread(_verify_new, where, secret)
        await session.store.write(lambda tx: _record(tx, made))
    encrypted = "encrypted" if secret else "not encrypted: it contains private data"
    say(
        f"{where}: {made.manifest.rows} rows, {made.size / MIB:.1f} MiB, "
        f"{made.took_s:.1f} s, verified, {encrypted}."
    )


def _verify_new(path: Path, secret: bytes | None) -> None:
    """A file that is not whole loses its name, so that it never counts as one of those to keep."""
    try:
        verify_backup(path, secret)
    except UnusableBackup as exc:
        broken = path.rename(path.with_name(f"{path.name}.broken"))
        raise WrongSettings(f"{exc} It is now {broken}: check the disk.") from exc


def _place(loaded: Settings, path: Path | None, folder: Path | None) -> Path:
    if path is not None and folder is not None:
        raise WrongSettings("Pass a FILE or --to DIR, not both.")
    if path is not None:
        return path
    into = folder or (Path(loaded.backup_dir).expanduser() if loaded.backup_dir else None)
    if into is None:
        raise WrongSettings("Pass a FILE or --to DIR, or set HUBBUB_BACKUP_DIR.")
    try:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise WrongSettings(f"Cannot make the folder {into}: {exc.strerror}.") from exc
    return creation.new_path(into, system_clock())


async def _record(tx: Tx, made: Backup) -> None:
    manifest = made.manifest
    row = {"at": manifest.created_at, "size": made.size, "rows": manifest.rows}
    await record_backup(tx, {"file": str(made.path), **row})  # type: ignore[typeddict-item]
    await local_origin.record(tx, NO_INSTALLATION, "backup", made.path.name[-120:], **row)


def verify(loaded: Settings, path: Path, passphrase: Path | None) -> None:
    manifest = verify_backup(path, passphrase_of(loaded, passphrase))
    say(
        f"{path} is whole: {manifest.rows} rows of {len(manifest.tables)} tables, made at "
        f"{stamp(manifest.created_at)}, schema {manifest.revision}, "
        f"{'with' if manifest.code else 'without'} code. It belongs to the main secret with the "
        f"key id {manifest.key_id}."
    )


async def restore(
    loaded: Settings, path: Path, passphrase: Path | None, *, replaces: bool
) -> Restored:
    return await _restore(loaded, path, passphrase_of(loaded, passphrase), replaces=replaces)


async def _restore(
    loaded: Settings, path: Path, secret: bytes | None, *, replaces: bool
) -> Restored:
    async def record(tx: Tx) -> None:
        name = path.name[-120:]
        await local_origin.record(tx, NO_INSTALLATION, "restore", name, key_id=header.key_id)

    header = header_of(path)
    done = await restoration.restore_backup(
        loaded, path, secret, replaces=replaces, say=say, record=record
    )
    say(
        f"{safe_url(loaded.database_url)} has the backup of {stamp(done.manifest.created_at)}: "
        f"{done.manifest.rows} rows loaded in {done.load_s:.1f} s, ready after {done.took_s:.1f} s."
    )
    _say_epoch(done.done)
    say(
        "Start `hubbub serve`: it fetches the deliveries of the last three days again and reads "
        "what changed. Revoke again the tokens that were revoked after the backup."
    )
    return done


async def copy_database(loaded: Settings, source: str, *, replaces: bool) -> None:
    """Move a database to another engine, by a backup that is deleted afterwards."""
    given = load(database_url=source, secret_key=loaded.secret_key)
    if given.database_url == loaded.database_url:
        raise WrongSettings("--from-database is the database of HUBBUB_DATABASE_URL.")
    async with open_session(given) as session:
        await session.store.read(restoration.check_unused)
    with tempfile.TemporaryDirectory(prefix="hubbub-copy-") as folder:
        path = creation.new_path(Path(folder), system_clock())
        say(f"Reading {safe_url(source)}")
        await asyncio.to_thread(creation.create_backup, source, path, None, code=True)
        await _restore(loaded, path, None, replaces=replaces)


async def raise_epoch(loaded: Settings, missing_s: int) -> None:
    """For a replica that took over, and may lack what its primary had answered last."""
    async with open_session(loaded) as session:
        store = session.store
        await store.read(restoration.check_unused)
        wait = int(4 * loaded.github_timeout_s * SECOND) + 5 * SECOND
        why = "the database was taken over from a replica"
        done = await epoch.begin_epoch(
            store, session.keys, why, missing=missing_s * SECOND, wait=wait, say=say
        )
        await store.write(_record_epoch)
    say(f"{safe_url(loaded.database_url)} is in a new epoch.")
    _say_epoch(done)


async def _record_epoch(tx: Tx) -> None:
    await restoration.check_unused(tx)
    await local_origin.record(tx, NO_INSTALLATION, "epoch raise")


def _say_epoch(done: Counter[str]) -> None:
    say(
        f"Fences raised: {done['tasks']}. Leases of agents ended: {done['leases']}. Writes that "
        f"Hubbub looks for on GitHub before it sends them: {done['writes']}. Contexts with a new "
        f"version: {done['contexts']}."
    )
