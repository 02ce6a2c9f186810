"""`hubbub call`: one operation, at a server or on the database.

Agents start it for every call of a script. At a server it needs only the standard library.
"""

import asyncio
import json
import re
from http.client import HTTPException, HTTPResponse, InvalidURL
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from bot.errors import Refused, refusal_in
from bot.github.proxies import proxy_for
from bot.settings import Settings, WrongSettings

# Seconds without a byte. Longer than the longest wait_s.
REST_TIMEOUT_S = 70
# The values of these arguments are JSON, and all others are texts: a title may be 4711. This table
# is here because it takes a second to load the operations.
JSON_ARGUMENTS = """
all assignees blocked_by capabilities checkpoint comment_id comments content context_ids
create_labels delete draft duplicate_ok expected_version expires_s fence files health
history hold inputs labels lease_s limit max_tokens part paths progress project replace
reply_to repositories resolve reviewers run_id snapshots start_line tasks topics ttl_s
version wait_s with_children
"""


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
    secret = token_of(loaded)
    if loaded.url:
        return post(loaded.url, f"/api/v1/{quote(operation, safe='')}", given, secret)
    from bot.cli import call_on_database  # noqa: PLC0415 - loads all operations

    return asyncio.run(call_on_database.call_operation(loaded, secret, operation, given))


def post(url: str, path: str, given: dict[str, Any], secret: str | None = None) -> dict[str, Any]:
    """Post JSON to the server, with a token if there is one. Raise Refused."""
    headers = {"Content-Type": "application/json"}
    if secret is not None:
        headers["Authorization"] = f"Bearer {secret}"
    try:
        request = Request(  # noqa: S310 - the settings accept only http and https
            url + path, json.dumps(given).encode(), headers
        )
        with _send(request) as response:
            body = response.read().decode("utf-8", "replace")
    except (InvalidURL, ValueError) as exc:
        raise WrongSettings(
            f"HUBBUB_URL is {url!r}, which is not the address of a server."
        ) from exc
    except (OSError, HTTPException) as exc:
        raise _no_answer(url, exc) from exc
    return _answer(url, response, body)


class _NoRedirect(HTTPRedirectHandler):
    """Another address may belong to somebody else, who would get the token."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _send(request: Request) -> HTTPResponse | HTTPError:
    proxy = proxy_for(request.full_url)
    opener = build_opener(ProxyHandler({request.type: proxy} if proxy else {}), _NoRedirect)
    try:
        response: HTTPResponse = opener.open(request, timeout=REST_TIMEOUT_S)
    except HTTPError as exc:
        return exc
    return response


def _no_answer(url: str, exc: OSError | HTTPException) -> Refused:
    cause = exc.reason if isinstance(exc, URLError) else exc
    if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
        return Refused(
            "unavailable",
            f"Cannot connect to {url}. Check HUBBUB_URL, and that `hubbub serve` runs there.",
        )
    return Refused("unavailable", f"The server at {url} did not answer in time.")


def _answer(url: str, response: HTTPResponse | HTTPError, body: str) -> dict[str, Any]:
    answer, status = _value(body), response.status or 0
    if isinstance(answer, dict) and status < 400:
        return answer
    if (refused := refusal_in(answer)) is not None:
        raise refused
    what = f"{status}, {response.headers.get_content_type()}"
    raise Refused("unavailable", f"The server at {url} is not Hubbub ({what}). Check HUBBUB_URL.")
