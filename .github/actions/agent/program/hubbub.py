"""Requests to Hubbub, and to GitHub for the token of the job."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner import Problem, given

TIMEOUT_S = 30
# More than any answer has that is read here, in bytes.
MOST_BYTES = 4 * 1024 * 1024
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
CLIENT = "github-actions"

NO_PERMISSION = (
    "This job may not ask GitHub for a token. Add `permissions: {contents: read, id-token: write}` "
    "to the job. A job that calls a reusable workflow needs them too. GitHub gives this permission "
    "to no run that a pull request from a fork started."
)


class Unreachable(Problem):
    """The server gave no answer, or one that says to try again: what it did is unknown."""


class Refused(Problem):
    """The server said no, and why."""


@dataclass(frozen=True)
class Server:
    """`audience`: what tokens for it must name. `run`: the agent run of this job, or empty."""

    url: str
    audience: str
    run: str


@dataclass(frozen=True)
class Tokens:
    """A session of Hubbub: `lifetime` in seconds."""

    access: str
    refresh: str
    lifetime: int
    agent_id: str


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another address."""

    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = urllib.request.build_opener(NoRedirect)


def send(url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> Any:
    """The JSON of the answer. Raise Unreachable or Refused."""
    request = urllib.request.Request(url, data, dict(headers or {}))  # noqa: S310 - checked at start
    try:
        with OPENER.open(request, timeout=TIMEOUT_S) as response:
            return json.loads(response.read(MOST_BYTES))
    except urllib.error.HTTPError as failed:
        raise refusal(url, failed.code, failed.read(MOST_BYTES)) from failed
    except (OSError, ValueError) as failed:
        reason = getattr(failed, "reason", failed)
        raise Unreachable(f"{host(url)} gave no answer: {reason}.") from failed


def refusal(url: str, status: int, body: bytes) -> Problem:
    said = message(body)
    text = f"{host(url)} answered {status}" + (f": {said}" if said else ".")
    return Unreachable(text) if status == 429 or status >= 500 else Refused(text)


def message(body: bytes) -> str:
    """Why the server refused: in the shape of Hubbub's errors, or of OAuth's."""
    try:
        found = json.loads(body)
        error = found.get("error")
        if isinstance(error, dict):
            return str(error.get("message", ""))
        return str(found.get("error_description") or error or found.get("message") or "")
    except (ValueError, AttributeError):
        return ""


def host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc


def token_of_job(audience: str) -> str:
    """What GitHub says of this job, signed. Raise Problem."""
    url, secret = given("ACTIONS_ID_TOKEN_REQUEST_URL"), given("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if not url or not secret:
        raise Problem(NO_PERMISSION)
    query = urllib.parse.urlencode({"audience": audience})
    answer = send(f"{url}&{query}", headers={"Authorization": f"bearer {secret}"})
    return str(answer["value"])


def exchange(server: Server) -> Tokens:
    """A new session for the token of the job."""
    fields = {
        "grant_type": EXCHANGE,
        "subject_token": token_of_job(server.audience),
        "subject_token_type": JWT,
        **({"hubbub_run": server.run} if server.run else {}),
    }
    return tokens(post_form(f"{server.url}/oauth/token", fields), "")


def refresh(server: Server, old: Tokens) -> Tokens:
    """The next tokens of a session. Its refresh token works once."""
    fields = {
        "grant_type": "refresh_token",
        "client_id": CLIENT,
        "refresh_token": old.refresh,
    }
    return tokens(post_form(f"{server.url}/oauth/token", fields), old.agent_id)


def revoke(server: Server, held: Tokens) -> None:
    """End the session."""
    fields = {"token": held.refresh, "client_id": CLIENT}
    data = urllib.parse.urlencode(fields).encode()
    request = urllib.request.Request(f"{server.url}/oauth/revoke", data)  # noqa: S310
    with OPENER.open(request, timeout=TIMEOUT_S):
        pass


def post_form(url: str, fields: Mapping[str, str]) -> Any:
    return send(url, urllib.parse.urlencode(fields).encode())


def tokens(answer: Any, agent_id: str) -> Tokens:
    return Tokens(
        answer["access_token"],
        answer["refresh_token"],
        int(answer["expires_in"]),
        answer.get("agent_id", agent_id),
    )
