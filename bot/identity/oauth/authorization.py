"""What an OAuth client asks for, and what it must prove, as values.

OAuth 2.1 with PKCE (RFC 7636), resource indicators (RFC 8707) and the issuer in the answer
(RFC 9207).
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlencode, urlsplit

from bot.identity.oauth.clients import redirect_problem

# The fields of a query or form, each with its values.
Fields: TypeAlias = dict[str, list[str]]
# Only `resource` may be given more than once (RFC 6749, 3.1; RFC 8707, 2).
REPEATABLE = frozenset({"resource"})
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
STATE = re.compile(r"[\x20-\x7e]{0,1000}")


class OAuthError(Exception):
    """A refusal that the client gets. `code` is one of OAuth's."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@dataclass(frozen=True)
class AuthorizationRequest:
    """`challenge`: of PKCE, by S256."""

    client_id: str
    redirect_uri: str
    challenge: str
    state: str | None = None


def fields_of(pairs: Sequence[tuple[str, str]], repeatable: Collection[str] = REPEATABLE) -> Fields:
    """The fields by name. Raise OAuthError if one is given twice."""
    found: Fields = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    twice = [name for name, values in found.items() if len(values) > 1 and name not in repeatable]
    if twice:
        raise OAuthError("invalid_request", f"{twice[0][:40]!r} is given more than once.")
    return found


def one(fields: Fields, name: str) -> str:
    """The value of a field, or an empty text: OAuth takes an empty field for a missing one."""
    return next(iter(fields.get(name, ())), "")


def need(fields: Fields, name: str) -> str:
    if not (value := one(fields, name)):
        raise OAuthError("invalid_request", f"The parameter {name} is missing.")
    return value


def target_of(fields: Fields) -> tuple[str, str]:
    """The client's id and redirect address.

    Raise OAuthError, which must not be sent there: nobody has checked the address yet.
    """
    client_id, redirect_uri = need(fields, "client_id"), need(fields, "redirect_uri")
    if problem := redirect_problem(redirect_uri):
        raise OAuthError("invalid_request", f"redirect_uri: {problem}.")
    return client_id, redirect_uri


def state_of(fields: Fields) -> str | None:
    """The client's state, which every answer repeats. Raise OAuthError."""
    state = one(fields, "state") if "state" in fields else None
    if state is not None and not STATE.fullmatch(state):
        raise OAuthError("invalid_request", "state is too long, or not printable ASCII.")
    return state


def request_of(fields: Fields, resources: Collection[str]) -> AuthorizationRequest:
    """The request, for one of these resources. Raise OAuthError, which the client may get."""
    client_id, redirect_uri = target_of(fields)
    if need(fields, "response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be code.")
    if one(fields, "response_mode") not in ("", "query"):
        raise OAuthError("invalid_request", "response_mode must be query.")
    if {"request", "request_uri"} & fields.keys():
        raise OAuthError("request_not_supported", "Send the parameters themselves.")
    challenge = need(fields, "code_challenge")
    if one(fields, "code_challenge_method") != "S256" or not CHALLENGE.fullmatch(challenge):
        raise OAuthError("invalid_request", "Send a code_challenge by S256 (RFC 7636).")
    check_resource(fields, resources)
    return AuthorizationRequest(client_id, redirect_uri, challenge, state_of(fields))


def check_resource(fields: Fields, resources: Collection[str]) -> None:
    """Without a `resource`, this server is meant: it has no other."""
    if not all(plain_address(each) in resources for each in fields.get("resource", ())):
        raise OAuthError("invalid_target", "resource must be the address of this server's /mcp.")


def plain_address(uri: str) -> str:
    """The scheme and host have no case."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri
    return parts._replace(netloc=parts.netloc.lower()).geturl()


def proves(verifier: str, challenge: str) -> bool:
    """Whether the client that presents the code is the one that asked for it."""
    if not VERIFIER.fullmatch(verifier):
        return False
    digest = hashlib.sha256(verifier.encode()).digest()
    made = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return hmac.compare_digest(made, challenge)


def answer_address(redirect_uri: str, state: str | None, issuer: str, **answer: str) -> str:
    """Where the browser takes the answer. It names its issuer, against mix-ups (RFC 9207)."""
    given = {**answer, "iss": issuer} | ({} if state is None else {"state": state})
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(given)}"
