"""Tokens of GitHub Actions: what a job's token must be, and what it says about its job.

GitHub signs a token for each job that may have one (`id-token: write`), for the audience that the
job names. https://docs.github.com/actions/reference/security/oidc lists the claims.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

GITHUB_COM = "https://token.actions.githubusercontent.com"
ALGORITHM = "RS256"
# GitHub's tokens have about 2,000 characters, and aiohttp accepts headers of 8,190 bytes.
LONGEST = 8_000
# Seconds that GitHub's clock and ours may differ.
LEEWAY = 30
# GitHub's tokens live 5 minutes, but an Enterprise Server may issue some that live for hours.
OLDEST = 600
NUMBER = re.compile(r"[1-9][0-9]{0,17}")
# Characters of a claim.
LONGEST_TEXT = 600
TRUE = "true"


class BadToken(Exception):
    """The token is not valid. The text says why and what to do."""


class UnknownKey(Exception):
    """None of the keys has the id that the token names."""


@dataclass(frozen=True)
class Expected:
    """Whose tokens are accepted, and for whom they must be issued."""

    issuer: str
    audiences: tuple[str, ...]

    @property
    def remedy(self) -> str:
        return f"Request a token with the audience {self.audiences[0]}."


@dataclass(frozen=True)
class JobToken:
    """What a valid token says. Times are in seconds UTC."""

    id: str
    issued_at: int
    expires_at: int
    repository_id: int
    repository: str
    owner_id: int
    run_id: int
    run_attempt: int
    # As GitHub writes it: owner/repo/.github/workflows/agent.yml@refs/heads/main
    workflow_ref: str
    ref: str
    ref_is_protected: bool
    event: str
    # The login of the account that started the run, and its id if the server says it.
    person: str
    person_id: int | None = None

    @property
    def accepted_until(self) -> int:
        return min(self.expires_at, self.issued_at + OLDEST) + LEEWAY


def issuer_of(api_url: str) -> str:
    """The issuer that belongs to GitHub's API at this address.

    https://docs.github.com/enterprise-server/actions/reference/security/oidc and, for data
    residency, https://docs.github.com/enterprise-cloud@latest/admin/data-residency
    """
    parts = urlsplit(api_url)
    host = parts.hostname or ""
    if host == "api.github.com":
        return GITHUB_COM
    if host.startswith("api.") and host.endswith(".ghe.com"):
        return f"https://token.actions.{host.removeprefix('api.')}"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/_services/token"


def audiences_of(public_url: str) -> tuple[str, ...]:
    """The audiences that name this server."""
    url = public_url.rstrip("/")
    return url, f"{url}/", f"{url}/mcp"


def is_issued_by(token: str, issuer: str) -> bool:
    """Whether the token says that it comes from the issuer. Its signature is not checked."""
    if len(token) > LONGEST or token.count(".") != 2:
        return False
    try:
        claims = jwt.decode(token, options={"verify_signature": False, "verify_aud": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return False
    return claims.get("iss") == issuer


def key_id(token: str) -> str:
    """The id of the key that signed the token. Raise BadToken."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, ValueError, RecursionError) as exc:
        raise BadToken("The token is not a JSON web token.") from exc
    # Otherwise a public key could serve as the secret of an HMAC.
    if header.get("alg") != ALGORITHM or "crit" in header:
        raise BadToken(f"The token is not signed with {ALGORITHM}, as GitHub signs.")
    found = header.get("kid")
    if not isinstance(found, str) or not found:
        raise BadToken("The token does not name the key that signed it.")
    return found


def verify(token: str, keys: Mapping[str, RSAPublicKey], now: int, expected: Expected) -> JobToken:
    """What the token says. `now` is in seconds UTC. Raise BadToken or UnknownKey."""
    if len(token) > LONGEST:
        raise BadToken(f"The token has more than {LONGEST} characters.")
    key = keys.get(key_id(token))
    if key is None:
        raise UnknownKey
    try:
        claims = json.loads(jwt.PyJWS().decode(token, key, algorithms=[ALGORITHM]))
    except (jwt.InvalidTokenError, ValueError, RecursionError) as exc:
        raise BadToken("The signature of the token is wrong.") from exc
    if not isinstance(claims, dict):
        raise BadToken("The token has no claims.")
    _check_parties(claims, expected)
    _check_times(claims, now, expected)
    return _job_token(claims)


def _check_parties(claims: Mapping[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise BadToken(f"The token was not issued by {expected.issuer}.")
    # A text: GitHub issues each token for one audience.
    if claims.get("aud") not in expected.audiences:
        raise BadToken(f"The token is for another audience. {expected.remedy}")


def _check_times(claims: Mapping[str, Any], now: int, expected: Expected) -> None:
    issued, begins, expires = (_seconds(claims, each) for each in ("iat", "nbf", "exp"))
    if max(issued, begins) > now + LEEWAY:
        raise BadToken(
            f"The token is valid only in {max(issued, begins) - now} seconds. "
            "Compare the clocks of this server and of GitHub."
        )
    if expires <= now - LEEWAY:
        raise BadToken(f"The token expired {now - expires} seconds ago. {expected.remedy}")
    if issued < now - OLDEST - LEEWAY:
        raise BadToken(
            f"The token is {now - issued} seconds old; at most {OLDEST} are allowed. "
            f"{expected.remedy}"
        )


def _job_token(claims: Mapping[str, Any]) -> JobToken:
    return JobToken(
        id=_text(claims, "jti"),
        issued_at=_seconds(claims, "iat"),
        expires_at=_seconds(claims, "exp"),
        repository_id=_number(claims, "repository_id"),
        repository=_text(claims, "repository"),
        owner_id=_number(claims, "repository_owner_id"),
        run_id=_number(claims, "run_id"),
        run_attempt=_number(claims, "run_attempt"),
        workflow_ref=_text(claims, "workflow_ref"),
        ref=_text(claims, "ref"),
        ref_is_protected=claims.get("ref_protected") == TRUE,
        event=_text(claims, "event_name"),
        person=_text(claims, "actor"),
        person_id=_number(claims, "actor_id") if "actor_id" in claims else None,
    )


def _text(claims: Mapping[str, Any], name: str) -> str:
    found = claims.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST_TEXT:
        raise _missing(name)
    return found


def _number(claims: Mapping[str, Any], name: str) -> int:
    """GitHub writes ids as texts."""
    found = claims.get(name)
    if not isinstance(found, str) or not NUMBER.fullmatch(found):
        raise _missing(name)
    return int(found)


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    found = claims.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise _missing(name)
    return found


def _missing(name: str) -> BadToken:
    return BadToken(f"The claim {name} is missing or has another form than GitHub gives it.")
