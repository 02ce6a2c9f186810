"""`hubbub call`: one operation, at a server or on the database."""

import json
import re
from typing import Any

import aiohttp

from bot.cli.session import open_session
from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.github.proxies import proxy_for
from bot.identity.tokens import Tokens
from bot.operations import OPERATIONS
from bot.settings import Settings, WrongSettings

REST_TIMEOUT_S = 70


def token_of(loaded: Settings) -> str:
    """The token in the settings. Raise WrongSettings unless an HTTP header can carry it."""
    token = loaded.token.get_secret_value().strip() if loaded.token else ""
    if not token:
        problem = "not set" if loaded.token is None else "empty"
    elif not re.fullmatch("[!-~]+", token):
        problem = "not a token: it has spaces or characters outside ASCII"
    else:
        return token
    raise WrongSettings(
        f"HUBBUB_TOKEN is {problem}. Set it to what `hubbub token create` showed for this agent."
    )


def arguments_of(operation: str, words: list[str]) -> dict[str, Any]:
    """`key=value` words. A value is JSON, unless the argument takes a text."""
    known = OPERATIONS.get(operation)
    given: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise WrongSettings(f"{word!r} has no value. Write key=value, for example limit=5.")
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


async def call_operation(loaded: Settings, operation: str, given: dict[str, Any]) -> dict[str, Any]:
    """Call it at HUBBUB_URL if that is set, else on the database. Raise Refused."""
    secret = token_of(loaded)
    if loaded.url:
        return await _call_server(loaded.url, secret, operation, given)
    async with open_session(loaded, remote=True) as session:
        actor = await Tokens(session.store, session.keys).authenticate(secret)
        return await Dispatcher(session.store, session.shared).call(actor, operation, given)


async def _call_server(
    url: str, secret: str, operation: str, given: dict[str, Any]
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {secret}"}
    limit = aiohttp.ClientTimeout(total=REST_TIMEOUT_S)
    where, proxy = f"{url}/api/v1/{operation}", proxy_for(url)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=limit, proxy=proxy) as session,
            session.post(where, json=given) as response,
        ):
            body = await response.text(errors="replace")
    except aiohttp.InvalidURL as exc:
        raise WrongSettings(
            f"HUBBUB_URL is {url!r}, which is not the address of a server."
        ) from exc
    except aiohttp.ClientConnectionError as exc:
        raise Refused(
            "unavailable",
            f"Cannot connect to {url}. Check HUBBUB_URL, and that `hubbub serve` runs there.",
        ) from exc
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise Refused("unavailable", f"The server at {url} did not answer in time.") from exc
    answer = _value(body)
    if not isinstance(answer, dict):
        what = f"{response.status}, {response.content_type}"
        raise Refused(
            "unavailable", f"The server at {url} is not Hubbub ({what}). Check HUBBUB_URL."
        )
    if isinstance(error := answer.get("error"), dict) and response.status >= 400:
        raise Refused(error["code"], error["message"], **error["details"])
    return answer
