"""`hubbub settings`: what is in force in a repository."""

import json
from pathlib import Path

import pytest

from bot.cli import repositories
from bot.repository.repository_settings import DEFAULTS
from bot.repository.settings_file import PATH
from bot.settings import WrongSettings
from fixtures.github import SimulatedGitHub
from tests.support.command_line import hubbub
from tests.support.engines import OWN_ON_SQLITE
from tests.support.server_process import serving, settings, wait_until_processed


@OWN_ON_SQLITE
async def test_settings_shows_what_is_in_force_and_what_is_wrong_with_the_file(
    own_url: str, tmp_path: Path
) -> None:
    async with SimulatedGitHub() as github:
        repository = github.repository("acme/rocket", private=True)
        ada = github.person("ada", permissions={"acme/rocket": "admin"})
        given = settings(own_url, github)
        async with serving(tmp_path, own_url, github) as server:
            github.app.webhook_url = f"{server.url}/webhooks/github"
            github.install("acme", ["acme/rocket"])
            ada.push(repository, "main", {PATH: "lease_s: 5"})
            await github.wait_for_deliveries()
            await wait_until_processed(own_url)
            code, _, err = await hubbub("backfill", folder=tmp_path, **given)
            assert code == 0, err
            await server.stop()
        code, out, err = await hubbub("settings", "Acme/Rocket", folder=tmp_path, **given)
        assert (code, json.loads(out)) == (1, DEFAULTS.model_dump(mode="json"))
        assert err.splitlines() == [
            "hubbub: these settings stay in force, because .github/hubbub.yml is wrong:",
            "line 1: lease_s: must be at least 60",
        ]
        code, _, err = await hubbub("settings", "acme/nowhere", folder=tmp_path, **given)
        assert code == 2
        assert "does not know the repository 'acme/nowhere'" in err


def test_a_file_is_checked_without_a_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hubbub.yml"
    file.write_text("lease_s: 60\ntools: {}\n")
    assert repositories.check_file(file) == 0
    file.write_text("lease_s: 5\n")
    assert repositories.check_file(file) == 1
    right, wrong = capsys.readouterr().out.splitlines()
    assert right == f"{file}: valid, sets lease_s, tools"
    assert wrong == f"{file}: line 1: lease_s: must be at least 60"
    with pytest.raises(WrongSettings, match="cannot read"):
        repositories.check_file(tmp_path / "none.yml")
