"""Checks what a person sets of a tool server, and makes the row of it."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from bot.errors import Refused
from bot.identity.keyring import Broken
from bot.kernel import argument_errors
from bot.kernel.operation import Context
from bot.mounts.specs import credential_of
from bot.tool_servers.addresses import check_web
from bot.tool_servers.credentials import KINDS, Credential, CredentialKind, seal
from bot.tool_servers.openapi.options import Options
from store.engine import ids
from store.mirror import stored_repositories
from store.mounts import mounts
from store.tables.mounts import MountKind, MountRow

# Two underscores separate it from the name of a tool.
NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")
# The connection sets them, or they would let a person write into other requests.
FORBIDDEN_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "mcp-protocol-version",
        "mcp-session-id",
        "te",
        "transfer-encoding",
        "upgrade",
    }
)
MOST_REPOSITORIES = 200


@dataclass(frozen=True)
class Wanted:
    """The arguments of the operation. None: as it was, or the default."""

    kind: MountKind | None = None
    url: str | None = None
    auth: CredentialKind | None = None
    auth_name: str | None = None
    secret: str | None = field(default=None, repr=False)
    token_url: str | None = None
    scope: str | None = None
    document: str | None = field(default=None, repr=False)
    options: dict[str, Any] | None = None
    repositories: list[str] | None = None


@dataclass(frozen=True)
class Made:
    row: MountRow
    credential: Credential = field(repr=False)
    # The text of the document, if it was passed.
    document: str | None = field(default=None, repr=False)


async def new_row(ctx: Context, name: str, wanted: Wanted) -> Made:
    """Raise Refused."""
    if not NAME.fullmatch(name):
        raise _wrong("mount", "pass a name of small letters, digits and -, at most 30 characters")
    if wanted.url is None and wanted.document is None:
        raise _wrong("url", "pass the address of the server, or of the document for openapi")
    here, by = (ctx.installation_id, ids.new("h", ctx.now)), ctx.actor.name
    # Its credential is sealed with what else is wanted.
    row = mounts.new_row(*here, name, wanted.kind or "mcp", b"", by, ctx.now)
    return await _with(ctx, row, Credential(), wanted)


async def changed_row(ctx: Context, row: MountRow, wanted: Wanted) -> Made:
    """Raise Refused."""
    if wanted.kind not in (None, row["kind"]):
        raise _wrong("kind", "it cannot change; remove the server and add it again")
    if wanted == Wanted(kind=wanted.kind):
        raise Refused(
            "invalid_arguments",
            "Nothing to change: pass at least one of url, auth, secret, options, repositories.",
        )
    try:
        credential = credential_of(ctx.shared.keys, row)
    except Broken as exc:
        if wanted.auth is None:
            raise _wrong("auth", "the stored credential cannot be decrypted; set it again") from exc
        credential = Credential()
    moved = wanted.url is not None and wanted.url != row["url"] and row["kind"] != "openapi"
    base = row["options"].get("base_url")
    moved = moved or (wanted.options or {}).get("base_url", base) != base
    if moved and credential.kind != "none" and wanted.auth is None:
        raise _wrong("auth", "pass the credential again with another address")
    row = {**row, "version": row["version"] + 1, "updated_at": ctx.now}
    return await _with(ctx, row, credential, wanted)


async def _with(ctx: Context, row: MountRow, old: Credential, wanted: Wanted) -> Made:
    url = row["url"] if wanted.url is None else wanted.url
    if row["kind"] == "openapi" and wanted.document is not None:
        url = ""
    elif wanted.document is not None:
        raise _wrong("document", "an MCP server has none; it is for the kind openapi")
    if url:
        check_web(url, ctx.shared.trusted_origins)
    credential = _credential(ctx, old, wanted)
    made: MountRow = {
        **row,
        "url": url,
        "sealed": seal(ctx.shared.keys, ctx.installation_id, row["id"], credential),
        "options": _options(ctx, row, wanted),
        "repositories": await _repositories(ctx, row, wanted),
    }
    return Made(made, credential, wanted.document)


def _options(ctx: Context, row: MountRow, wanted: Wanted) -> dict[str, Any]:
    """Those of a service are checked. `base_url` is beside them."""
    given = wanted.options
    if row["kind"] != "openapi":
        if given:
            raise _wrong("options", "an MCP server has none")
        return {}
    if given is None:
        return row["options"] or {"base_url": "", "service": {}}
    if row["document"] is not None and not row["url"] and wanted.document is None:
        raise _wrong("document", "pass the text again with other options")
    base = given.get("base_url", row["options"].get("base_url", ""))
    rest = {key: each for key, each in given.items() if key != "base_url"}
    if base:
        check_web(str(base), ctx.shared.trusted_origins, argument="options.base_url")
    try:
        service = Options.model_validate(rest).model_dump(mode="json")
    except ValidationError as exc:
        problems = argument_errors.problems(exc, rest, Options)
        words = "; ".join(f"`options.{each}` {why}" for each, why in problems.items())
        raise Refused("invalid_arguments", f"{words}.") from exc
    return {"base_url": str(base), "service": service}


def _credential(ctx: Context, old: Credential, wanted: Wanted) -> Credential:
    if wanted.auth is None:
        if wanted.secret is None:
            return old
        if old.kind == "none":
            kinds = ", ".join(each for each in KINDS if each != "none")
            raise _wrong("auth", f"say how the secret is sent, by one of {kinds}")
        return replace(old, secret=_checked_secret(wanted.secret))
    if wanted.auth == "none":
        return Credential()
    if not wanted.secret:
        raise _wrong("secret", f"pass it for {wanted.auth}")
    given = Credential(
        wanted.auth,
        (wanted.auth_name or "").strip(),
        _checked_secret(wanted.secret),
        wanted.token_url or "",
        wanted.scope or "",
    )
    _check(ctx, given)
    return given


def _checked_secret(secret: str) -> str:
    if not secret.isascii() or not secret.isprintable() or not secret.strip():
        raise _wrong("secret", "it must be printable ASCII in one line")
    return secret


def _check(ctx: Context, given: Credential) -> None:
    """Raise Refused."""
    if given.kind == "oauth":
        if not given.name or not given.token_url:
            raise _wrong("auth_name", "OAuth needs the client id there, and `token_url`")
        check_web(given.token_url, ctx.shared.trusted_origins, argument="token_url")
    if given.kind in ("basic", "query") and not (given.name and given.name.isprintable()):
        raise _wrong("auth_name", "pass the user, or the name of the parameter")
    if given.kind == "header" and (
        not HEADER.fullmatch(given.name) or given.name.lower() in FORBIDDEN_HEADERS
    ):
        raise _wrong("auth_name", "pass the name of a header such as X-Api-Key")


async def _repositories(ctx: Context, row: MountRow, wanted: Wanted) -> list[int] | None:
    if wanted.repositories is None:
        return row["repositories"]
    if not wanted.repositories:
        return None
    found = []
    for each in wanted.repositories[:MOST_REPOSITORIES]:
        known = await stored_repositories.repository(ctx.tx, ctx.installation_id, each)
        if known is None:
            raise Refused("unknown_repository", f"There is no repository {each!r} here.")
        found.append(known["id"])
    return sorted(set(found))


def _wrong(argument: str, what: str) -> Refused:
    return Refused("invalid_arguments", f"`{argument}`: {what}.")
