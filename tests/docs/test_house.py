"""The house: lock file, Makefile, workflows, manifest, and documents that must not fall behind."""

import ast
import importlib
import json
import os
import pkgutil
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pymysql
import pytest

from bot import operations
from bot.__main__ import app
from bot.cli import app_requirements
from bot.errors import CODES
from bot.identity.permissions import is_for_people
from bot.inbox.command_finder import HELP, VERBS
from bot.kernel.event_kinds import KINDS
from bot.kernel.operation import Operation
from bot.operations import OPERATIONS
from bot.outbox import refusals
from bot.outbox.kinds import KINDS as WRITES
from bot.settings import Settings
from tests.support import throwaway_mariadb

WRITES_PAGE = "docs/reference/writes.md"
ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*")
LINK = re.compile(r"\]\((?!https?://)([^)#]+)[^)]*\)")
# What a line of the lock may be: a package at a version with its marker, a hash, a comment.
REQUIREMENT = re.compile(r"([a-z0-9._-]+)==[\w.+!]+(?: ; [^/@]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")
COMMENT = re.compile(r"    #[^/@]*")
# `told` hides whether a function reads or writes. `put`, `read`, `run` and `split` are verbs too.
# Not `feed`, `need`, `seed` and their like, which end as participles do.
PARTICIPLE = re.compile(
    r"_?([a-z]+[^e\W]ed|begun|bought|broken|brought|built|caught|chosen|cut|done|drawn|driven|"
    r"found|given|gone|got|heard|held|hidden|kept|known|left|lost|made|meant|met|paid|said|seen|"
    r"sent|shown|sold|spent|stuck|taken|taught|thought|told|woken|written)"
)
PACKAGES = ("bot", "store", "webhooks", "mcp_server", "fixtures")


def text(path: str) -> str:
    return (ROOT / path).read_text()


def test_the_lock_names_no_address_and_a_hash_for_each_package() -> None:
    blocks: list[list[str]] = []
    for line in text("requirements.lock").splitlines():
        if REQUIREMENT.fullmatch(line):
            blocks.append([])
        elif HASH.fullmatch(line):
            blocks[-1].append(line)
        else:
            assert COMMENT.fullmatch(line), line
    assert blocks
    assert all(blocks)


def test_the_lock_holds_every_dependency() -> None:
    asked = tomllib.loads(text("pyproject.toml"))
    names = [*asked["project"]["dependencies"], *asked["dependency-groups"]["dev"]]
    locked = set(re.findall(r"^([a-z0-9._-]+)==", text("requirements.lock"), re.MULTILINE))
    assert {re.split(r"[^\w-]", name)[0] for name in names} <= locked


def test_make_help_lists_every_target() -> None:
    declared = re.findall(r"^\.PHONY: ([a-z -]+)$", text("Makefile"), re.MULTILINE)
    shown = subprocess.run(["make", "-C", ROOT], check=True, capture_output=True, text=True).stdout
    assert set(re.findall(r"^make ([a-z-]+) +\w", shown, re.MULTILINE)) == set(declared[0].split())


def test_workflows_use_actions_by_commit_and_say_the_version() -> None:
    recipes = ROOT / "docs/how-to/actions"
    workflows = [*(ROOT / ".github/workflows").glob("*.yml"), *recipes.glob("*.yml")]
    used = [
        line.strip().removeprefix("- ")
        for each in workflows
        for line in each.read_text().splitlines()
        if "uses:" in line
    ]
    assert used
    # `$/` is the repository of the workflow itself, at the commit that runs.
    others = [line for line in used if not line.startswith("uses: $/")]
    assert [line for line in others if not PINNED.fullmatch(line)] == []


def test_the_licence_is_mit() -> None:
    assert text("LICENSE").startswith("MIT License\n\nCopyright (c) 2026 Hubbub contributors\n")


def test_the_root_holds_nothing_else() -> None:
    asked = ["git", "-C", str(ROOT), "ls-tree", "--name-only", "HEAD"]
    listed = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    files = {"README.md", "LICENSE", "Makefile", "pyproject.toml", "requirements.lock", "app.yml"}
    files |= {"Dockerfile", ".dockerignore"}
    assert set(listed) == files | set(PACKAGES) | {".gitignore", ".ci", ".github", "docs", "tests"}


def test_no_function_is_named_by_a_bare_participle() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and PARTICIPLE.fullmatch(node.name)
    }
    assert found == set(), (
        "a verb says that it changes something; a noun or question, that it reads"
    )


def test_the_app_subscribes_to_the_events_that_the_mirror_handles() -> None:
    subscribed = re.findall(r"^  - (\w+)$", text("app.yml"), re.MULTILINE)
    assert subscribed == app_requirements.events()


def test_the_app_asks_for_the_permissions_that_its_requests_need() -> None:
    asked = re.findall(r"^  (\w+): (read|write)\b", text("app.yml"), re.MULTILINE)
    assert dict(asked) == app_requirements.permissions()


def test_the_guide_to_the_app_names_its_events_and_permissions() -> None:
    guide = " ".join(text("docs/how-to/install-the-app.md").split())
    names = re.findall(r"^  - (\w+)$", text("app.yml"), re.MULTILINE)
    assert [each for each in names if f"*{each.replace('_', ' ').capitalize()}*" not in guide] == []
    permissions = re.findall(r"^  (\w+): (read|write)\b", text("app.yml"), re.MULTILINE)
    rows = [f"| {name.replace('_', ' ').capitalize()} | {access} |" for name, access in permissions]
    assert [row for row in rows if row not in guide] == []


def test_every_kind_of_write_is_documented_with_its_permission() -> None:
    rows = dict(
        re.findall(r"^\| `(\w+)` \| .* \| ([a-z ]+: write) \|", text(WRITES_PAGE), re.MULTILINE)
    )
    assert rows == {name: kind.permission.replace("_", " ") for name, kind in WRITES.items()}


def test_every_setting_is_documented() -> None:
    table = text("docs/reference/settings.md")
    rows = {f"| `HUBBUB_{name.upper()}` |": name for name in Settings.model_fields}
    assert [name for row, name in rows.items() if row not in table] == []
    assert table.count("| `HUBBUB_") == len(rows)


def test_every_slash_command_is_documented() -> None:
    documented = re.findall(r"^\| `/([a-z-]+)", text("docs/reference/commands.md"), re.MULTILINE)
    assert sorted(documented) == sorted({*VERBS, HELP})


def test_every_operation_is_documented_with_its_role() -> None:
    table = text("docs/reference/operations.md")
    documented = re.findall(r"^\| `(\w+)` \| ([a-z-]+) \|", table, re.MULTILINE)
    registered = [
        (each.name, "people" if is_for_people(each.name) else each.role)
        for each in OPERATIONS.values()
    ]
    assert sorted(set(documented) ^ set(registered)) == [], "see docs/reference/operations.md"
    assert documented == registered, "docs/reference/operations.md has another order"


def test_every_operation_that_a_module_defines_is_in_the_registry() -> None:
    found = {
        each.name
        for module in pkgutil.walk_packages(operations.__path__, f"{operations.__name__}.")
        for each in vars(importlib.import_module(module.name)).values()
        if isinstance(each, Operation)
    }
    assert found - OPERATIONS.keys() == set(), "list it in bot/operations/__init__.py"


# The fields that a client has for the address, and for the kind of transport if it needs one.
CLIENTS = {
    "Claude Code": {"url", "type: http"},
    "Codex": {"url"},
    "Roo Code": {"url", "type: streamable-http"},
    "Cline": {"url", "type: streamableHttp"},
    "Cursor": {"url"},
    "VS Code": {"url", "type: http"},
    "Gemini CLI": {"httpUrl"},
}


def test_the_connection_of_each_client_can_be_read_and_names_address_and_token() -> None:
    page = text("docs/how-to/connect-an-agent.md")
    sections = re.findall(r"^### (.+)\n(?s:(.*?))(?=^##)", page, re.MULTILINE)
    blocks = [
        (name, *block)
        for name, body in sections
        for block in re.findall(r"^```(json|toml)\n(?s:(.*?))^```", body, re.MULTILINE)
    ]
    assert [name for name, *_ in blocks] == list(CLIENTS)
    for name, language, block in blocks:
        read = json.loads(block) if language == "json" else tomllib.loads(block)
        [servers] = [value for key, value in read.items() if "ervers" in key]
        server = servers["hubbub"]
        fields = {key for key, value in server.items() if value == "https://hubbub.example.com/mcp"}
        kinds = {f"type: {server['type']}"} if "type" in server else set()
        assert fields | kinds == CLIENTS[name]
        header = server.get("headers", {}).get("Authorization", "")
        assert header.startswith("Bearer ") or server.get("bearer_token_env_var") == "HUBBUB_TOKEN"


def test_every_kind_of_event_is_documented_with_its_data() -> None:
    page = text("docs/reference/events.md")
    documented = re.findall(r"^\| `(\w+\.\w+)` \| (.+) \| (.*) \|$", page, re.MULTILINE)
    assert documented == [
        (kind, each.when, ", ".join(f"`{name}`" for name in each.data) or "none")
        for kind, each in KINDS.items()
    ]


def test_every_error_is_documented_with_its_status_and_meaning() -> None:
    page = text("docs/reference/errors.md")
    documented = re.findall(r"^\| `(\w+)` \| (\d+) \| (.+) \|$", page, re.MULTILINE)
    assert documented == [
        (code, str(status), when.removesuffix(".")) for code, (status, when) in CODES.items()
    ]


def test_every_reason_of_a_refusal_by_github_is_documented() -> None:
    page = text("docs/reference/errors.md")
    reasons = {reason for _, reason, _ in refusals.WORDS}
    reasons |= {reason for reason, _ in refusals.STATUSES.values()}
    missing = {each for each in reasons | {refusals.OFF[0]} if f"`{each}`" not in page}
    assert missing == set()


def test_every_command_of_the_command_line_is_documented() -> None:
    page = text("docs/reference/command-line.md")
    assert [name for name in commands() if f"| `hubbub {name}" not in page] == []


def commands() -> Iterator[str]:
    for each in app.registered_commands:
        assert each.callback is not None
        yield each.name or each.callback.__name__
    for group in app.registered_groups:
        assert group.typer_instance is not None
        for each in group.typer_instance.registered_commands:
            yield f"{group.name} {each.name}"


@pytest.mark.parametrize("page", ["README.md", ".github/CONTRIBUTING.md"])
def test_links_within_the_repository_lead_somewhere(page: str) -> None:
    linked = LINK.findall(text(page))
    assert linked
    assert [each for each in linked if not (ROOT / page).parent.joinpath(each).exists()] == []


# The throwaway MariaDB


def beside_mariadb(script: str, given: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, throwaway_mariadb.__file__, "sh", "-c", script],
        env=os.environ | {throwaway_mariadb.VARIABLE: given},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


WAITING = f"echo ${throwaway_mariadb.VARIABLE}; cat"


def folder_of_server(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    where = urlsplit(process.stdout.readline().strip())
    with pymysql.connect(host=where.hostname, port=where.port or 0, user="root") as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT @@datadir")
        row = cursor.fetchone()
    assert row is not None
    return Path(row[0]).parent


@pytest.fixture
def needs_mariadbd() -> None:
    if not throwaway_mariadb.is_installed():
        pytest.skip("needs mariadbd on this machine")


@pytest.mark.usefixtures("needs_mariadbd")
def test_the_server_ends_with_its_command_and_passes_on_its_status() -> None:
    with beside_mariadb(f"{WAITING}; exit 3") as process:
        folder = folder_of_server(process)
        assert folder.is_dir()
        process.communicate()
    assert process.returncode == 3
    assert not folder.exists()


@pytest.mark.usefixtures("needs_mariadbd")
def test_the_server_ends_with_its_command_when_terminated() -> None:
    with beside_mariadb(WAITING) as process:
        folder = folder_of_server(process)
        process.terminate()
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert not folder.exists()


@pytest.mark.usefixtures("needs_mariadbd")
def test_what_a_killed_run_left_is_cleared_by_the_next() -> None:
    with beside_mariadb(WAITING) as process:
        folder = folder_of_server(process)
        process.kill()
        # Read to its end: the command has died too.
        process.communicate()
    assert folder.is_dir()
    with beside_mariadb("exit 0") as following:
        following.communicate()
    assert not folder.exists()


def test_a_server_that_is_given_is_used() -> None:
    with beside_mariadb(WAITING, given="mysql://root@db.example/") as process:
        assert process.communicate()[0] == "mysql://root@db.example/\n"
    assert process.returncode == 0


def test_only_a_few_modules_of_bot_are_in_no_room() -> None:
    modules = {path.stem for path in (ROOT / "bot").glob("*.py")}
    assert modules == {
        *("__init__", "__main__", "errors", "foreign_json", "public_internet"),
        *("redaction", "secret_formats", "settings", "times"),
    }
