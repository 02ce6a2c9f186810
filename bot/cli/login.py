"""`hubbub login` and `hubbub logout`: a person's session at a server, by GitHub's device flow.

Like `hubbub call` it needs only the standard library.
"""

import base64
import binascii
import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict, cast
from urllib.parse import urlencode

from bot.cli import server_requests
from bot.errors import Refused
from bot.settings import Settings, WrongSettings

CLIENT = "hubbub-cli"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
# A token that ends within these seconds is replaced before it is used.
MARGIN_S = 30
# GitHub's answer to too many questions: wait so many seconds longer from now on.
SLOWER_S = 5
NOT_LOGGED_IN = "You are not logged in at {}. Run `hubbub login`, or set HUBBUB_TOKEN."

# Answers after which the command asks again.
PENDING = ("authorization_pending", "slow_down", "temporarily_unavailable")
# The server is being restarted, or a proxy before it answers. The person may have entered the code.
AWAY = ("unavailable", "rate_limited")
# So often in a row.
MOST_AWAY = 5

Say = Callable[[str], None]


class StoredSession(TypedDict):
    access_token: str
    refresh_token: str
    # In seconds since 1970.
    expires_at: float


def log_in(
    loaded: Settings,
    installation: str,
    say: Say,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Log in and store the session. Return who is logged in. Raise Refused or WrongSettings."""
    url = _server(loaded)
    given = _post(url, "/oauth/device_authorization", client_id=CLIENT)
    say(f"Open {given['verification_uri']} and enter the code {given['user_code']}.")
    answer = _poll(url, given, installation, sleep)
    session = _session(answer)
    with _lock():
        _store(url, session)
    return who(session)


def log_out(loaded: Settings) -> bool:
    """End the session and forget it. False if there is none."""
    url = _server(loaded)
    with _lock():
        session = _read().get(url)
        if session is None:
            return False
        # Forgotten first: a server that is away must not keep a person logged in here.
        _store(url, None)
    _post(url, "/oauth/revoke", client_id=CLIENT, token=session["refresh_token"])
    return True


def token_of(loaded: Settings) -> str | None:
    """The access token of the session at HUBBUB_URL, renewed if it is old. None without one."""
    if not loaded.url or loaded.url not in _read():
        return None
    # One process renews at a time: a refresh token works once.
    with _lock():
        session = _read().get(loaded.url)
        if session is None:
            return None
        if session["expires_at"] - MARGIN_S > time.time():
            return session["access_token"]
        return _renew(loaded.url, session)["access_token"]


def who(session: StoredSession) -> str:
    """The login in an access token, which the server checks and nobody here."""
    payload = session["access_token"].split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["sub"])
    except (binascii.Error, ValueError, KeyError):
        return "somebody"


def _renew(url: str, session: StoredSession) -> StoredSession:
    """Raise Refused. A session that has ended is forgotten."""
    try:
        answer = _post(
            url,
            "/oauth/token",
            client_id=CLIENT,
            grant_type="refresh_token",
            refresh_token=session["refresh_token"],
        )
    except _OAuthRefusal as exc:
        if exc.oauth == "invalid_grant":
            _store(url, None)
            raise Refused("unauthenticated", NOT_LOGGED_IN.format(url)) from exc
        raise
    renewed = _session(answer)
    _store(url, renewed)
    return renewed


def _poll(
    url: str, given: dict[str, Any], installation: str, sleep: Callable[[float], None]
) -> dict[str, Any]:
    """Ask until the person has entered the code. Raise Refused."""
    interval = float(given.get("interval", SLOWER_S))
    until, away = time.monotonic() + float(given["expires_in"]), 0
    while time.monotonic() < until:
        sleep(interval)
        try:
            return _post(
                url,
                "/oauth/token",
                client_id=CLIENT,
                grant_type=DEVICE_GRANT,
                device_code=given["device_code"],
                **({"installation": installation} if installation else {}),
            )
        except _OAuthRefusal as exc:
            if exc.oauth not in PENDING:
                raise
            interval += SLOWER_S * (exc.oauth == "slow_down")
            away = 0
        except Refused as exc:
            away += 1
            if exc.code not in AWAY or away > MOST_AWAY:
                raise
            interval += SLOWER_S
    raise Refused("unauthenticated", "The code has expired. Run `hubbub login` again.")


class _OAuthRefusal(Refused):
    """A refusal of the token endpoint, with OAuth's own code."""

    def __init__(self, oauth: str, message: str) -> None:
        super().__init__("unauthenticated", message)
        self.oauth = oauth


def _post(url: str, path: str, **fields: str) -> dict[str, Any]:
    """Raise Refused."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = server_requests.exchange(url, path, urlencode(fields).encode(), form)
    if answer.status < 400:
        return answer.data if isinstance(answer.data, dict) else {}
    match answer.data:
        case {"error": str(code)}:
            why = str(answer.data.get("error_description") or code)
            raise _OAuthRefusal(code, why)
    raise server_requests.refusal(url, answer)


def _session(answer: dict[str, Any]) -> StoredSession:
    return {
        "access_token": str(answer["access_token"]),
        "refresh_token": str(answer["refresh_token"]),
        "expires_at": time.time() + float(answer["expires_in"]),
    }


def _server(loaded: Settings) -> str:
    if not loaded.url:
        raise WrongSettings("HUBBUB_URL is not set. Set it to the address of the Hubbub server.")
    return loaded.url


def _directory() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "hubbub"


def _file() -> Path:
    return _directory() / "sessions.json"


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    _directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(_directory() / "lock", os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read() -> dict[str, StoredSession]:
    try:
        found = json.loads(_file().read_text())
    except FileNotFoundError:
        return {}
    except ValueError as exc:
        raise WrongSettings(f"{_file()} is damaged. Remove it and run `hubbub login`.") from exc
    return cast("dict[str, StoredSession]", found)


def _store(url: str, session: StoredSession | None) -> None:
    """Write the file under another name first: a killed command must not leave half of it."""
    sessions = _read()
    if session is None:
        sessions.pop(url, None)
    else:
        sessions[url] = session
    draft = _file().with_name(f"sessions.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(sessions, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(_file())
