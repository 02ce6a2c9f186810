"""The credentials of agents and people. A row has a hash of the secret, never the secret."""

from collections.abc import Sequence
from typing import Any, TypedDict, cast

from store.audit import records
from store.engine import json_text, sql
from store.engine.transaction import Row, Tx
from store.tables.agents import Role
from store.tables.identity import CredentialKind, CredentialRow

COLUMNS = (
    "id",
    "installation_id",
    "kind",
    "family",
    "actor",
    "person_id",
    "role",
    "repositories",
    "name",
    "client",
    "data",
    "hash",
    "created_at",
    "created_by",
    "expires_at",
    "uses_left",
)
# With one of these, an actor calls operations. The others are used to get one.
BEARER_KINDS: tuple[CredentialKind, ...] = ("api_key", "session")
BEARERS = "kind IN ('api_key', 'session')"
LIVE = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)"


class CredentialInfo(TypedDict):
    """A credential without its hash."""

    id: str
    kind: CredentialKind
    actor: str
    role: Role
    repositories: list[int] | None
    name: str
    client: str
    created_at: int
    created_by: str
    expires_at: int | None
    last_used_at: int | None


class Revoked(TypedDict):
    id: str
    revoked_at: int


async def add(tx: Tx, row: Row) -> None:
    """Add a credential. What `row` leaves out is empty."""
    await tx.run(sql.insert("credentials", COLUMNS), **_encode(row))
    await _record(tx, row, "credential.created")


async def add_once(tx: Tx, row: Row) -> bool:
    """Add a credential. False if there is one with this id."""
    q = sql.insert_new(tx.dialect, "credentials", COLUMNS, ("id",), "generation")
    if await tx.run(q, **_encode(row)) != 1:
        return False
    await _record(tx, row, "credential.created")
    return True


async def get(tx: Tx, credential_id: str) -> CredentialRow | None:
    """The credential, also if it is revoked or expired."""
    row = await tx.one("SELECT * FROM credentials WHERE id = :id", id=credential_id)
    return None if row is None else _decode(row)


async def lock(tx: Tx, credential_id: str) -> CredentialRow | None:
    """The credential, locked until the transaction ends."""
    row = await tx.one("SELECT * FROM credentials WHERE id = :id FOR UPDATE", id=credential_id)
    return None if row is None else _decode(row)


async def find_live(tx: Tx, credential_id: str, *kinds: CredentialKind) -> CredentialRow | None:
    """The credential if it is of these kinds and neither revoked nor expired."""
    row = await get(tx, credential_id)
    return row if row is not None and row["kind"] in kinds and await is_live(tx, row) else None


async def is_live(tx: Tx, row: CredentialRow) -> bool:
    expires = row["expires_at"]
    return row["revoked_at"] is None and (expires is None or expires > await tx.now())


async def of_installation(tx: Tx, installation_id: int) -> list[CredentialInfo]:
    """The live tokens, sessions and invitations by actor."""
    rows = await tx.all(
        "SELECT id, kind, actor, role, repositories, name, client, created_at, created_by, "
        f"expires_at, last_used_at FROM credentials WHERE installation_id = :i AND {LIVE} "
        f"AND ({BEARERS} OR kind = 'invitation' AND uses_left > 0) ORDER BY actor, created_at",
        i=installation_id,
        now=await tx.now(),
    )
    return [_decode(row) for row in rows]


async def that_reach(
    tx: Tx, installation_id: int, actors: Sequence[str], repository_id: int
) -> list[str]:
    """Those of the actors that have a token for the repository, or none that is bound to others."""
    if not actors:
        return []
    rows = await tx.all(
        f"SELECT actor, repositories FROM credentials WHERE installation_id = :i "
        f"AND actor IN :actors AND {BEARERS} AND {LIVE}",
        i=installation_id,
        actors=tuple(actors),
        now=await tx.now(),
    )
    found: dict[str, bool] = {}
    for row in rows:
        bound = row["repositories"] and json_text.value(row["repositories"])
        may = bound is None or repository_id in bound
        found[row["actor"]] = may or found.get(row["actor"], False)
    return [each for each in actors if found.get(each, True)]


async def of_actor(tx: Tx, installation_id: int, actor: str) -> list[str]:
    """The ids of the actor's live tokens and sessions."""
    rows = await tx.all(
        f"SELECT id FROM credentials WHERE installation_id = :i AND actor = :a AND {BEARERS} "
        f"AND {LIVE}",
        i=installation_id,
        a=actor,
        now=await tx.now(),
    )
    return [row["id"] for row in rows]


async def bearers_of(tx: Tx, installation_id: int, actor: str) -> list[CredentialRow]:
    """The actor's live tokens and sessions, the one that was used last first."""
    rows = await tx.all(
        f"SELECT * FROM credentials WHERE installation_id = :i AND actor = :a AND {BEARERS} "
        f"AND {LIVE} ORDER BY COALESCE(last_used_at, created_at) DESC, id",
        i=installation_id,
        a=actor,
        now=await tx.now(),
    )
    return [_decode(row) for row in rows]


async def codes_of(tx: Tx, installation_id: int, actor: str) -> list[str]:
    """The ids of the codes that are still open to get a token of the actor, also used ones."""
    rows = await tx.all(
        "SELECT id FROM credentials WHERE installation_id = :i AND actor = :a "
        f"AND kind = 'invitation' AND {LIVE} ORDER BY id",
        i=installation_id,
        a=actor,
        now=await tx.now(),
    )
    return [row["id"] for row in rows]


async def sessions_until(tx: Tx, installation_id: int, until: int) -> list[CredentialRow]:
    """The live sessions that end by this time."""
    table = sql.by_index(tx.dialect, "credentials", "ix_credentials_ends")
    rows = await tx.all(
        f"SELECT * FROM {table} WHERE installation_id = :i AND expires_at > :now "
        "AND expires_at <= :until AND kind = 'session' AND revoked_at IS NULL",
        i=installation_id,
        now=await tx.now(),
        until=until,
    )
    return [_decode(row) for row in rows]


async def sessions_of_client(tx: Tx, installation_id: int, actor: str, client: str) -> list[str]:
    """The ids of the actor's live sessions with this client, the newest first."""
    rows = await tx.all(
        "SELECT id FROM credentials WHERE installation_id = :i AND actor = :a AND client = :c "
        f"AND kind = 'session' AND {LIVE} ORDER BY created_at DESC, id",
        i=installation_id,
        a=actor,
        c=client,
        now=await tx.now(),
    )
    return [row["id"] for row in rows]


async def lock_owners(tx: Tx, installation_id: int, actor: str) -> set[int | None]:
    """Who granted the actor's credentials of any kind, also those that are over."""
    rows = await tx.all(
        "SELECT person_id FROM credentials WHERE installation_id = :i AND actor = :a FOR UPDATE",
        i=installation_id,
        a=actor,
    )
    return {row["person_id"] for row in rows}


async def revoke(tx: Tx, credential_id: str) -> bool:
    """Revoke the credential. False if it does not exist or is revoked already."""
    q = "UPDATE credentials SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL"
    if not await tx.run(q, now=await tx.now(), id=credential_id):
        return False
    if (row := await get(tx, credential_id)) is not None:
        await _record(tx, row, "credential.revoked")
    return True


async def end(tx: Tx, credential_id: str) -> None:
    """Revoke a credential that has served its purpose: nobody wants to stop its actor."""
    await change(tx, credential_id, expires_at=await tx.now())
    await revoke(tx, credential_id)


async def _record(tx: Tx, row: Row, what: str) -> None:
    """Record in the audit what happened to the credential."""
    data = {"kind": row["kind"], "for": row["actor"], "role": row["role"]}
    if row.get("client"):
        data["client"] = row["client"]
    await records.append(tx, row["installation_id"], None, what, row["id"], data=data)


async def use(tx: Tx, credential_id: str) -> bool:
    """Use up one of the uses that are left. False if none is left, or it is not live."""
    return bool(
        await tx.run(
            "UPDATE credentials SET uses_left = uses_left - 1, last_used_at = :now "
            f"WHERE id = :id AND uses_left > 0 AND {LIVE}",
            id=credential_id,
            now=await tx.now(),
        )
    )


async def advance(tx: Tx, credential_id: str, generation: int) -> bool:
    """Count that the refresh token of this generation was replaced. False if it was before."""
    return bool(
        await tx.run(
            "UPDATE credentials SET generation = generation + 1, advanced_at = :now, "
            "last_used_at = :now "
            f"WHERE id = :id AND generation = :generation AND {LIVE}",
            id=credential_id,
            generation=generation,
            now=await tx.now(),
        )
    )


async def change(tx: Tx, credential_id: str, **values: Any) -> None:
    """Set columns. JSON columns take their values."""
    given = {
        k: json_text.text(v) if k in ("repositories", "data") else v for k, v in values.items()
    }
    sets = ", ".join(f"{name} = :{name}" for name in given)
    await tx.run(f"UPDATE credentials SET {sets} WHERE id = :id", id=credential_id, **given)


async def touch(tx: Tx, credential_id: str, now: int) -> None:
    """Record that the credential was used."""
    q = "UPDATE credentials SET last_used_at = :now WHERE id = :id"
    await tx.run(q, id=credential_id, now=now)


async def people_logged_in(tx: Tx, person_ids: Sequence[int]) -> set[int]:
    """Those people who have a live session, in a browser or elsewhere."""
    if not person_ids:
        return set()
    rows = await tx.all(
        "SELECT DISTINCT person_id FROM credentials WHERE person_id IN :ids "
        f"AND kind IN ('session', 'browser') AND {LIVE}",
        ids=tuple(person_ids),
        now=await tx.now(),
    )
    return {row["person_id"] for row in rows}


async def revoke_of_person(tx: Tx, person_id: int) -> None:
    """Revoke all sessions of a person."""
    rows = await tx.all(
        "SELECT id FROM credentials WHERE person_id = :p AND kind IN ('session', 'browser') "
        f"AND {LIVE} ORDER BY id",
        p=person_id,
        now=await tx.now(),
    )
    for row in rows:
        await revoke(tx, row["id"])


async def revoked_since(tx: Tx, since: int, after: str, limit: int) -> list[Revoked]:
    """What was revoked from this time on in any installation, by time and id.

    `after`: the last id that was read of this time.
    """
    return await tx.all(
        "SELECT id, revoked_at FROM credentials WHERE revoked_at >= :since "
        "AND (revoked_at > :since OR id > :after) ORDER BY revoked_at, id LIMIT :n",
        since=since,
        after=after,
        n=limit,
    )


def _encode(row: Row) -> Row:
    texts = {"name": "", "client": "", "created_by": ""}
    given = dict.fromkeys(COLUMNS) | texts | dict(row)
    for name in ("repositories", "data"):
        if given[name] is not None:
            given[name] = json_text.text(given[name])
    return given


def _decode(row: Any) -> Any:
    for name in ("repositories", "data"):
        if row.get(name) is not None:
            row[name] = json_text.value(row[name])
    return cast("CredentialRow", row)
