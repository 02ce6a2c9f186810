"""Attachments: files by name, and to what they are attached."""

from collections.abc import Collection, Iterable, Sequence

from store.engine import sql
from store.engine.transaction import Tx
from store.files import blobs, usage
from store.tables.files import AttachmentRow, AttachmentUseRow, UseKind

COLUMNS = tuple(AttachmentRow.__annotations__)
USE_COLUMNS = tuple(AttachmentUseRow.__annotations__)
USE_KEY = ("installation_id", "kind", "subject", "attachment_id")


class FullAttachment(AttachmentRow):
    """An attachment with the hash of its content."""

    digest: str


class UsedAttachment(FullAttachment):
    subject: str


SELECT = (
    "SELECT a.*, b.digest FROM attachments a JOIN blobs b "
    "ON b.installation_id = a.installation_id AND b.id = a.blob_id "
)


async def add(tx: Tx, row: AttachmentRow) -> None:
    await tx.run(sql.insert("attachments", COLUMNS), **row)


async def get(tx: Tx, installation_id: int, attachment_id: str) -> FullAttachment | None:
    q = f"{SELECT}WHERE a.installation_id = :i AND a.id = :a"
    return await tx.one(q, i=installation_id, a=attachment_id)


async def several(
    tx: Tx, installation_id: int, attachment_ids: Sequence[str]
) -> list[FullAttachment]:
    q = f"{SELECT}WHERE a.installation_id = :i AND a.id IN :ids"
    return await tx.all(q, i=installation_id, ids=tuple(attachment_ids))


async def of_blob(tx: Tx, installation_id: int, blob_id: str, limit: int) -> list[FullAttachment]:
    q = f"{SELECT}WHERE a.installation_id = :i AND a.blob_id = :b LIMIT :n"
    return await tx.all(q, i=installation_id, b=blob_id, n=limit)


async def page(
    tx: Tx, installation_id: int, owner: str, before: str, limit: int
) -> list[FullAttachment]:
    """A page of the files of an owner, the newest first."""
    q = (
        f"{SELECT}WHERE a.installation_id = :i AND a.owner = :o AND a.id < :before "
        "ORDER BY a.id DESC LIMIT :n"
    )
    return await tx.all(q, i=installation_id, o=owner, before=before, n=limit)


async def attached_to(
    tx: Tx, installation_id: int, kind: UseKind, subjects: Collection[str]
) -> list[UsedAttachment]:
    """The files that are attached to these messages, contexts or tasks, the oldest first."""
    if not subjects:
        return []
    return await tx.all(
        "SELECT a.*, b.digest, u.subject FROM attachment_uses u JOIN attachments a "
        "ON a.installation_id = u.installation_id AND a.id = u.attachment_id JOIN blobs b "
        "ON b.installation_id = a.installation_id AND b.id = a.blob_id "
        "WHERE u.installation_id = :i AND u.kind = :k AND u.subject IN :s "
        "ORDER BY u.subject, a.id",
        i=installation_id,
        k=kind,
        s=tuple(subjects),
    )


async def uses(
    tx: Tx, installation_id: int, attachment_ids: Sequence[str], limit: int
) -> list[AttachmentUseRow]:
    """To what these files are attached."""
    return await tx.all(
        "SELECT * FROM attachment_uses WHERE installation_id = :i AND attachment_id IN :ids "
        "LIMIT :n",
        i=installation_id,
        ids=tuple(attachment_ids),
        n=limit,
    )


async def attach(
    tx: Tx, installation_id: int, kind: UseKind, subject: str, attachment_ids: Iterable[str]
) -> None:
    statement = sql.insert_new(tx.dialect, "attachment_uses", USE_COLUMNS, USE_KEY)
    ids = tuple(attachment_ids)
    for each in ids:
        use = {"kind": kind, "subject": subject, "attachment_id": each}
        await tx.run(statement, installation_id=installation_id, **use)
    q = "UPDATE attachments SET expires_at = NULL WHERE installation_id = :i AND id IN :ids"
    await tx.run(q, i=installation_id, ids=ids)


async def detach(
    tx: Tx, installation_id: int, kind: UseKind, subjects: Sequence[str], now: int
) -> None:
    """Take all files off messages, contexts or tasks. A file that is on nothing else expires."""
    which = {"i": installation_id, "k": kind, "s": tuple(subjects)}
    rows = await tx.all(
        "SELECT attachment_id FROM attachment_uses WHERE installation_id = :i AND kind = :k "
        "AND subject IN :s",
        **which,
    )
    if not rows:
        return
    q = "DELETE FROM attachment_uses WHERE installation_id = :i AND kind = :k AND subject IN :s"
    await tx.run(q, **which)
    await tx.run(
        "UPDATE attachments SET expires_at = :now WHERE installation_id = :i AND id IN :ids "
        "AND NOT EXISTS (SELECT 1 FROM attachment_uses u WHERE u.installation_id = :i "
        "AND u.attachment_id = attachments.id)",
        now=now,
        i=installation_id,
        ids=tuple({row["attachment_id"] for row in rows}),
    )


async def remove(tx: Tx, row: AttachmentRow, now: int) -> None:
    """Remove a file from everything that it is attached to."""
    which = {"i": row["installation_id"], "a": row["id"]}
    q = "DELETE FROM attachment_uses WHERE installation_id = :i AND attachment_id = :a"
    await tx.run(q, **which)
    q = "DELETE FROM attachments WHERE installation_id = :i AND id = :a"
    if await tx.run(q, **which):
        await usage.change(tx, row["installation_id"], row["owner"], -row["size"], -1)
        await blobs.mark_if_unused(tx, row["installation_id"], row["blob_id"], now)


async def move(tx: Tx, installation_id: int, blob_id: str, to: str) -> None:
    """Give all attachments of a blob another one."""
    q = "UPDATE attachments SET blob_id = :to WHERE installation_id = :i AND blob_id = :b"
    await tx.run(q, to=to, i=installation_id, b=blob_id)


async def first_expired(tx: Tx, installation_id: int, now: int, limit: int) -> list[AttachmentRow]:
    return await tx.all(
        "SELECT * FROM attachments WHERE installation_id = :i AND expires_at <= :now "
        "ORDER BY expires_at LIMIT :n",
        i=installation_id,
        now=now,
        n=limit,
    )


async def is_there(tx: Tx, installation_id: int, attachment_id: str) -> bool:
    q = "SELECT 1 AS yes FROM attachments WHERE installation_id = :i AND id = :a"
    return await tx.one(q, i=installation_id, a=attachment_id) is not None
