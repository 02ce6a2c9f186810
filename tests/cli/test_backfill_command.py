"""`hubbub backfill`, beside a server and without one."""

from pathlib import Path

import aiohttp

from fixtures.github import Request, SimulatedGitHub
from tests.support.command_line import hubbub
from tests.support.server_process import serving, settings, wait_until_processed


def pages(github: SimulatedGitHub) -> list[Request]:
    return [each for each in github.requests if each.path.endswith(("/issues", "/comments"))]


async def test_backfill_fetches_all_again_with_or_without_a_server(
    own_url: str, tmp_path: Path
) -> None:
    async with SimulatedGitHub() as github:
        repository = github.repository("acme/rocket", private=True)
        github.seed(repository, issues=130, comments_each=1, pulls=3)
        given = settings(own_url, github)
        async with serving(tmp_path, own_url, github) as server:
            github.app.webhook_url = f"{server.url}/webhooks/github"
            github.install("acme", ["acme/rocket"])
            await github.wait_for_deliveries()
            await wait_until_processed(own_url)
            code, out, err = await hubbub("backfill", folder=tmp_path, **given)
            assert code == 0, err
            assert out.rstrip().splitlines()[-1].startswith("acme/rocket: 2")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{server.url}/readyz") as response:
                    assert (await response.json())["backfill"] == {}
                async with session.get(f"{server.url}/metrics") as response:
                    told = await response.text()
            assert "hubbub_backfill_seen 2" in told
            assert "hubbub_deliveries_lost 0.0" in told
            await server.stop()
        asked = len(pages(github))
        code, out, _ = await hubbub("backfill", "acme/rocket", "--again", folder=tmp_path, **given)
        assert code == 0, out
        assert len(pages(github)) == 2 * asked


async def test_backfill_of_a_repository_nobody_knows_is_refused(
    sqlite_url: str, tmp_path: Path
) -> None:
    words = ("backfill", "acme/nowhere")
    code, _, err = await hubbub(*words, folder=tmp_path, **settings(sqlite_url))
    assert code == 2
    assert "does not know the repository 'acme/nowhere'" in err
