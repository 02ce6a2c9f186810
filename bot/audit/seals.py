"""Seals: each signs the hashes of a range of rows and the seal before it. Pure functions."""

import hashlib
import hmac
from collections.abc import Sequence

from bot.identity.keyring import Broken, Keys
from store.engine import json_text
from store.engine.transaction import Row
from store.tables.audit import AuditRow, AuditSealRow

PURPOSE = "audit seal"
# Characters of each row's hash. They find the row that differs, and the signature covers them.
MARK = 8
# What the hash covers, in this order.
HASHED = (
    "installation_id",
    "number",
    "at",
    "after_seq",
    "to_seq",
    "covered",
    "rows_hash",
    "marks",
    "previous",
)
# Characters of a seal's hash in its short form.
SHORT = 16


def make(
    keys: Keys,
    installation_id: int,
    previous: AuditSealRow | None,
    hashes: Sequence[str],
    to_seq: int,
    now: int,
) -> AuditSealRow:
    """The seal of the rows that follow those of the previous seal."""
    made: AuditSealRow = {
        "installation_id": installation_id,
        "number": previous["number"] + 1 if previous else 1,
        "at": now,
        "after_seq": previous["to_seq"] if previous else 0,
        "to_seq": to_seq,
        "covered": len(hashes),
        "rows_hash": rows_hash(hashes),
        "marks": "".join(each[:MARK] for each in hashes),
        "previous": previous["hash"] if previous else "",
        "dropped_at": None,
        "hash": "",
        "key_id": "",
        "signature": "",
    }
    return sign(keys, {**made, "hash": content_hash(made)})


def rows_hash(hashes: Sequence[str]) -> str:
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def content_hash(seal: Row) -> str:
    content = json_text.text([seal[name] for name in HASHED])
    return hashlib.sha256(content.encode()).hexdigest()


def sign(keys: Keys, seal: AuditSealRow) -> AuditSealRow:
    """The seal, signed with the key of the current secret."""
    signed: AuditSealRow = {**seal, "key_id": keys.id}
    signed["signature"] = keys.sign(PURPOSE, _signed_text(signed))
    return signed


def _signed_text(seal: AuditSealRow) -> str:
    """Retention sets `dropped_at` later, and the next seal has the hash: so that is not in it."""
    return f"{seal['hash']} {seal['key_id']} {seal['dropped_at'] or ''}"


def problem_of(keys: Keys, seal: AuditSealRow) -> str | None:
    """Why the seal cannot be trusted; None if it can."""
    if seal["hash"] != content_hash(seal):
        return "the seal was changed"
    try:
        expected = keys.under(seal["key_id"]).sign(PURPOSE, _signed_text(seal))
    except Broken as exc:
        return str(exc)
    is_signed = hmac.compare_digest(expected.encode(), seal["signature"].encode())
    return None if is_signed else "its signature is wrong"


def name(installation_id: int, number: int, hash_: str) -> str:
    """The short form of a seal, as the log has it."""
    return f"{installation_id}:{number}:{hash_[:SHORT]}"


def hash_to_seal(row: AuditRow, computed: str) -> str:
    """The hash by which a seal covers the row. Rows from before there were hashes have none."""
    return row["hash"] or computed
