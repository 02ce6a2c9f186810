"""`hubbub call`: one operation, at a server or on the database.

Agents start it for every call of a script. At a server it needs only the standard library.
"""

import asyncio
import json
import re
from typing import Any
from urllib.parse import quote

from bot.cli import login
from bot.cli.server_requests import post
from bot.errors import Refused
from bot.settings import Settings, WrongSettings

# The values of these arguments are JSON, and all others are texts: a title may be 4711. This table
# is here because it takes a second to load the operations.
JSON_ARGUMENTS = """
agents all approve arguments assignees at_least attachments blocked_by cached_tokens capabilities
checkpoint children comment_id comments compensate content context_ids create_labels days delete
draft duplicate_ok edits expected_version expires_s fence files health history hold inline
input_tokens inputs judge labels lease_s limit max_tokens minutes offset options output_tokens
outputs part paths policy progress project quorum replace reply_to repositories resolve reviewers
run_id runs settings size snapshots start_line steps tasks tokens topics ttl_s version wait_s
with_children with_text
"""

NOT_ACCEPTED = (
    "The server does not know the token in HUBBUB_TOKEN, or it expired or was revoked. Create "
    "another with `hubbub token create`."
)


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
        f"HUBBUB_TOKEN is {problem}. Set it to what `hubbub token create` showed for this agent. "
        "People can run `hubbub login` instead, and then `hubbub call`."
    )


def arguments_of(words: list[str]) -> dict[str, Any]:
    """The values of `key=value` words."""
    given: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise WrongSettings(f"{word!r} has no value. Write key=value, for example limit=5.")
        given[name] = _value(value) if name in JSON_ARGUMENTS.split() else value
    return given


def _value(written: str) -> Any:
    try:
        return json.loads(written)
    except ValueError:
        return written


def call_operation(loaded: Settings, operation: str, given: dict[str, Any]) -> dict[str, Any]:
    """Call it at HUBBUB_URL if that is set, else on the database. Raise Refused."""
    session = None if loaded.token else login.token_of(loaded)
    try:
        return _call(loaded, session or token_of(loaded), operation, given)
    except Refused as exc:
        if exc.code != "unauthenticated":
            raise
        why = login.NOT_LOGGED_IN.format(loaded.url) if session else NOT_ACCEPTED
        raise Refused(exc.code, why) from exc


def _call(loaded: Settings, secret: str, operation: str, given: dict[str, Any]) -> dict[str, Any]:
    if loaded.url:
        return post(loaded.url, f"/api/v1/{quote(operation, safe='')}", given, secret)
    from bot.cli import call_on_database  # noqa: PLC0415 - loads all operations

    return asyncio.run(call_on_database.call_operation(loaded, secret, operation, given))
