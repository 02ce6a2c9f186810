"""A job's token of GitHub Actions: which is valid, and which is refused with what words."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from bot.identity.actions.github_oidc import (
    LEEWAY,
    LONGEST,
    OLDEST,
    BadToken,
    Expected,
    JobToken,
    UnknownKey,
    audiences_of,
    is_issued_by,
    issuer_of,
    verify,
)
from bot.identity.actions.issuer_keys import parse_keys
from fixtures.github import oidc

NOW = 1_800_000_000
HUBBUB = "https://hubbub.example.com"
ISSUER = "https://token.actions.githubusercontent.com"
EXPECTED = Expected(ISSUER, audiences_of(HUBBUB))
KEYS = parse_keys({"keys": [oidc.public_jwk(1)]})
WORKFLOW = "acme/rocket/.github/workflows/agent.yml@refs/heads/main"
CLAIMS: dict[str, Any] = {
    "jti": "9b1f",
    "iss": ISSUER,
    "aud": HUBBUB,
    "sub": "repo:acme/rocket:ref:refs/heads/main",
    "iat": NOW,
    "nbf": NOW - 600,
    "exp": NOW + 300,
    "repository": "acme/rocket",
    "repository_id": "74",
    "repository_owner_id": "65",
    "run_id": "15",
    "run_attempt": "1",
    "workflow_ref": WORKFLOW,
    "ref": "refs/heads/main",
    "ref_protected": "true",
    "event_name": "workflow_dispatch",
    "actor": "octocat",
}


def token(headers: dict[str, Any] | None = None, **changed: Any) -> str:
    """A token of GitHub's. `changed`: claims by name; None leaves one out."""
    claims = {name: each for name, each in (CLAIMS | changed).items() if each is not None}
    named = {"kid": oidc.key_id(1), **(headers or {})}
    return jwt.encode(claims, oidc.key(1), algorithm="RS256", headers=named)


def check(given: str, now: int = NOW) -> JobToken:
    return verify(given, KEYS, now, EXPECTED)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_valid_token_says_what_its_job_is() -> None:
    assert check(token()) == JobToken(
        id="9b1f",
        issued_at=NOW,
        expires_at=NOW + 300,
        repository_id=74,
        repository="acme/rocket",
        owner_id=65,
        run_id=15,
        run_attempt=1,
        workflow_ref=WORKFLOW,
        ref="refs/heads/main",
        ref_is_protected=True,
        event="workflow_dispatch",
        person="octocat",
    )


@pytest.mark.parametrize("audience", [HUBBUB, f"{HUBBUB}/", f"{HUBBUB}/mcp"])
def test_the_audience_is_this_server_or_its_mcp_endpoint(audience: str) -> None:
    assert check(token(aud=audience)).run_id == 15


REMEDY = f"Request a token with the audience {HUBBUB}."
OTHER = f"The token is for another audience. {REMEDY}"
EARLY = (
    f"The token is valid only in {LEEWAY + 1} seconds. "
    "Compare the clocks of this server and of GitHub."
)
WRONG: dict[str, tuple[Callable[[], str], str]] = {
    "GitHub's default audience": (lambda: token(aud="https://github.com/acme"), OTHER),
    "an audience that begins like ours": (lambda: token(aud=f"{HUBBUB}.evil.example"), OTHER),
    "several audiences": (lambda: token(aud=[HUBBUB, "https://evil.example"]), OTHER),
    "no audience": (lambda: token(aud=None), OTHER),
    "another issuer": (
        lambda: token(iss="https://evil.example"),
        f"The token was not issued by {ISSUER}.",
    ),
    "another enterprise": (
        lambda: token(iss=f"{ISSUER}/evil"),
        f"The token was not issued by {ISSUER}.",
    ),
    "expired": (
        lambda: token(exp=NOW - LEEWAY),
        f"The token expired {LEEWAY} seconds ago. {REMEDY}",
    ),
    "not valid yet": (
        lambda: token(nbf=NOW + LEEWAY + 1),
        EARLY,
    ),
    "issued later than now": (
        lambda: token(iat=NOW + LEEWAY + 1),
        EARLY,
    ),
    "long-lived and too old": (
        lambda: token(iat=NOW - OLDEST - LEEWAY - 1, exp=NOW + 6 * 3600),
        f"The token is {OLDEST + LEEWAY + 1} seconds old; at most {OLDEST} are allowed. {REMEDY}",
    ),
    "no time of expiry": (
        lambda: token(exp=None),
        "The claim exp is missing or has another form than GitHub gives it.",
    ),
    "a number that is no id": (
        lambda: token(repository_id="-1"),
        "The claim repository_id is missing or has another form than GitHub gives it.",
    ),
    "an id as a number": (
        lambda: token(run_id=15),
        "The claim run_id is missing or has another form than GitHub gives it.",
    ),
    "no id of its own": (
        lambda: token(jti=None),
        "The claim jti is missing or has another form than GitHub gives it.",
    ),
    "no algorithm": (
        lambda: f"{part({'alg': 'none', 'kid': oidc.key_id(1)})}.{part(CLAIMS)}.",
        "The token is not signed with RS256, as GitHub signs.",
    ),
    "an extension that must be understood": (
        lambda: token({"crit": ["b64"], "b64": False}),
        "The token is not signed with RS256, as GitHub signs.",
    ),
    "no name of a key": (
        lambda: token({"kid": ""}),
        "The token does not name the key that signed it.",
    ),
    "signed by somebody else": (
        lambda: jwt.encode(CLAIMS, oidc.key(2), algorithm="RS256", headers={"kid": oidc.key_id(1)}),
        "The signature of the token is wrong.",
    ),
    "changed claims": (
        lambda: ".".join(
            [token().split(".")[0], part(CLAIMS | {"repository_id": "1"}), token().split(".")[2]]
        ),
        "The signature of the token is wrong.",
    ),
    "no JSON web token": (lambda: "a.b.c", "The token is not a JSON web token."),
    "a huge token": (
        lambda: token(environment="x" * LONGEST),
        f"The token has more than {LONGEST} characters.",
    ),
}


@pytest.mark.parametrize(("given", "words"), WRONG.values(), ids=WRONG)
def test_a_token_that_is_not_valid_is_refused_with_the_reason(
    given: Callable[[], str], words: str
) -> None:
    with pytest.raises(BadToken) as refused:
        check(given())
    assert str(refused.value) == words


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("secret", [oidc.public_pem(1), oidc.public_jwk(1)["n"]])
def test_a_public_key_is_not_the_secret_of_an_hmac(algorithm: str, secret: str) -> None:
    signed = f"{part({'alg': algorithm, 'kid': oidc.key_id(1)})}.{part(CLAIMS)}"
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.new(f"sha{algorithm[2:]}").name)
    signature = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    with pytest.raises(BadToken) as refused:
        check(f"{signed}.{signature}")
    assert str(refused.value) == "The token is not signed with RS256, as GitHub signs."


def test_a_token_of_another_rsa_algorithm_is_refused() -> None:
    signed = jwt.encode(CLAIMS, oidc.key(1), algorithm="RS512", headers={"kid": oidc.key_id(1)})
    with pytest.raises(BadToken):
        check(signed)


def test_clocks_may_differ_by_the_leeway() -> None:
    assert check(token(exp=NOW - LEEWAY + 1)).run_id == 15
    assert check(token(iat=NOW + LEEWAY, nbf=NOW + LEEWAY)).run_id == 15
    assert check(token(iat=NOW - OLDEST - LEEWAY, exp=NOW + 9999)).run_id == 15


def test_a_long_lived_token_is_accepted_only_while_it_is_young() -> None:
    assert check(token(exp=NOW + 6 * 3600)).accepted_until == NOW + OLDEST + LEEWAY
    assert check(token()).accepted_until == NOW + 300 + LEEWAY


def test_an_unknown_key_differs_from_a_wrong_signature() -> None:
    with pytest.raises(UnknownKey):
        check(token({"kid": oidc.key_id(2)}))


def test_a_token_says_whether_github_issued_it() -> None:
    unsigned = f"{part({'alg': 'RS256'})}.{part({'iss': ISSUER})}.eA"
    assert [is_issued_by(each, ISSUER) for each in (token(), unsigned)] == [True, True]
    others = [
        token(iss=f"{ISSUER}/evil"),
        token(iss=None),
        token(environment="x" * LONGEST),
        f"hubbub_{'0' * 20}_x",
        "eyJ.eyJ.",
        f"{part({})}.{part([])}.",
        f"{part({})}.{part({'iss': [ISSUER]})}.",
        "." * 2000,
        f"{part([[]] * 500)}.{'W' * 4000}.",
    ]
    assert [each for each in others if is_issued_by(each, ISSUER)] == []


@pytest.mark.parametrize(
    ("api", "issuer"),
    [
        ("https://api.github.com", ISSUER),
        ("https://github.acme.com/api/v3", "https://github.acme.com/_services/token"),
        ("https://api.acme.ghe.com", "https://token.actions.acme.ghe.com"),
        ("http://127.0.0.1:4000", "http://127.0.0.1:4000/_services/token"),
    ],
)
def test_the_issuer_belongs_to_the_address_of_the_api(api: str, issuer: str) -> None:
    assert issuer_of(api) == issuer


# --- The keys ------------------------------------------------------------------------------------


def short_key() -> dict[str, str]:
    return oidc.public_jwk(1) | {"kid": "short", "n": oidc.base64url((1 << 1023) + 1)}


def test_only_keys_for_rs256_are_taken() -> None:
    good = oidc.public_jwk(1)
    listed = [
        good,
        {"kty": "oct", "kid": "hmac", "k": "c2VjcmV0"},
        good | {"kid": "encrypts", "use": "enc"},
        good | {"kid": "another", "alg": "RS512"},
        {"kty": "EC", "kid": "curve", "crv": "P-256", "x": "AA", "y": "AA"},
        {name: each for name, each in good.items() if name != "kid"},
        good | {"kid": ["a", "list"]},
        good | {"kid": "no number", "n": "!"},
        good | {"kid": "even exponent", "e": "Ag"},
        short_key(),
        "a text",
        None,
    ]
    found = parse_keys({"keys": listed})
    assert list(found) == [oidc.key_id(1)]
    assert all(isinstance(each, RSAPublicKey) for each in found.values())
