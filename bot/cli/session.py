"""What the commands do that need no server."""

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from rich.console import Console
from rich.table import Table

from bot import settings
from bot.cli import secret_rotation
from bot.dispatch.dispatcher import TOKEN_CACHE_S, Hub, create_key
from bot.errors import Refused
from bot.github.client import OutcomeUnknown, Unreachable, as_app
from bot.github.payloads import at, text
from bot.identity import keyring
from bot.identity.actors import NO_AGENTS, SLUG, Role
from bot.kernel.operation import Shared
from bot.operations import OPERATIONS
from bot.repository import repository_settings
from bot.repository.settings_file import PATH
from bot.settings import GitHubApp, Settings, WrongSettings
from bot.times import SECOND, stamp
from store.agents import agents
from store.engine import key_values
from store.engine import migrate as schema
from store.engine.database import open_store
from store.engine.transaction import Row, Store, StoreError, Tx
from store.inbox import deliveries, missed_deliveries
from store.mirror import mirror_rows
from store.mirror import repository_settings as stored_settings

REST_TIMEOUT_S = 70
# Of deliveries: in GitHub's log, and not in the inbox.
LOST = "lost"


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - what the command is for


def warn(line: str) -> None:
    print(f"hubbub: {line}", file=sys.stderr)  # noqa: T201


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def safe_url(url: str) -> str:
    """Without the password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":…@")))


def migrate(loaded: Settings) -> None:
    """With the secret, so that every command can open what this one made."""
    keyring.load(loaded, make=True)
    schema.upgrade(loaded.database_url)


@asynccontextmanager
async def opened(
    loaded: Settings, *, make: bool = False, app: GitHubApp | None = None
) -> AsyncIterator[Hub]:
    """The database, bound to the secret, and to the App from its first `serve` on.

    `make`: made and migrated first, as `serve` does.
    """
    if not make:
        await asyncio.to_thread(_there, loaded)
    known = keyring.load(loaded, make=make)
    if make:
        await asyncio.to_thread(schema.upgrade, loaded.database_url)
    store = await open_store(loaded.database_url)
    try:
        await keyring.check(store, known)
        if app is not None:
            await _bind(store, app)
        yield Hub(store, shared(known, loaded))
    finally:
        await store.close()


def shared(known: keyring.Keys, loaded: Settings) -> Shared:
    """What all operations of a process with these settings have in common."""
    return Shared(known, loaded.idle_after_s * SECOND, loaded.inactive_after_s * SECOND)


async def _bind(store: Store, app: GitHubApp) -> None:
    """Another App does not see these installations, and would take all of them for removed."""
    bound = await store.write(lambda tx: key_values.settle(tx, "github app", app.id))
    if bound != app.id:
        raise WrongSettings(
            f"HUBBUB_GITHUB_APP_ID is {app.id}, and this database is App {bound}'s. Use that, or "
            "another database."
        )


def _there(loaded: Settings) -> None:
    if wrong := schema.check(loaded.database_url):
        raise StoreError(
            f"The database {safe_url(loaded.database_url)} cannot be used: {wrong}. Set "
            "HUBBUB_DATABASE_URL to that of `hubbub serve`, or call where it runs; for `call` and "
            "`mcp` HUBBUB_URL, the server's address, does as well."
        )


def token_of(loaded: Settings) -> str:
    """What a header can carry, at least. Raise WrongSettings."""
    token = loaded.token.get_secret_value().strip() if loaded.token else ""
    if not token:
        said = "not set" if loaded.token is None else "empty"
    elif not re.fullmatch("[!-~]+", token):
        said = "no token: it has spaces, or what is no ASCII"
    else:
        return token
    raise WrongSettings(
        f"HUBBUB_TOKEN is {said}. It is what `hubbub token create` showed for this agent."
    )


def told(refused: Refused) -> Refused:
    """As whoever sits before a command line can mend it."""
    if refused.code != "unauthenticated":
        return refused
    return Refused(
        refused.code,
        "The token in HUBBUB_TOKEN is not known there, or it was revoked. `hubbub token create` "
        "makes another.",
    )


async def create_token(loaded: Settings, installation: str, agent: str, role: Role) -> None:
    if not re.fullmatch(SLUG, agent):
        raise WrongSettings(
            f"--agent is {agent!r}; it must be a slug: lower-case letters, digits and hyphens."
        )
    if why := NO_AGENTS.get(agent):
        raise WrongSettings(f"--agent: {agent!r} is no agent's id, since {why}. Take another.")
    async with opened(loaded) as hub:
        installation_id = await hub.store.read(lambda tx: _installation(tx, installation))
        made = await hub.store.write(
            lambda tx: create_key(tx, hub.keys, installation_id, agent, role)
        )
    say(made)
    warn(
        f"this is {agent}'s token as {role} in installation {installation_id}; it is not shown "
        "again. Give it to the agent as HUBBUB_TOKEN, or as `Authorization: Bearer …`."
    )


async def list_tokens(loaded: Settings, installation: str) -> None:
    async with opened(loaded) as hub:
        installation_id = await hub.store.read(lambda tx: _installation(tx, installation))
        rows = await hub.store.read(lambda tx: agents.keys_of(tx, installation_id))
    for row in rows:
        say(f"{row['id']}  {row['agent_id']}  {row['role']}  made {stamp(row['created_at'])}")


async def revoke_token(loaded: Settings, key_id: str) -> None:
    async with opened(loaded) as hub:
        if not await hub.store.write(lambda tx: agents.revoke_key(tx, key_id)):
            raise WrongSettings(f"There is no token {key_id}. `hubbub token list` shows them.")
    say(f"{key_id} is revoked; servers take it for {TOKEN_CACHE_S} s more at most.")


async def rotate_secret(loaded: Settings) -> int:
    """Seal everything anew: 1 if something is under a secret that nobody named, or broken."""
    async with opened(loaded) as hub:
        if not hub.keys.former:
            raise WrongSettings(
                "There is no former secret: set HUBBUB_SECRET_KEY to the new one, and "
                "HUBBUB_SECRET_KEY_OLD to the one before it."
            )
        done, broken = Counter[str](), Counter[str]()
        async for batch in secret_rotation.reseal(hub.store, hub.keys):
            done[batch.table] += batch.resealed
            broken[batch.table] += batch.broken
            say(f"{batch.table}: {done[batch.table]} sealed anew")
        left = await secret_rotation.bind(hub.store, hub.keys)
        say(f"The database is bound to the secret with key id {hub.keys.id}.")
    return _said_of_rotation(broken, left)


def _said_of_rotation(broken: Counter[str], left: secret_rotation.Left) -> int:
    for key_id, n in left.tokens.items():
        say(
            f"{n} tokens are of the former secret {key_id}: they work as long as "
            "HUBBUB_SECRET_KEY_OLD names it. `hubbub token list` shows ids that begin with it."
        )
    wrong = [f"{n} of {table} cannot be opened" for table, n in broken.items() if n]
    for table, found in left.unknown.items():
        wrong += [f"{n} of {table} are under the unknown secret {k}" for k, n in found.items()]
    for each in wrong:
        warn(f"{each}; they stay as they are.")
    return int(bool(wrong))


async def _installation(tx: Tx, named: str) -> int:
    if named.isdecimal():
        if await mirror_rows.installation(tx, int(named)) is None:
            warn(f"no delivery has named installation {named} yet; its token works all the same.")
        return int(named)
    row = await mirror_rows.installation_of(tx, named)
    if row is None:
        raise WrongSettings(
            f"No installation on {named!r} is known yet. Install the App there while `hubbub "
            "serve` runs, or give the installation's number."
        )
    return int(row["installation_id"])


def parsed(operation: str, words: list[str]) -> dict[str, Any]:
    """`key=value` words. A value is JSON, unless the argument takes a text."""
    known = OPERATIONS.get(operation)
    given: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise WrongSettings(f"{word!r} is no key=value.")
        given[name] = value if known and _takes_text(known.arguments, name) else _value(value)
    return given


def _takes_text(arguments: Any, name: str) -> bool:
    schema = arguments.model_json_schema()["properties"].get(name, {})
    kinds = [schema, *schema.get("anyOf", [])]
    return any(each.get("type") == "string" for each in kinds)


def _value(written: str) -> Any:
    try:
        return json.loads(written)
    except ValueError:
        return written


async def call(loaded: Settings, operation: str, given: dict[str, Any]) -> dict[str, Any]:
    """At the server if there is an address, else on the database. Raise Refused."""
    secret = token_of(loaded)
    if loaded.url:
        return await _call_server(loaded.url, secret, operation, given)
    async with opened(loaded) as hub:
        return await hub.call(await hub.authenticate(secret), operation, given)


async def _call_server(
    url: str, secret: str, operation: str, given: dict[str, Any]
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {secret}"}
    limit = aiohttp.ClientTimeout(total=REST_TIMEOUT_S)
    where = f"{url}/api/v1/{operation}"
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=limit) as session,
            session.post(where, json=given) as response,
        ):
            answer: dict[str, Any] = await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
        raise Refused("unavailable", f"Hubbub at {url} does not answer: {exc}") from exc
    if "error" in answer and response.status >= 400:
        error = answer["error"]
        raise Refused(error["code"], error["message"], **error["details"])
    return answer


async def list_deliveries(
    loaded: Settings, state: str | None, limit: int, *, counts: bool, as_json: bool
) -> None:
    known = (*deliveries.STATES, LOST)
    if state not in (None, *known):
        raise WrongSettings(f"--state is {state!r}; it must be one of {', '.join(known)}.")
    async with opened(loaded) as hub:
        if counts:
            rows = await hub.store.read(deliveries.counts)
        elif state == LOST:
            rows = await hub.store.read(lambda tx: missed_deliveries.listed(tx, limit))
        else:
            rows = await hub.store.read(lambda tx: deliveries.listed(tx, state, limit))
    if as_json:
        for row in rows:
            say(json.dumps(row))
        return
    shown = ("event", "action", "state", "outcome", "n") if counts else ROW
    table = Table(box=None, pad_edge=False)
    for name in shown:
        table.add_column(name, no_wrap=name in ("guid", "received_at"), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(name, row[name]) for name in shown))
    console = Console(soft_wrap=True)
    # A GUID that is cut is of no use to `show` and `replay`.
    console.width = max(console.width, 160)
    console.print(table)


ROW = ("guid", "received_at", "event", "action", "state", "outcome", "attempts", "error")


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    return stamp(value) if name.endswith("_at") else str(value)


async def show_delivery(loaded: Settings, guid: str) -> None:
    async with opened(loaded) as hub:
        found = await hub.store.read(lambda tx: _delivery(tx, guid))
    say(pretty(found))


async def _delivery(tx: Tx, guid: str) -> dict[str, Any]:
    for installation_id in await deliveries.installations_of(tx, guid):
        if found := await deliveries.get(tx, installation_id, guid):
            row, delivery = found
            return row | {"payload": json.loads(delivery.payload)}
    raise WrongSettings(f"There is no delivery {guid}. `hubbub deliveries list` shows those kept.")


async def replay(loaded: Settings, guid: str | None, *, all_dead: bool) -> None:
    if (guid is None) == (not all_dead):
        raise WrongSettings("Give one GUID, or --all.")
    async with opened(loaded) as hub:
        n = await hub.store.write(lambda tx: _replay(tx, guid))
    if guid is not None and not n:
        raise WrongSettings(f"No dead delivery has the GUID {guid}: nothing to process again.")
    say(f"{n} {'delivery is' if n == 1 else 'deliveries are'} processed again by `hubbub serve`.")


async def _replay(tx: Tx, guid: str | None) -> int:
    if guid is None:
        dead = await deliveries.listed(tx, "dead", 1_000_000)
        return sum([await deliveries.revive(tx, r["installation_id"], [r["guid"]]) for r in dead])
    where = await deliveries.installations_of(tx, guid)
    return sum([await deliveries.revive(tx, each, [guid]) for each in where])


async def chosen(tx: Tx, full_name: str | None) -> list[Row]:
    """The repository of this name, or all that there are."""
    present = await mirror_rows.present_repositories(tx)
    if full_name is None:
        return present
    folded = full_name.casefold()
    found = [row for row in present if row["full_name"].casefold() == folded]
    if not found:
        raise WrongSettings(
            f"The repository {full_name!r} is not known. The App must be installed on it, and "
            "`hubbub serve` must have heard of that once."
        )
    return found


async def show_settings(loaded: Settings, full_name: str) -> int:
    """What is in force: 1 if the repository's file is wrong."""
    async with opened(loaded) as hub:
        found, problem = await hub.store.read(lambda tx: _settings(tx, full_name))
    say(pretty(found))
    if problem is not None:
        warn(f"this stays in force, because {PATH} is wrong:\n{problem}")
    return int(problem is not None)


async def _settings(tx: Tx, full_name: str) -> tuple[dict[str, Any], str | None]:
    repository = (await chosen(tx, full_name))[0]
    here = (repository["installation_id"], repository["id"])
    row = await stored_settings.get(tx, *here)
    in_force = await repository_settings.of(tx, *here)
    return in_force.model_dump(mode="json"), row["problem"] if row else None


async def doctor() -> int:
    """A line for each check: 0 when all hold."""
    loaded = settings.load()
    failed: dict[str, str] = {}
    for name, check in (
        ("the App's settings", _check_app),
        ("database", _check_database),
        ("GitHub", _check_github),
    ):
        try:
            said = await check(loaded)
        except (WrongSettings, StoreError, Refused) as exc:
            why = " ".join(str(exc).splitlines())
            said = f"WRONG, as said of {failed[why]}" if why in failed else f"WRONG: {why}"
            failed.setdefault(why, name)
        say(f"{name}: {said}")
    return int(bool(failed))


async def _check_app(loaded: Settings) -> str:
    return f"App {settings.github_app(loaded).id}, complete"


async def _check_database(loaded: Settings) -> str:
    async with opened(loaded) as hub:
        await hub.store.read(_one)
    return f"{safe_url(loaded.database_url)}, newest schema, filled with this secret"


async def _one(tx: Tx) -> None:
    await tx.one("SELECT 1 AS one")


async def _check_github(loaded: Settings) -> str:
    app = settings.github_app(loaded)
    async with aiohttp.ClientSession() as session:
        github = as_app(session, app)
        try:
            answer = await github.app_request("GET", "/app")
        except (Unreachable, OutcomeUnknown) as exc:
            raise Refused("unavailable", f"{app.api_url} cannot be reached: {exc}") from exc
    if answer.status != 200:
        raise Refused("unavailable", f"{app.api_url} says: {text(at(answer.data, 'message'))}")
    return f"{app.api_url} knows the App as {text(at(answer.data, 'slug'))}"
