"""A person logs in at `hubbub serve`, which gets the client id from GitHub."""

from pathlib import Path

import aiohttp

from fixtures.github import SimulatedGitHub
from tests.support.login import Browser
from tests.support.server_process import serving


async def test_a_person_logs_in_at_serve(tmp_path: Path, sqlite_url: str) -> None:
    async with (
        SimulatedGitHub() as github,
        serving(
            tmp_path,
            sqlite_url,
            github,
            HUBBUB_GITHUB_CLIENT_SECRET=github.app.client_secret,
        ) as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
    ):
        github.app.callback_urls = [f"{server.url}/login/callback"]
        github.repository("acme/rocket", private=True)
        github.person("octocat", {"acme/rocket": "admin"})
        github.install("acme", ["acme/rocket"])
        browser = Browser(client, server.url)
        browser.at_github = github.sign_in("octocat")
        assert (await browser.log_in()).status == 303
        assert "You are logged in as @octocat" in (await browser.open("/login")).text


async def test_without_a_client_secret_login_is_off(tmp_path: Path, sqlite_url: str) -> None:
    async with (
        serving(tmp_path, sqlite_url) as server,
        aiohttp.ClientSession() as client,
        client.get(f"{server.url}/login") as response,
    ):
        assert response.status == 404
        assert "HUBBUB_GITHUB_CLIENT_SECRET" in await response.text()
