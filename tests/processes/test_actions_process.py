"""`hubbub serve` and the tokens of GitHub Actions, with the settings that it really has."""

from pathlib import Path

import aiohttp

from fixtures.github import SimulatedGitHub
from tests.support.actions import HUBBUB
from tests.support.server_process import serving

NOT_INSTALLED = (
    "Hubbub's App is not installed on acme/rocket. An administrator of acme/rocket can install it."
)
OTHER_AUDIENCE = (
    "The token of GitHub Actions is not valid. The token is for another audience. Request a token "
    f"with the audience {HUBBUB}."
)


async def test_serve_checks_tokens_by_the_keys_of_the_github_in_its_settings(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with (
        SimulatedGitHub() as github,
        serving(tmp_path, sqlite_url, github, HUBBUB_PUBLIC_URL=HUBBUB) as server,
        aiohttp.ClientSession() as session,
    ):
        repository = github.repository("acme/rocket")
        run = github.ci.request_run(repository, repository.branches["main"], "Agent")
        said = []
        for token in (github.oidc.token(run, HUBBUB), github.oidc.token(run, server.url)):
            headers = {"Authorization": f"Bearer {token}"}
            url = f"{server.url}/api/v1/list_agents"
            async with session.post(url, json={}, headers=headers) as answer:
                said.append((answer.status, (await answer.json())["error"]["message"]))
        assert said == [(403, NOT_INSTALLED), (401, OTHER_AUDIENCE)]
