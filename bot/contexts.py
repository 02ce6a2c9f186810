"""Contexts: what one may hold, who may read and write it, and how it is kept."""

import asyncio
import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import structlog
from pydantic_core import PydanticCustomError

from bot.actor import ROLES, Actor
from bot.errors import Refused
from bot.keys import Broken, Keys
from bot.operation import Context
from store import contexts, events
from store.transaction import Row, Tx

log = structlog.get_logger()

Kind: TypeAlias = Literal["json", "text"]
# What somebody may do with one, from the least to the most.
Access: TypeAlias = Literal["none", "read", "write", "all"]
ACCESS: tuple[Access, ...] = ("none", "read", "write", "all")

# In bytes of UTF-8, as it is kept before it is packed.
LARGEST = 1_000_000
# How many lists and objects within each other.
DEEPEST = 100
# Of a number, in bits: Python reads no more than 4,300 digits.
LONGEST = 10_000
MOST_OWNED = 1000
MOST_VERSIONS = 10_000
MOST_GRANTS = 200
# So many versions are tried, from the newest, until one is whole.
LOOKED_BACK = 100
PURPOSE = "contexts"
# Above it packing takes a thread's hop many times over.
HEAVY = 50_000


def keepable(content: Any) -> Any:
    """A validator: what JSON and UTF-8 have, and no deeper than anybody can read it."""
    level, seen = [content], 0
    for _ in range(DEEPEST + 1):
        level = [each for value in level for each in _within(value)]
        seen += len(level)
        if not level:
            return content
        if seen > LARGEST:  # each takes a byte at least
            raise _unfit("it has more than {n} bytes", n=LARGEST)
    raise _unfit("lists and objects are nested more than {n} deep", n=DEEPEST)


def _within(value: Any) -> Iterator[Any]:
    """What a list or an object has in it. Raise for a value that cannot be kept."""
    if isinstance(value, str):
        _encoded(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise _unfit("NaN and Infinity are no JSON")
    elif isinstance(value, int) and value.bit_length() > LONGEST:
        raise _unfit("a number has more than {n} bits", n=LONGEST)
    elif isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise _unfit("half of a surrogate pair is no character") from exc


def _unfit(why: Any, **values: int) -> PydanticCustomError:
    return PydanticCustomError("content", why, values)


def kind_of(content: Any) -> Kind:
    return "text" if isinstance(content, str) else "json"


def written(content: Any) -> bytes:
    """Equal contents give equal bytes."""
    if isinstance(content, str):
        return content.encode()
    return json.dumps(
        content, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    ).encode()


def about(installation_id: int, context_id: str, version: int) -> str:
    """What a version's content is sealed with: it opens in no other row."""
    return f"{installation_id} {context_id} {version}"


def packed(content: bytes) -> bytes:
    # Others wait to write meanwhile: a higher level takes six times as long, for a fifth less.
    return zlib.compress(content, 1)


def sealed(keys: Keys, where: str, pack: bytes) -> Row:
    """The columns of a version in which its content is."""
    return {"key_id": keys.id, "sealed": keys.seal(PURPOSE, where, pack)}


def opened(keys: Keys, where: str, row: Row | None) -> tuple[bytes, bytes]:
    """The content, packed and unpacked. Raise Broken."""
    if row is None:
        raise Broken("its row is gone")
    pack = keys.under(row["key_id"]).open(PURPOSE, where, row["sealed"])
    try:
        content = zlib.decompress(pack)
    except zlib.error as exc:
        raise Broken("it cannot be unpacked") from exc
    if hashlib.sha256(content).hexdigest() != row["checksum"]:
        raise Broken("its checksum is another")
    return pack, content


# --- Who may --------------------------------------------------------------------------------------


def task_of(row: Row) -> str | None:
    """`owner/repo#12`, or the id where there is no number."""
    return f"{row['full_name']}#{row['number']}" if row["number"] else row["task_id"]


def _grantees(actor: Actor, held: Iterable[str]) -> list[str]:
    """The names under which something may have been shared with the actor."""
    roles = [f"role:{role}" for role in ROLES if actor.may(role)]
    return [actor.name, *roles, *(f"task:{task_id}" for task_id in held)]


def in_charge(actor: Actor) -> bool:
    """Of what others own too."""
    return actor.may("tech-lead") or (actor.is_person and actor.may("developer"))


def allowed(actor: Actor, row: Row, granted: Iterable[Row]) -> Access:
    """What the actor may do with a context; `granted`: what was shared of it with them.

    A person's role holds in the repositories they were asked for: of what belongs to no
    repository it says nothing.
    """
    reach, where = actor.repositories, row["repository_id"]
    if reach is not None and where is not None and where not in reach:
        return "none"
    by_role = reach is None or where is not None
    if row["owner"] == actor.name or (by_role and in_charge(actor)):
        return "all"
    counted = [g["access"] for g in granted if by_role or not g["grantee"].startswith("role:")]
    return max(["none", *counted], key=ACCESS.index)


async def accesses(tx: Tx, actor: Actor, rows: Sequence[Row]) -> dict[str, Access]:
    """What the actor may do with each of these contexts, by id."""
    here = actor.installation_id
    found: dict[str, list[Row]] = {row["id"]: [] for row in rows}
    if not rows:
        return {}
    held = await contexts.held_tasks(tx, here, actor.name, await tx.now())
    for each in await contexts.granted(tx, here, _grantees(actor, held), list(found)):
        found[each["context_id"]].append(each)
    return {row["id"]: allowed(actor, row, found[row["id"]]) for row in rows}


async def readable_ones(tx: Tx, actor: Actor, context_ids: Sequence[str]) -> set[str]:
    """Those of them that the actor may read."""
    rows = await contexts.several(tx, actor.installation_id, context_ids)
    may = await accesses(tx, actor, rows)
    return {each for each, access in may.items() if access != "none"}


async def visible_ids(tx: Tx, actor: Actor, after: str, limit: int) -> list[str]:
    """The actor's own, and what was shared with them, by id."""
    here = actor.installation_id
    held = await contexts.held_tasks(tx, here, actor.name, await tx.now())
    given = await contexts.granted_ids(tx, here, _grantees(actor, held), after, limit)
    own = await contexts.listed(tx, here, owner=actor.name, after=after, limit=limit)
    return sorted({*given, *(row["id"] for row in own)})[:limit]


def unknown(context_id: str) -> Refused:
    return Refused(
        "unknown_context",
        f"There is no context {context_id!r} that you may read. list_contexts shows those there "
        "are; its owner can share it with you.",
    )


async def find(ctx: Context, context_id: str, needs: Access = "read") -> Row:
    """The context, with what the actor may do with it as `access`. Raise Refused."""
    row = await contexts.get(ctx.tx, ctx.installation_id, context_id)
    if row is None:
        raise unknown(context_id)
    access = (await accesses(ctx.tx, ctx.actor, [row]))[context_id]
    if access == "none":
        raise unknown(context_id)
    if ACCESS.index(access) < ACCESS.index(needs):
        raise Refused(
            "forbidden",
            f"You may {access} {context_id}, and not "
            f"{'share it' if needs == 'all' else 'change it'}: ask {row['owner']}, whose it is.",
            owner=row["owner"],
        )
    return row | {"access": access}


# --- Versions -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Read:
    """A version that is whole. `broken`: those after it that are not."""

    version: Row
    packed: bytes
    content: bytes
    broken: list[int]

    def value(self, kind: Kind) -> Any:
        text = self.content.decode()
        return text if kind == "text" else json.loads(text)


async def record(ctx: Context, row: Row, what: str, **data: object) -> None:
    """An event of the context, for those who may read it."""
    await events.append(
        ctx.tx,
        ctx.installation_id,
        f"context.{what}",
        row["id"],
        ctx.actor.name,
        data,
        repository_id=row["repository_id"],
    )


def sized(content: Any) -> bytes:
    """The content's bytes. Raise Refused when they are too many."""
    made = written(content)
    if len(made) > LARGEST:
        raise Refused(
            "too_large",
            f"`content` has {len(made)} bytes, and a context has {LARGEST} at most: divide it, or "
            "keep the bulk in the repository and its path here.",
            size=len(made),
            largest=LARGEST,
        )
    return made


async def keep(ctx: Context, context_id: str, version: int, content: bytes, note: str) -> None:
    """Add the version; its number is settled."""
    where = about(ctx.installation_id, context_id, version)

    def made() -> Row:
        about_it = {"checksum": hashlib.sha256(content).hexdigest(), "size": len(content)}
        return about_it | sealed(ctx.shared.keys, where, packed(content))

    await _add(ctx, context_id, version, note, await _aside(len(content), made))


async def copy(ctx: Context, context_id: str, version: int, read: Read, note: str) -> None:
    """Add the version, with the content of another."""
    where = about(ctx.installation_id, context_id, version)
    about_it = {each: read.version[each] for each in ("checksum", "size")}
    content = sealed(ctx.shared.keys, where, read.packed)
    await _add(ctx, context_id, version, note, about_it | content)


async def _add(ctx: Context, context_id: str, version: int, note: str, content: Row) -> None:
    await contexts.add_version(
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


async def load(ctx: Context, context_id: str, number: int) -> Read:
    """One version. Raise Broken, after its break was noted."""
    row = await contexts.version(ctx.tx, ctx.installation_id, context_id, number)
    where = about(ctx.installation_id, context_id, number)
    size = row["size"] if row else 0
    try:
        pack, content = await _aside(size, lambda: opened(ctx.shared.keys, where, row))
    except Broken as exc:
        _note_broken(ctx, context_id, number, str(exc))
        raise
    return Read(row or {}, pack, content, [])


async def newest(ctx: Context, context_id: str, number: int) -> Read:
    """The version of this number, or the last one before it that is whole. Raise Refused."""
    broken: list[int] = []
    for each in range(number, max(0, number - LOOKED_BACK), -1):
        try:
            read = await load(ctx, context_id, each)
        except Broken:
            broken.append(each)
        else:
            return replace(read, broken=broken)
    raise lost(context_id, number)


def lost(context_id: str, number: int) -> Refused:
    return Refused(
        "context_broken",
        f"Neither version {number} of {context_id} nor any before it can be read: see the log. An "
        "update starts it anew.",
        broken=[number],
        last_good=None,
    )


async def exactly(ctx: Context, row: Row, number: int) -> Read:
    """This version and no other. Raise Refused."""
    if number > row["version"]:
        raise Refused(
            "unknown_context",
            f"{row['id']} has no version {number}: the newest is {row['version']}.",
            version=row["version"],
        )
    try:
        return await load(ctx, row["id"], number)
    except Broken as exc:
        good = await _good_before(ctx, row["id"], number)
        go_on = f"Version {good} is the last whole one before it" if good else "None before it is"
        raise Refused(
            "context_broken",
            f"Version {number} of {row['id']} cannot be read: {exc}. {go_on}.",
            broken=[number],
            last_good=good,
        ) from exc


async def _good_before(ctx: Context, context_id: str, number: int) -> int | None:
    if number == 1:
        return None
    try:
        return int((await newest(ctx, context_id, number - 1)).version["version"])
    except Refused:
        return None


def _note_broken(ctx: Context, context_id: str, number: int, why: str) -> None:
    actor, here = ctx.actor, ctx.installation_id

    async def tell(tx: Tx) -> None:
        await contexts.lock(tx, here, context_id)
        row = await contexts.get(tx, here, context_id)
        if row is None or number in await contexts.told_broken(tx, here, context_id):
            return
        data = {"version": number, "why": why}
        where = row["repository_id"]
        kind = "context.broken"
        await events.append(tx, here, kind, context_id, actor.name, data, repository_id=where)

    log.error("context broken", installation=here, context=context_id, version=number, why=why)
    ctx.later.append(tell)


async def _aside(size: int, work: Any) -> Any:
    """In a thread, when it would keep everybody else waiting."""
    return await asyncio.to_thread(work) if size > HEAVY else work()
