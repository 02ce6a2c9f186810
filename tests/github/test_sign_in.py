"""GitHub's login as Hubbub asks for it: addresses, the client id, and lists of many pages."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from bot import settings
from bot.github.requests import Unreachable
from bot.github.sign_in import ClientId, SignIn, authorize_url
from bot.identity.people import github_login
from bot.settings import GitHubApp, GitHubLogin, Settings
from fixtures.github import SimulatedGitHub
from fixtures.github.faults import KINDS


def loaded(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


@pytest.fixture
async def github() -> AsyncIterator[SimulatedGitHub]:
    async with SimulatedGitHub() as made:
        yield made


def login_of(github: SimulatedGitHub) -> GitHubLogin:
    app = github.app
    return GitHubLogin(app.client_id, app.client_secret, github.url, github.url, 5)


def app_of(github: SimulatedGitHub) -> GitHubApp:
    return GitHubApp(str(github.app.id), github.app.private_key, "secret", github.url, 5)


def token_of(github: SimulatedGitHub, login: str) -> str:
    account = github.person(login).account
    issued = github.world.sign_ins.issue(account, github.world.clock.now())
    return str(issued["access_token"])


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://github.example.com/api/v3", "https://github.example.com"),
        ("https://github.example.com:8443/api/v3", "https://github.example.com:8443"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("http://127.0.0.1:4711", "http://127.0.0.1:4711"),
    ],
)
def test_the_web_pages_are_found_by_the_address_of_the_api(api: str, web: str) -> None:
    assert settings.web_url(api) == web


def test_without_a_client_secret_nobody_logs_in() -> None:
    assert settings.github_login(loaded()) is None
    found = settings.github_login(
        loaded(github_client_secret="s3cret", github_url="https://github.example.com/")
    )
    assert found is not None
    assert (found.client_id, found.web_url) == ("", "https://github.example.com")
    assert "s3cret" not in repr(found)


def test_the_client_id_may_be_given_as_the_id_of_the_app() -> None:
    by_app = settings.github_login(loaded(github_app_id="Iv23", github_client_secret="x"))
    own = settings.github_login(
        loaded(github_app_id="4711", github_client_id="Iv42", github_client_secret="x")
    )
    assert by_app is not None
    assert own is not None
    assert (by_app.client_id, own.client_id) == ("Iv23", "Iv42")


def test_the_browser_carries_a_challenge_and_no_secret() -> None:
    app = GitHubLogin("", "s3cret", "https://github.com", "https://api.github.com", 5)
    # The example of RFC 7636, appendix B.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    address = authorize_url(app, "Iv23", "https://h.example/login/callback", "st", verifier)
    assert address == (
        "https://github.com/login/oauth/authorize?client_id=Iv23"
        "&redirect_uri=https%3A%2F%2Fh.example%2Flogin%2Fcallback&state=st"
        "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    )


async def test_github_is_asked_for_the_client_id_once(github: SimulatedGitHub) -> None:
    client_id = ClientId("", app_of(github))
    assert [await client_id.get() for _ in range(2)] == [github.app.client_id] * 2
    assert [each.path for each in github.requests] == ["/app"]
    assert await ClientId("Iv1", app_of(github)).get() == "Iv1"


async def test_a_client_id_that_cannot_be_read_is_asked_for_again(github: SimulatedGitHub) -> None:
    assert "500" in KINDS
    github.fault("GET", "/app$", "500")
    client_id = ClientId("", app_of(github))
    with pytest.raises(Unreachable):
        await client_id.get()
    assert await client_id.get() == github.app.client_id


async def test_all_repositories_of_all_installations_are_read(github: SimulatedGitHub) -> None:
    for owner, n in (("acme", 120), ("beta", 1)):
        names = [f"{owner}/r{each}" for each in range(n)]
        for name in names:
            github.repository(name, private=True)
        github.person("ada", dict.fromkeys(names, "write"))
        github.install(owner, names)
    github.suspend(github.install("gamma", [github.repository("gamma/r").full_name]))
    async with aiohttp.ClientSession() as session:
        sign_in = SignIn(session, login_of(github), github.app.client_id)
        person = await github_login.identify(sign_in, token_of(github, "ada"))
    assert [(each.account, len(each.permissions)) for each in person.access] == [
        ("acme", 120),
        ("beta", 1),
    ]
    assert {role for each in person.access for role in each.roles.values()} == {"developer"}
    assert github.world.sign_ins.tokens == {}, "the token has ended"


async def identify(github: SimulatedGitHub, who: str = "ada") -> github_login.Person:
    async with aiohttp.ClientSession() as session:
        sign_in = SignIn(session, login_of(github), github.app.client_id)
        return await github_login.identify(sign_in, token_of(github, who))


@pytest.mark.parametrize("kind", ["allow_list", "404", "451", "suspended"])
async def test_an_account_that_is_closed_to_the_person_closes_no_other(
    github: SimulatedGitHub, kind: str
) -> None:
    for owner in ("acme", "beta"):
        github.repository(f"{owner}/r", private=True)
        github.person("ada", {f"{owner}/r": "write"})
        github.install(owner, [f"{owner}/r"])
    github.fault("GET", "/user/installations/[0-9]+/repositories", kind)
    assert [each.account for each in (await identify(github)).access] == ["beta"]


@pytest.mark.parametrize("kind", ["primary_403", "secondary", "429", "502"])
async def test_a_limit_of_github_is_no_answer_about_an_account(
    github: SimulatedGitHub, kind: str
) -> None:
    github.repository("acme/r", private=True)
    github.person("ada", {"acme/r": "write"})
    github.install("acme", ["acme/r"])
    github.fault("GET", "/user/installations/[0-9]+/repositories", kind)
    with pytest.raises(Unreachable):
        await identify(github)


async def test_the_token_ends_also_if_github_fails_meanwhile(github: SimulatedGitHub) -> None:
    github.person("ada")
    github.fault("GET", "/user/installations$", "500")
    async with aiohttp.ClientSession() as session:
        sign_in = SignIn(session, login_of(github), github.app.client_id)
        with pytest.raises(Unreachable):
            await github_login.identify(sign_in, token_of(github, "ada"))
    assert github.world.sign_ins.tokens == {}


async def test_a_github_that_is_away_is_said_so(github: SimulatedGitHub) -> None:
    nowhere = replace(login_of(github), web_url="http://127.0.0.1:9", api_url="http://127.0.0.1:9")
    async with aiohttp.ClientSession() as session:
        with pytest.raises(Unreachable):
            await SignIn(session, nowhere, "Iv1").token_for_code("code", "verifier", "x")


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ({"admin": True, "pull": True}, "admin"),
        ({"maintain": True, "push": True}, "maintain"),
        ({"push": True, "triage": True, "pull": True}, "write"),
        ({"triage": True, "pull": True}, "triage"),
        ({"pull": True}, "read"),
        ({"admin": "yes"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_highest_flag_of_a_repository_is_the_permission(flags: object, name: str) -> None:
    assert github_login.permission({"permissions": flags, "private": True}) == name


def test_what_everybody_may_do_in_a_public_repository_gives_nobody_a_role() -> None:
    everybody, writer = {"pull": True}, {"pull": True, "push": True}
    assert github_login.permission({"permissions": everybody, "private": False}) is None
    assert github_login.permission({"permissions": writer, "private": False}) == "write"
