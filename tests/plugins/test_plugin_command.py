"""`hubbub plugin`, as authors and operators use it."""

import json
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from bot.__main__ import main
from tests.support.bubblewrap import skip_without

TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3


@pytest.fixture
def here(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and a database."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HUBBUB_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("HUBBUB_SECRET_KEY", "5a" * 32)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


class Shell:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.status = 0

    def run(self, *words: str) -> str:
        """What the command prints."""
        self.status = 0
        try:
            main(["plugin", *words])
        except SystemExit as exc:
            self.status = int(exc.code or 0)
        printed = self.capsys.readouterr()
        return printed.out + printed.err


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def test_a_new_plug_in_works_at_once(here: Path, shell: Shell) -> None:
    shell.run("new", "digest")
    assert shell.run("check", "digest") == "digest 0.1.0: valid, operations: 1\n"
    assert "scan: no findings" in shell.run("scan", "digest")
    assert "## `digest__greet`" in shell.run("docs", "digest")
    shell.run("test", "digest")
    assert shell.status == 0
    assert "not empty" in shell.run("new", "digest")
    assert here.joinpath("digest", "test_plugin.py").is_file()


@pytest.mark.usefixtures("here")
def test_a_new_plug_in_for_the_sandbox_works_at_once(shell: Shell) -> None:
    skip_without()
    shell.run("new", "digest", "--kind", "process")
    assert "digest 0.1.0: valid" in shell.run("check", "digest")
    shell.run("test", "digest")
    assert shell.status == 0


def test_what_is_no_component_is_refused_before_it_is_installed(here: Path, shell: Shell) -> None:
    shell.run("new", "digest", "--kind", "wasm")
    assert "--stub-wasi" in here.joinpath("digest", "README.md").read_text()
    assert here.joinpath("digest", "wit", "plugin.wit").is_file()
    component = here.joinpath("digest", "plugin.wasm")
    component.write_bytes(b"text")
    assert "it is no WebAssembly" in shell.run("check", "digest")
    component.write_bytes(bytes(wat2wasm("(component)")))
    assert "it exports no `handle" in shell.run("install", "digest", "--unsigned", "--yes")


def test_an_operation_that_hubbub_lacks_is_found_by_a_check(here: Path, shell: Shell) -> None:
    shell.run("new", "digest")
    manifest = here.joinpath("digest", "hubbub-plugin.yml")
    manifest.write_text(manifest.read_text().replace("[list_tasks]", "[list_tasks, list_task]"))
    assert shell.run("check", "digest") == (
        "permissions.operations names list_task, which is no operation of Hubbub.\n"
    )
    assert shell.status == 1


def test_a_signed_package_of_a_trusted_publisher_is_installed(here: Path, shell: Shell) -> None:
    shell.run("new", "digest")
    signed = shell.run("sign", "digest")
    trust = signed.strip().splitlines()[-1].split("hubbub plugin ")[1]
    assert here.joinpath("hubbub-plugin.key").stat().st_mode & 0o777 == 0o600
    package = "digest-0.1.0.hubbub-plugin"
    assert "which is not trusted for example" in shell.run("install", package, "--yes")
    assert "The key is trusted for example" in shell.run(*trust.split())
    key = trust.split()[-1]
    assert "A key belongs to one publisher" in shell.run("trust", "another", key)
    shown = shell.run("install", package, "--yes")
    for each in ("trusted; it runs inside the server", "may call: list_tasks", "signed: with the"):
        assert each in shown
    [row] = map(json.loads, shell.run("list", "--json").splitlines())
    assert (row["name"], row["state"], row["signed"]) == ("digest", "installed", "yes")
    assert shell.run("enable", "digest", "word=Ahoy", "--installation", "7") == (
        "digest is on for 7.\n"
    )
    assert "settings.word must be a text" in shell.run(
        "enable", "digest", "word=1", "--installation", "7"
    )
    assert "Hubbub has no former version" in shell.run("update", "digest", "--back")
    here.joinpath("revoked.txt").write_text("digest@0.1.0 it was a test\n")
    assert "digest was installed and is stopped" in shell.run("revoke", "revoked.txt")
    assert "digest is stopped for 7" in shell.run("disable", "digest", "--installation", "7")
    assert "digest is removed" in shell.run("remove", "digest")


def test_nothing_is_installed_without_a_word_of_the_operator(here: Path, shell: Shell) -> None:
    shell.run("new", "digest")
    assert "digest 0.1.0 is not signed" in shell.run("install", "digest", "--yes")
    assert "Pass --yes" in shell.run("install", "digest", "--unsigned")
    assert shell.status == 2
    here.joinpath("digest", "plugin.py").write_text("1 / 0\n")
    assert "ZeroDivisionError" in shell.run("install", "digest", "--unsigned", "--yes")
    assert shell.run("list", "--json") == ""


def test_an_update_to_an_older_version_must_be_asked_for(here: Path, shell: Shell) -> None:
    shell.run("new", "digest")
    shell.run("install", "digest", "--unsigned", "--yes")
    manifest = here.joinpath("digest/hubbub-plugin.yml")
    manifest.write_text(manifest.read_text().replace("0.1.0", "0.0.9"))
    assert "--downgrade installs this one" in shell.run("update", "digest", "--unsigned", "--yes")
    assert "digest is updated to 0.0.9" in shell.run(
        "update", "digest", "--unsigned", "--yes", "--downgrade"
    )


def test_a_registry_is_built_trusted_and_used(here: Path, shell: Shell) -> None:
    shell.run("new", "digest")
    shell.run("sign", "digest", "--output", "digest-0.1.0.hubbub-plugin")
    registry = here.joinpath("registry")
    registry.mkdir()
    here.joinpath("digest-0.1.0.hubbub-plugin").rename(registry / "digest-0.1.0.hubbub-plugin")
    registry.joinpath("registry.json").write_text('{"disclosure": "Write to us."}')
    built = shell.run("index", "build", "registry", "--days", "9")
    assert "index 1, plug-ins: 1, for 9 days" in built
    key = built.split("OWNER/REPOSITORY ")[1].split()[0]
    assert "No registry was read yet" in shell.run("search", "digest")
    assert "is no folder here" in shell.run("registry", "add", "nowhere", key)
    assert "is no public key" in shell.run("registry", "add", "registry", "x")
    added = shell.run("registry", "add", "registry", key)
    assert "number 1. Plug-ins: 1." in added
    assert "Write to us." in added
    [row] = map(json.loads, shell.run("registry", "list", "--json").splitlines())
    assert (row["place"], row["state"], row["number"]) == (str(registry), "read", 1)
    [found] = map(json.loads, shell.run("search", "digest", "--json").splitlines())
    assert (found["name"], found["version"], found["installed"]) == ("digest", "0.1.0", None)
    assert shell.run("search", "nothing", "--json") == ""
    shown = shell.run("install", "digest@0.1.0", "--from", str(registry), "--yes")
    assert "named by the registry" in shown
    assert "digest is installed as 0.1.0" in shown
    assert shell.run("outdated", "--json") == ""
    manifest = here.joinpath("digest/hubbub-plugin.yml")
    manifest.write_text(manifest.read_text().replace("0.1.0", "0.2.0"))
    shell.run("sign", "digest", "--output", "registry/digest-0.2.0.hubbub-plugin")
    registry.joinpath("revoked.txt").write_text("digest@0.1.0 it leaks\n")
    shell.run("index", "build", "registry")
    assert "number 2" in shell.run("registry", "refresh")
    [old] = map(json.loads, shell.run("outdated", "--json").splitlines())
    assert (old["installed"], old["newest"], old["why"]) == ("0.1.0", "0.2.0", "it leaks")
    assert "is stopped" in shell.run("enable", "digest", "--installation", "7")
    assert "Read from the folder digest." in shell.run("update", "digest", "--yes")
    updated = shell.run("update", "digest@0.2.0", "--yes")
    assert "digest is updated to 0.2.0" in updated
    assert "Turn it on" not in updated
    assert "digest@0.1.0 is revoked: it leaks" in shell.run("rollback", "digest")
    assert "is no registry of this server any more" in shell.run("registry", "remove", "registry")
    assert "is no registry of this server." in shell.run("registry", "remove", "registry")


@pytest.mark.parametrize(
    "words", [("trust", "example"), ("registry", "add", "registry")], ids=lambda each: each[0]
)
def test_a_key_that_begins_with_a_hyphen_is_no_option(
    words: tuple[str, ...], here: Path, shell: Shell
) -> None:
    here.joinpath("registry").mkdir()
    assert "no public key" in shell.run(*words, "-short")
    assert "no public key" not in shell.run(*words, "-j4AB8UT4d5rMJU5n6rreT4lKbmk5OD39uFp30wYz-0")


def test_a_package_is_written_where_the_author_says(here: Path, shell: Shell) -> None:
    shell.run("new", "digest")
    shell.run("sign", "digest", "--output", "far/away/any.hubbub-plugin")
    assert here.joinpath("far/away/any.hubbub-plugin").is_file()
    shell.run("sign", "digest", "--output", "far")
    assert here.joinpath("far/digest-0.1.0.hubbub-plugin").is_file()
    assert "Cannot write digest/plugin.py/x" in shell.run(
        "sign", "digest", "--output", "digest/plugin.py/x"
    )


@pytest.mark.usefixtures("here")
def test_versions_with_several_keys_are_named(shell: Shell) -> None:
    shell.run("new", "digest")
    shell.run("sign", "digest", "--output", "registry/a.hubbub-plugin")
    shell.run("sign", "digest", "--key", "other.key", "--output", "registry/b.hubbub-plugin")
    said = shell.run("index", "build", "registry")
    assert "a.hubbub-plugin is by example, with " in said
    assert "Sign them again with the same --key" in said


@pytest.mark.parametrize("kind", ["mcp", "probot"])
@pytest.mark.usefixtures("here")
def test_a_plug_in_whose_work_others_do_is_valid_at_once(shell: Shell, kind: str) -> None:
    shell.run("new", "tickets", "--kind", kind)
    assert "tickets 0.1.0: valid" in shell.run("check", "tickets")
    assert "none here; " in shell.run("install", "tickets", "--unsigned", "--yes")


def test_a_scan_ends_with_1_if_something_is_dangerous(here: Path, shell: Shell) -> None:
    shell.run("new", "digest")
    here.joinpath("digest", "notes.txt").write_text(TOKEN)
    assert "notes.txt:1: has a GitHub token in it" in shell.run("scan", "digest")
    assert shell.status == 1
    assert json.loads(shell.run("scan", "digest", "--json"))["findings"][0]["line"] == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("new", "Digest"), "lower-case letters, digits and hyphens"),
        (("new", "digest", "--kind", "lua"), "must be one of python, process, wasm"),
        (("check", "nothing"), "Cannot read nothing: No such file or directory"),
        (("test", "."), "has no hubbub-plugin.yml"),
        (("trust", "example", "short"), "is no public key"),
        (("install", "nothing", "--yes"), "no distribution in this Python environment"),
        (("remove", "nothing"), "No plug-in nothing is installed"),
        (("enable", "nothing", "--installation", "7"), "has installed no plug-in 'nothing'"),
        (("enable", "nothing", "word", "--installation", "7"), "Write NAME=VALUE"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_wrong_command_says_what_is_wrong(words: tuple[str, ...], why: str, shell: Shell) -> None:
    assert why in shell.run(*words)
    assert shell.status == 2
