"""The versions of a context: adding and reading them, and finding a readable one."""

import asyncio
import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

import structlog

from bot.contexts.contents import Kind
from bot.contexts.encryption import Sealed, associated_data, compress, seal, unseal
from bot.errors import Refused
from bot.identity.keyring import Broken
from bot.kernel.operation import Context
from store import events
from store.contexts import contexts, versions
from store.contexts.contexts import FullContext
from store.contexts.versions import VersionInfo
from store.engine.transaction import Tx
from store.tables.contexts import ContextVersionRow

log = structlog.get_logger()

MOST_VERSIONS = 10_000
# How many versions are tried, from the newest, until one can be read.
MOST_TRIED = 100
# Bytes. Above this size, compression takes much longer than starting work in a thread.
LARGE = 50_000


class Content(Sealed):
    checksum: str
    size: int


@dataclass(frozen=True)
class ReadableVersion:
    """A version that can be read. `broken` are newer versions that cannot."""

    version: ContextVersionRow
    compressed: bytes
    content: bytes
    broken: list[int]

    def value(self, kind: Kind) -> Any:
        text = self.content.decode()
        return text if kind == "text" else json.loads(text)


async def add(ctx: Context, context_id: str, version: int, content: bytes, note: str) -> None:
    """Add a version under this number."""
    where = associated_data(ctx.installation_id, context_id, version)

    def new_version() -> Content:
        return {
            **seal(ctx.shared.keys, where, compress(content)),
            "checksum": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        }

    await _insert(
        ctx, context_id, version, note, await _run_in_thread_if_large(len(content), new_version)
    )


async def add_copy(
    ctx: Context, context_id: str, version: int, read: ReadableVersion, note: str
) -> None:
    """Add a version with the content of another one."""
    where = associated_data(ctx.installation_id, context_id, version)
    content: Content = {
        **seal(ctx.shared.keys, where, read.compressed),
        "checksum": read.version["checksum"],
        "size": read.version["size"],
    }
    await _insert(ctx, context_id, version, note, content)


async def _insert(ctx: Context, context_id: str, version: int, note: str, content: Content) -> None:
    await versions.add(
        ctx.tx,
        {
            "installation_id": ctx.installation_id,
            "context_id": context_id,
            "version": version,
            "author": ctx.actor.name,
            "at": ctx.now,
            "note": note,
            **content,
        },
    )


async def load(ctx: Context, context_id: str, number: int) -> ReadableVersion:
    """Read one version. Report a broken one, then raise Broken."""
    row = await versions.get(ctx.tx, ctx.installation_id, context_id, number)
    where = associated_data(ctx.installation_id, context_id, number)
    try:
        return await _open(ctx, where, row)
    except Broken as exc:
        _report_broken(ctx, context_id, number, str(exc))
        raise


async def _open(ctx: Context, where: str, row: ContextVersionRow | None) -> ReadableVersion:
    """Raise Broken."""
    if row is None:
        raise Broken("its row is missing")
    compressed, content = await _run_in_thread_if_large(
        row["size"], lambda: unseal(ctx.shared.keys, where, row)
    )
    return ReadableVersion(row, compressed, content, [])


async def read_newest(ctx: Context, context_id: str, number: int) -> ReadableVersion:
    """Read this version, or the last readable one before it. Raise Refused."""
    broken: list[int] = []
    for each in range(number, max(0, number - MOST_TRIED), -1):
        try:
            read = await load(ctx, context_id, each)
        except Broken:
            broken.append(each)
        else:
            return replace(read, broken=broken)
    raise unreadable(context_id, number)


def unreadable(context_id: str, number: int) -> Refused:
    return Refused(
        "context_broken",
        f"No version of {context_id} up to {number} can be read. The log has the reason. Somebody "
        "who may write it must give it new content.",
        broken=[number],
        last_good=None,
    )


async def read_exactly(ctx: Context, row: FullContext, number: int) -> ReadableVersion:
    """Read exactly this version. Raise Refused."""
    if number > row["version"]:
        raise Refused(
            "unknown_context",
            f"{row['id']} has no version {number}. The newest version is {row['version']}.",
            version=row["version"],
        )
    try:
        return await load(ctx, row["id"], number)
    except Broken as exc:
        good = await _readable_before(ctx, row["id"], number)
        advice = f"Read version {good} instead" if good else "No version before it can be read"
        raise Refused(
            "context_broken",
            f"Version {number} of {row['id']} cannot be read: {exc}. {advice}.",
            broken=[number],
            last_good=good,
        ) from exc


async def _readable_before(ctx: Context, context_id: str, number: int) -> int | None:
    if number == 1:
        return None
    try:
        return int((await read_newest(ctx, context_id, number - 1)).version["version"])
    except Refused:
        return None


def _report_broken(ctx: Context, context_id: str, number: int, why: str) -> None:
    actor, here = ctx.actor, ctx.installation_id

    async def append_event(tx: Tx) -> None:
        await contexts.lock(tx, here, context_id)
        row = await contexts.get(tx, here, context_id)
        if row is None or number in await versions.broken_versions(tx, here, context_id):
            return
        data = {"version": number, "why": why}
        where = row["repository_id"]
        kind = "context.broken"
        await events.append(tx, here, kind, context_id, actor.name, data, repository_id=where)

    log.error("context broken", installation=here, context=context_id, version=number, why=why)
    ctx.later.append(append_event)


async def _run_in_thread_if_large(size: int, work: Any) -> Any:
    """Do work on large contents in a thread, because it would block the event loop."""
    return await asyncio.to_thread(work) if size > LARGE else work()


async def history(ctx: Context, context_id: str, upto: int, limit: int) -> list[VersionInfo]:
    """Versions up to `upto` without their content, newest first."""
    return await versions.history(ctx.tx, ctx.installation_id, context_id, upto, limit)


async def size(ctx: Context, numbers: dict[str, int]) -> int:
    """The total size of these versions in bytes. `numbers`: the version of each context."""
    return await versions.size(ctx.tx, ctx.installation_id, numbers)
