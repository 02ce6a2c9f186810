"""The file of a backup: complete, unchanged, readable by its owner only, or refused.

The engine plays no part in this, so these tests run on SQLite alone.
"""

import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from bot.backup import archive, creation, frames
from bot.backup.archive import MAGIC
from bot.backup.creation import Backup, create_backup
from bot.backup.schedule import Schedule, drop_old, last_backup
from bot.backup.verification import UnusableBackup, verify_backup
from bot.cli.backups import back_up
from bot.identity import keyring
from bot.identity.keyring import Keys
from bot.settings import Settings, WrongSettings
from store.backup import contents, target
from store.backup.epochs import GAP
from store.engine import schema_version
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Store, StoreError, Tx
from store.tables import TABLES
from store.tables.columns import Table
from tests.conftest import sqlite_copy
from tests.support.command_line import hubbub
from tests.support.server_process import SECRET, rows

PASSPHRASE = b"correct horse battery staple"
WRONG = b"wrong horse battery staple"
HOUR = 3600 * 1_000_000
CHEAP = {"n": 1024, "r": 8, "p": 1}


@pytest.fixture
async def url(sqlite_url: str) -> str:
    """A database that a server used."""
    store = await open_store(sqlite_url)
    await keyring.check(store, Keys(SECRET))
    await store.close()
    return sqlite_url


@pytest.fixture
def plain(url: str, tmp_path: Path) -> Path:
    create_backup(url, tmp_path / "plain.backup")
    return tmp_path / "plain.backup"


@pytest.fixture
def encrypted(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With small frames, so that it has several, and a key that is derived fast."""
    monkeypatch.setattr(frames, "FRAME", 256)
    monkeypatch.setattr(frames, "SCRYPT", CHEAP)
    create_backup(url, tmp_path / "encrypted.backup", PASSPHRASE)
    return tmp_path / "encrypted.backup"


def parts_of(path: Path) -> tuple[bytes, list[bytes]]:
    """The header, and the frames with their lengths."""
    content = path.read_bytes()
    place = content.index(b"\n", len(MAGIC)) + 1
    header, found = content[:place], []
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        end = place + 4 + (length & ~frames.LAST)
        found.append(content[place:end])
        place = end
    return header, found


def refusal(path: Path, content: bytes, passphrase: bytes | None = PASSPHRASE) -> str:
    path.write_bytes(content)
    with pytest.raises(UnusableBackup) as refused:
        verify_backup(path, passphrase)
    return str(refused.value)


def test_an_encrypted_file_shows_nothing_and_needs_its_passphrase(encrypted: Path) -> None:
    manifest = verify_backup(encrypted, PASSPHRASE)
    assert manifest.tables["facts"].rows == 0
    assert b"alembic" not in encrypted.read_bytes()
    assert b"installation_id" not in encrypted.read_bytes()
    with pytest.raises(UnusableBackup, match="it is encrypted: pass --passphrase-file"):
        verify_backup(encrypted, None)
    with pytest.raises(UnusableBackup, match="the passphrase is wrong"):
        verify_backup(encrypted, WRONG)


def test_a_plain_file_does_not_take_the_place_of_an_encrypted_one(plain: Path) -> None:
    with pytest.raises(UnusableBackup, match="it is not encrypted, although there is a passphrase"):
        verify_backup(plain, PASSPHRASE)


def test_frames_cannot_be_dropped_repeated_moved_or_taken_from_another_file(
    encrypted: Path, url: str, tmp_path: Path
) -> None:
    header, found = parts_of(encrypted)
    assert len(found) > 4
    create_backup(url, tmp_path / "second.backup", PASSPHRASE)
    _, foreign = parts_of(tmp_path / "second.backup")
    (length,) = struct.unpack(">I", found[-2][:4])
    ends_early = [*found[:-2], struct.pack(">I", length | frames.LAST) + found[-2][4:]]
    flipped = bytearray(found[2])
    flipped[20] ^= 1
    for changed, why in (
        (found[:-1], "it ends too early"),
        ([*found[:-1], found[-1][:-1]], "it ends too early"),
        (ends_early, "cannot be decrypted"),
        ([*found[:2], *found[3:]], "frame 2 cannot be decrypted"),
        ([*found[:2], found[1], *found[2:]], "frame 2 cannot be decrypted"),
        ([found[1], found[0], *found[2:]], "frame 0 cannot be decrypted"),
        ([*found[:2], foreign[2], *found[3:]], "frame 2 cannot be decrypted"),
        ([*found[:2], bytes(flipped), *found[3:]], "frame 2 cannot be decrypted"),
        ([*found, found[-1]], "something follows its end"),
    ):
        assert why in refusal(encrypted, header + b"".join(changed))
    older = header.replace(b'"revision": "00', b'"revision": "01')
    assert "cannot be decrypted" in refusal(encrypted, older + b"".join(found))
    greedy = header.replace(b'"n": 1024', b'"n": 1073741824')
    assert "asks for an encryption" in refusal(encrypted, greedy + b"".join(found))


def lines_of(path: Path) -> list[bytes]:
    _, found = parts_of(path)
    return zlib.decompress(b"".join(each[4:] for each in found)).splitlines(keepends=True)


def with_lines(path: Path, lines: list[bytes]) -> bytes:
    header, _ = parts_of(path)
    content = zlib.compress(b"".join(lines))
    return header + struct.pack(">I", len(content) | frames.LAST) + content


def test_a_plain_file_that_was_changed_is_refused(plain: Path) -> None:
    original, lines = plain.read_bytes(), lines_of(plain)
    manifest = lines[-1]
    assert json.loads(manifest)["manifest"]["tables"]["agents"]["rows"] == 0
    ends = next(n for n, line in enumerate(lines) if line.startswith(b'{"end":"agents"'))
    added = [*lines[:ends], b"[1,1]\n", *lines[ends:]]
    for changed, why in (
        (lines[:-1], "it has no manifest"),
        (lines[: ends - 1], "it has no manifest"),
        (lines[:ends], "the rows of agents do not end"),
        (added, "a row of agents does not have its columns"),
        ([*lines, manifest], "something follows its manifest"),
        ([lines[0].replace(b"installation_id", b"x; DROP TABLE x"), *lines[1:]], "whose name is"),
        ([*lines[:ends], lines[ends].replace(b'"rows":0', b'"rows":1'), *lines[ends + 1 :]], "not"),
        ([b"[1]\n", *lines], "a row belongs to no table"),
        ([b"{\n", *lines], "a line is not JSON"),
        ([*lines, b"[]"], "its last line has no end"),
        ([line for n, line in enumerate(lines) if n not in (0, 1)], "not those of its manifest"),
    ):
        assert why in refusal(plain, with_lines(plain, changed), None)
        plain.write_bytes(original)
    assert "ends too early" in refusal(plain, original[:-1], None)
    assert "does not begin" in refusal(plain, b"PK\x03\x04", None)
    assert "header" in refusal(plain, MAGIC + b"{}\n", None)
    plain.write_bytes(original)
    verify_backup(plain, None)


def test_a_row_that_never_ends_takes_no_memory_without_limit(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LONGEST_LINE", 100_000)
    monkeypatch.setattr(archive, "INFLATED", 10_000)
    bomb = with_lines(plain, [b"[" + b"0" * 50_000_000])
    assert len(bomb) < 100_000
    assert "longer than Hubbub writes one" in refusal(plain, bomb, None)


def test_nothing_is_left_of_a_backup_that_failed_and_nothing_is_overwritten(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.backup"
    create_backup(url, path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(WrongSettings, match="exists already"):
        create_backup(url, path)
    with pytest.raises(WrongSettings, match="Cannot write"):
        create_backup(url, tmp_path / "missing" / "two.backup")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WrongSettings, match="No space left on device"):
        create_backup(url, tmp_path / "three.backup")
    monkeypatch.undo()
    assert [each.name for each in tmp_path.iterdir() if "backup" in each.name] == ["one.backup"]


def test_a_database_that_no_server_used_is_not_backed_up(sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="belongs to no secret yet"):
        create_backup(sqlite_url, tmp_path / "none.backup")
    old = f"sqlite:///{tmp_path / 'old.db'}"
    upgrade(old, "0002")
    with pytest.raises(StoreError, match="run `hubbub migrate`"):
        create_backup(old, tmp_path / "none.backup")


async def test_the_commands_back_up_verify_and_restore(
    url: str, migrated_sqlite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "SCRYPT", CHEAP)
    secret = tmp_path / "passphrase"
    secret.write_bytes(PASSPHRASE + b"\n")
    folder = tmp_path / "backups"
    given = {
        "HUBBUB_DATABASE_URL": url,
        "HUBBUB_SECRET_KEY": SECRET,
        "HUBBUB_BACKUP_DIR": str(folder),
        "HUBBUB_BACKUP_PASSPHRASE_FILE": str(secret),
    }
    code, out, err = await hubbub("backup", folder=tmp_path, **given)
    assert (code, err) == (0, "")
    assert "verified, encrypted." in out
    (made,) = folder.glob("hubbub-*Z.backup")
    assert folder.stat().st_mode & 0o777 == 0o700
    code, out, _ = await hubbub("backup", "verify", str(made), folder=tmp_path, **given)
    assert (code, f"{made} is whole" in " ".join(out.split())) == (0, True)
    (tmp_path / "short").write_text("short")
    code, _, err = await hubbub(
        "backup", "verify", str(made), "--passphrase-file", "short", folder=tmp_path, **given
    )
    assert (code, "needs at least 16" in err) == (2, True)
    code, _, err = await hubbub("backup", "a", "--to", "b", folder=tmp_path, **given)
    assert (code, "not both" in err) == (2, True)

    keyless = given | {
        "HUBBUB_DATABASE_URL": sqlite_copy(migrated_sqlite_file, tmp_path / "new.db")
    }
    del keyless["HUBBUB_SECRET_KEY"]
    code, _, err = await hubbub("restore", str(made), folder=tmp_path, **keyless)
    assert (code, "There is no main secret here" in err) == (2, True)
    new = keyless | {"HUBBUB_SECRET_KEY": SECRET}
    code, out, err = await hubbub("restore", str(made), folder=tmp_path, **new)
    assert (code, err) == (0, "")
    assert "Start `hubbub serve`" in out
    code, _, err = await hubbub("restore", str(made), folder=tmp_path, **new)
    assert (code, "--replace" in err) == (2, True)
    code, out, _ = await hubbub("epoch", "raise", folder=tmp_path, **new)
    assert (code, "is in a new epoch" in out) == (0, True)
    code, out, _ = await hubbub("audit", "export", folder=tmp_path, **new)
    operations = [json.loads(line)["operation"] for line in out.splitlines()]
    assert operations == ["restore", "epoch raise"]
    third = new | {"HUBBUB_DATABASE_URL": sqlite_copy(migrated_sqlite_file, tmp_path / "third.db")}
    code, out, err = await hubbub("restore", "--from-database", url, folder=tmp_path, **third)
    assert (code, err) == (0, "")


async def test_a_second_restore_of_one_backup_gives_no_number_of_the_first_again(
    url: str, tmp_path: Path
) -> None:
    async def work(tx: Tx) -> None:
        """As after a few events and a claim."""
        await tx.run("INSERT INTO heads (installation_id, seq) VALUES (7, 40)")
        columns = "installation_id, id, repository_id, title, state, priority, capabilities"
        await tx.run(
            f"INSERT INTO tasks ({columns}, fence, created_at, updated_at) "
            "VALUES (7, 't_1', 1, 'Mend it', 'pending', 1, '[]', 3, 0, 0)"
        )

    store = await open_store(url)
    await store.write(work)
    await store.close()
    create_backup(url, tmp_path / "twice.backup")
    numbers: list[dict[str, int]] = []
    q = (
        "SELECT h.seq, t.fence FROM heads h, tasks t "
        "WHERE t.installation_id = 7 AND h.installation_id = 7"
    )
    given = {"HUBBUB_DATABASE_URL": url, "HUBBUB_SECRET_KEY": SECRET}
    for _ in range(2):
        words = ("restore", "twice.backup", "--replace")
        code, _, err = await hubbub(*words, folder=tmp_path, **given)
        assert (code, err) == (0, "")
        (found,) = await rows(url, q)
        numbers.append(found)
    first, second = numbers
    assert first["fence"] > GAP
    # A second lies between them at least: so many numbers may the first server have given.
    assert second["fence"] > first["fence"] + 100_000
    assert second["seq"] > first["seq"] + 100_000


async def test_a_backup_of_an_older_schema_is_migrated_as_it_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a release with the schema 0036 would have made it."""
    old, new = (f"sqlite:///{tmp_path / name}.db" for name in ("old", "new"))
    upgrade(old, "0036")
    store = await open_store(old)
    await keyring.check(store, Keys(SECRET))

    async def fill(tx: Tx) -> None:
        await tx.run(
            "INSERT INTO writes (installation_id, id, seq, kind, repository_id, target, "
            "arguments, author, state, not_before, queued_at) "
            "VALUES (7, 'w_1', 1, 'comment', 1, 'issue 1#1', '{}', 'ada', 'sent', 0, 0)"
        )

    await store.write(fill)
    await store.close()
    with monkeypatch.context() as then:
        then.setattr(schema_version, "newest", lambda: "0036")
        there = {name: await columns(old, name) for name in TABLES}
        tables = {
            name: replace_columns(table, there[name])
            for name, table in TABLES.items()
            if there[name]
        }
        then.setattr(contents, "TABLES", tables)
        create_backup(old, tmp_path / "old.backup")
    given = {"HUBBUB_DATABASE_URL": new, "HUBBUB_SECRET_KEY": SECRET}
    code, _, err = await hubbub("restore", "old.backup", folder=tmp_path, **given)
    assert (code, err) == (0, "")
    assert schema_version.check(new) is None
    store = await open_store(new)
    row = await store.read(lambda tx: tx.one("SELECT id, trace FROM writes"))
    assert row == {"id": "w_1", "trace": None}
    await store.close()


async def columns(url: str, table: str) -> set[str]:
    store = await open_store(url)
    found = await store.read(lambda tx: target.columns_of(tx, table))
    await store.close()
    return found


def replace_columns(table: Table, there: set[str]) -> Table:
    """The table with those of its columns that an older schema had."""
    old = Table(table.name, table.row, *table.indexes)
    old.__dict__["columns"] = tuple(each for each in table.columns if each.name in there)
    return old


async def test_one_process_makes_each_scheduled_backup_and_the_newest_stay(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in os.environ if each.startswith("HUBBUB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HUBBUB_DATABASE_URL", url)
    monkeypatch.setenv("HUBBUB_SECRET_KEY", SECRET)
    store = await open_store(url)
    folder = tmp_path / "made by serve"
    folder.mkdir()
    for day in range(1, 4):
        write_header(folder / f"hubbub-2026010{day}T000000Z.backup", Keys(SECRET).id)
    (folder / "mine.backup").touch()
    write_header(folder / "hubbub-20250101T000000Z.backup", "another Hubbub's")
    (folder / "hubbub-20250102T000000Z.backup").touch()
    first, second = (Schedule(store, folder, HOUR, keep=2) for _ in range(2))
    assert await store.write(first._take_turn)
    assert await second.step() == 0, "the first one is at it"
    assert await first.step() == 1
    assert await second.step() == 0, "it is not due"
    names = sorted(each.name for each in folder.iterdir())
    assert len(names) == 5
    # Nobody knows whose these are, or another Hubbub has the same folder.
    assert names[:2] == ["hubbub-20250101T000000Z.backup", "hubbub-20250102T000000Z.backup"]
    assert (names[2], names[4]) == ("hubbub-20260103T000000Z.backup", "mine.backup")
    verify_backup(folder / names[3], None)
    last = await store.read(last_backup)
    assert last is not None
    assert last["file"] == str(folder / names[3])
    await fails_and_waits(store, tmp_path)
    await store.close()


def write_header(path: Path, key_id: str) -> None:
    with path.open("wb") as file:
        archive.ArchiveWriter(file, archive.Header(0, "0001", key_id, "0", None), None)


async def fails_and_waits(store: Store, tmp_path: Path) -> None:
    """A failure is not repeated at once, by no process."""
    (tmp_path / "a file").touch()
    broken = Schedule(store, tmp_path / "a file", -HOUR, keep=2)
    assert await broken.step() == 0
    assert not await store.write(broken._take_turn)
    assert not await store.write(Schedule(store, tmp_path, -HOUR, keep=2)._take_turn)


def test_what_killed_backups_left_is_deleted_after_a_day(tmp_path: Path) -> None:
    new, old = (tmp_path / f".hubbub-{n}Z.backup.abcd.part" for n in (1, 2))
    for each in (new, old):
        each.touch()
    os.utime(old, (0, 0))
    assert drop_old(tmp_path, 1, "k") == [old]
    assert new.exists()


async def test_a_new_file_that_is_not_whole_does_not_keep_its_name(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk may lose what was written. Such a file must not push out one that is whole."""

    def write_on_a_bad_disk(*given: Any, **more: Any) -> Backup:
        made = create_backup(*given, **more)
        made.path.write_bytes(made.path.read_bytes()[:-3])
        return made

    monkeypatch.setattr(creation, "create_backup", write_on_a_bad_disk)
    path = tmp_path / "lost.backup"
    loaded = Settings(database_url=url, secret_key=SECRET)
    with pytest.raises(WrongSettings, match=r"ends too early.* It is now .*lost\.backup\.broken"):
        await back_up(loaded, path, None, None, code=False)
    assert not path.exists()
    store = await open_store(url)
    assert await store.read(last_backup) is None
    await store.close()
