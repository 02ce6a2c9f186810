"""Verifies the audit log of an installation: each row's hash, each seal, and the chain of seals."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from bot.audit import seals
from bot.identity.keyring import Keys
from store.audit import records
from store.audit import seals as stored_seals
from store.engine.transaction import Store, Tx
from store.tables.audit import AuditRow, AuditSealRow

PAGE = 200
ROWS = 1000


@dataclass(frozen=True)
class Expected:
    """A seal that the log or /metrics showed."""

    installation_id: int
    number: int
    hash: str


@dataclass
class Report:
    """`problem`: the first one. `unsealed`: rows after the last seal."""

    installation_id: int
    rows: int = 0
    seals: int = 0
    unsealed: int = 0
    last: AuditSealRow | None = None
    problem: str | None = None


class Wrong(Exception):
    """The log was changed; the text says where."""


async def verify(
    store: Store, keys: Keys, installation_id: int, expected: Sequence[Expected] = ()
) -> Report:
    """Verify it again if something seems wrong, because retention may have run meanwhile."""
    report = await _verify(store, keys, installation_id, expected)
    if report.problem is None:
        return report
    return await _verify(store, keys, installation_id, expected)


async def _verify(
    store: Store, keys: Keys, installation_id: int, expected: Sequence[Expected]
) -> Report:
    report = Report(installation_id)
    wanted = {each.number: each.hash for each in expected}
    try:
        async for seal in _all_seals(store, installation_id):
            _check_seal(keys, seal, report)
            _compare(seal, wanted.pop(seal["number"], None))
            after = seal["after_seq"] if seal["dropped_at"] is None else 0
            rows = await _rows(store, installation_id, after, seal["to_seq"])
            _check_rows(seal, rows)
            report.rows += len(rows)
            report.seals += 1
            report.last = seal
        await _check_unsealed(store, report)
        _check_missing(report, wanted)
    except Wrong as exc:
        report.problem = str(exc)
    return report


async def _all_seals(store: Store, installation_id: int) -> AsyncIterator[AuditSealRow]:
    after = 0

    async def read(tx: Tx) -> Sequence[AuditSealRow]:
        return await stored_seals.page(tx, installation_id, after, PAGE)

    while page := await store.read(read):
        for seal in page:
            yield seal
        after = page[-1]["number"]


async def _rows(store: Store, installation_id: int, after: int, up_to: int) -> list[AuditRow]:
    """The rows of one seal."""
    rows: list[AuditRow] = []
    while True:
        last = rows[-1]["seq"] if rows else after
        page = await store.read(
            lambda tx, last=last: records.page(tx, installation_id, last, up_to, ROWS)  # type: ignore[misc]
        )
        rows += page
        if len(page) < ROWS:
            return rows


def _check_seal(keys: Keys, seal: AuditSealRow, report: Report) -> None:
    """Raise Wrong unless it is signed and follows the seal before it."""
    where = f"Seal {seal['number']}"
    if problem := seals.problem_of(keys, seal):
        raise Wrong(f"{where}: {problem}.")
    before = report.last
    if before is None:
        if seal["number"] != 1 and seal["dropped_at"] is None:
            raise Wrong(f"{where} is the first, so the seals before it are missing.")
        return
    follows = (
        seal["number"] == before["number"] + 1
        and seal["previous"] == before["hash"]
        and seal["after_seq"] == before["to_seq"]
    )
    if not follows:
        raise Wrong(f"{where} does not follow seal {before['number']}: a seal is missing.")


def _compare(seal: AuditSealRow, expected: str | None) -> None:
    if expected is not None and not seal["hash"].startswith(expected):
        raise Wrong(
            f"Seal {seal['number']} is {seal['hash'][: seals.SHORT]}, and {expected} was expected: "
            "the rows up to it were replaced."
        )


def _check_rows(seal: AuditSealRow, rows: Sequence[AuditRow]) -> None:
    """Raise Wrong unless these are the rows that were sealed."""
    _check_hashes(rows)
    hashes = [seals.hash_to_seal(each, records.hash_of(each)) for each in rows]
    if seal["dropped_at"] is not None:
        if rows:
            up_to = seal["to_seq"]
            raise Wrong(
                f"Row {rows[0]['seq']} was inserted: retention deleted the rows up to {up_to}."
            )
        return
    if seals.rows_hash(hashes) != seal["rows_hash"]:
        raise Wrong(_first_difference(seal, rows, hashes))


def _check_hashes(rows: Sequence[AuditRow]) -> None:
    for row in rows:
        if not records.is_intact(row):
            raise Wrong(f"Row {row['seq']} was changed: its content does not match its hash.")


def _first_difference(seal: AuditSealRow, rows: Sequence[AuditRow], hashes: Sequence[str]) -> str:
    """Which of the rows is the first that differs from what was sealed."""
    sealed, n = seal["marks"], seals.MARK
    marks = [sealed[at : at + n] for at in range(0, len(sealed), n)]
    found = [each[:n] for each in hashes]
    at = next((k for k, (a, b) in enumerate(zip(marks, found, strict=False)) if a != b), None)
    where = f"seal {seal['number']} covers the numbers {seal['after_seq'] + 1} to {seal['to_seq']}"
    if at is None and len(found) > len(marks):
        return f"Row {rows[len(marks)]['seq']} was inserted; {where}."
    at = min(len(found), len(marks)) if at is None else at
    before = rows[at - 1]["seq"] if at else seal["after_seq"]
    if at < len(found) and marks[at] not in found and found[at] not in marks:
        return f"Row {rows[at]['seq']} was replaced; {where}."
    if at < len(found) and found[at] not in marks:
        return f"Row {rows[at]['seq']} was inserted; {where}."
    return f"A row was deleted after row {before}; {where}."


async def _check_unsealed(store: Store, report: Report) -> None:
    """Check the rows after the last seal, of which only the hashes are known."""
    i, after = report.installation_id, report.last["to_seq"] if report.last else 0

    async def page(tx: Tx) -> Sequence[AuditRow]:
        return await records.page(tx, i, after, records.LAST, ROWS)

    while rows := await store.read(page):
        _check_hashes(rows)
        report.unsealed += len(rows)
        after = rows[-1]["seq"]


def _check_missing(report: Report, wanted: dict[int, str]) -> None:
    """Raise Wrong if an expected seal is newer than the last one, or was the last of all."""
    last = report.last["number"] if report.last else 0
    if late := [number for number in wanted if number > last]:
        newest = f"seal {last} is the last" if last else "the log has no seal"
        raise Wrong(f"Seal {min(late)} is missing, and {newest}: the newest rows were deleted.")
