"""The settings file, the guide for agents, and the files with secrets."""

import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.settings import WrongSettings
from bot.setup import agents_guide, app_settings, env_file, manifest, private_files
from bot.setup.addresses import api_url_of, installation_page, new_app_page
from bot.setup.conversion import code_in
from bot.setup.failures import SetupFailed

NEW = {"HUBBUB_GITHUB_APP_ID": "7", "HUBBUB_GITHUB_PRIVATE_KEY": "/a folder/x.pem"}
LINES = "A='1\n2'\n# b\n"
ADDED = "# Made\nHUBBUB_GITHUB_APP_ID=7\nHUBBUB_GITHUB_PRIVATE_KEY='/a folder/x.pem'\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ADDED),
        ("A=1\n", f"A=1\n\n{ADDED}"),
        ("A=1", f"A=1\n\n{ADDED}"),
        ("A=1\r\n", "A=1\r\n\r\n" + ADDED.replace("\n", "\r\n")),
        # A value of several lines, a comment, and an empty value.
        (
            "A='1\n2'\n# b\nHUBBUB_GITHUB_APP_ID=\n",
            f"A='1\n2'\n# b\nHUBBUB_GITHUB_APP_ID=\n\n{ADDED}",
        ),
        # What is there already is not written again.
        ("export HUBBUB_GITHUB_APP_ID=7\n", None),
    ],
)
def test_settings_are_added_at_the_end(before: str, after: str | None, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(before, newline="")
    file = env_file.read(path)
    made = env_file.with_added(file, NEW, "Made")
    if after is None:
        assert "APP_ID" not in made.removeprefix(before)
    else:
        assert made == after


@pytest.mark.parametrize("before", ["HUBBUB_GITHUB_APP_ID=8\n", "A='not closed\n"])
def test_a_file_that_would_mean_something_else_is_refused(before: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(before)
    with pytest.raises(WrongSettings):
        env_file.with_added(env_file.read(path), NEW, "Made")


def test_a_file_that_changed_meanwhile_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    file = env_file.read(path)
    path.write_text("A=1\n")
    with pytest.raises(WrongSettings, match="changed meanwhile"):
        env_file.write(file, "B=2\n")
    assert path.read_text() == "A=1\n"


def test_a_link_stays_a_link_and_no_draft_is_left(tmp_path: Path) -> None:
    real = tmp_path / "shared/settings"
    private_files.write(real, b"A=1\n")
    link = tmp_path / ".env"
    link.symlink_to(real)
    private_files.write(link, b"B=2\n")
    assert (link.is_symlink(), real.read_text()) == (True, "B=2\n")
    assert [each.name for each in real.parent.iterdir()] == ["settings"]


def test_a_key_never_replaces_another_key(tmp_path: Path) -> None:
    path = tmp_path / "hubbub.private-key.pem"
    assert private_files.create(path, b"one") == path
    assert private_files.create(path, b"one") == path
    other = private_files.create(path, b"two")
    assert (path.read_bytes(), other.name) == (b"one", "hubbub.private-key-2.pem")
    assert stat.S_IMODE(other.stat().st_mode) == 0o600


@pytest.mark.parametrize("write", [private_files.write, private_files.create])
def test_a_file_that_cannot_be_written_is_named_with_the_reason(
    write: Callable[[Path, bytes], object], tmp_path: Path
) -> None:
    (tmp_path / "taken").touch()
    path = tmp_path / "taken/report.zip"
    with pytest.raises(
        WrongSettings, match=f"^Cannot write {path}: (Not a directory|File exists)"
    ) as told:
        write(path, b"")
    assert isinstance(told.value, OSError)
    assert str(told.value.strerror) in str(told.value)


def test_the_guide_for_agents_is_renewed_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "AGENTS.md"
    path.write_text("# Ours\n")
    path.chmod(0o664)
    assert agents_guide.write(path)
    assert not agents_guide.write(path)
    old = path.read_text().replace("register_agent", "another_tool") + "\n## Below\n"
    path.write_text(old)
    assert agents_guide.write(path)
    text = path.read_text()
    assert text == f"# Ours\n\n{agents_guide.BLOCK}\n## Below\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o664
    path.write_text(text.replace(agents_guide.END, ""))
    with pytest.raises(WrongSettings, match="marker"):
        agents_guide.write(path)


def test_the_guide_names_only_operations_that_exist() -> None:
    from bot.operations import OPERATIONS  # noqa: PLC0415 - slow to load

    named = set(re.findall(r"`(\w+)`", agents_guide.GUIDE))
    words = {"hubbub", "fence", "notices", "status", "question", "in_review"}
    assert {each for each in named if each not in words} <= OPERATIONS.keys()


@pytest.mark.parametrize(
    ("web", "api"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://octo.ghe.com", "https://api.octo.ghe.com"),
        ("https://git.example.com", "https://git.example.com/api/v3"),
        ("https://git.example.com/", "https://git.example.com/api/v3"),
    ],
)
def test_each_github_has_its_api_elsewhere(web: str, api: str) -> None:
    assert api_url_of(web) == api


def test_pages_of_github_are_only_at_its_own_address() -> None:
    web = "https://git.example.com"
    assert new_app_page(web, "") == f"{web}/settings/apps/new"
    assert new_app_page(web, "a b") == f"{web}/organizations/a%20b/settings/apps/new"
    there = installation_page(web, "https://evil.example/github-apps/hubbub")
    assert there == f"{web}/github-apps/hubbub/installations/new"


@pytest.mark.parametrize(
    "pasted", ["", "a b", "x" * 300, "http://h/?code=a&state=other", "?code=a"]
)
def test_what_is_no_code_is_refused(pasted: str) -> None:
    with pytest.raises(SetupFailed):
        code_in(pasted, "mine")
    assert code_in(" abc123\n", "mine") == code_in("http://h/x?code=abc123&state=mine", "mine")


def test_a_name_that_is_suggested_fits() -> None:
    for organization in ("", "a", "x" * 39, "a-b-" * 9):
        assert 0 < len(manifest.suggested_name(organization)) <= manifest.LONGEST_NAME


def test_secrets_are_masked_where_settings_are_shown() -> None:
    lines = app_settings.masked_lines(dict.fromkeys(app_settings.SECRETS, "5ecret") | {"A": "b"})
    assert lines == [*(f"{name}=… (6 characters)" for name in app_settings.SECRETS), "A=b"]


def test_the_docs_show_the_guide_for_agents() -> None:
    page = Path(__file__).parents[2] / "docs/how-to/connect-an-agent.md"
    assert f"```markdown\n{agents_guide.GUIDE}```" in page.read_text()
