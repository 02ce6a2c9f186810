"""`hubbub call`: one operation, at a server or on the database."""

import json
import re
from typing import Any

import aiohttp

from bot.cli.session import open_session
from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
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
            raise WrongSettings(f"{word!r} is not key=value.")
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
    async with open_session(loaded) as session:
        actor = await Tokens(session.store, session.keys).authenticate(secret)
        return await Dispatcher(session.store, session.shared).call(actor, operation, given)


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
