"""`hubbub doctor` against the simulated GitHub: what is right, and each thing that may be wrong.

On SQLite: what is checked is GitHub's side.
"""

import json
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web  # noqa: TID251 - what answers instead of GitHub is a server
from aiohttp.test_utils import TestServer

from fixtures.github import SimulatedGitHub
from store.engine.migrate import upgrade
from tests.conftest import MariaDB, with_scheme
from tests.support.bubblewrap import skip_without
from tests.support.command_line import hubbub
from tests.support.engines import ON_SQLITE
from tests.support.server_in_process import Surface
from tests.support.server_process import settings

SANDBOXES = "sandboxes of plug-ins"
HOOK = "https://hubbub.example.com/webhooks/github"


@pytest.fixture
async def github(openapi: Path | None) -> AsyncIterator[SimulatedGitHub]:
    async with SimulatedGitHub(openapi=openapi) as made:
        made.app.webhook_url = HOOK
        yield made
        assert made.violations == []


async def doctor(
    github: SimulatedGitHub, folder: Path, **given: str
) -> tuple[int, dict[str, str], str]:
    """Exit code, the lines by check, standard error."""
    url = f"sqlite:///{folder / 'hubbub.db'}"
    code, out, err = await hubbub("doctor", folder=folder, **settings(url, github) | given)
    return code, dict(line.split(": ", 1) for line in out.splitlines()), err


async def test_doctor_is_green_before_the_first_serve_and_makes_nothing(
    github: SimulatedGitHub, tmp_path: Path
) -> None:
    code, lines, err = await doctor(github, tmp_path)
    assert (code, err) == (0, ""), lines
    assert lines["database"].endswith(
        "is empty; the first `hubbub serve` fills it. If you have a database already, set "
        "HUBBUB_DATABASE_URL to it"
    )
    assert {
        name: lines[name] for name in lines if name not in ("database", "GitHub", SANDBOXES)
    } == {
        "names of settings": "none is mis-spelt",
        "the App's settings": "App 4711, complete",
        "permissions": "the App has all that Hubbub needs",
        "events": "the App subscribes to all that Hubbub needs",
        "webhook": HOOK,
        "deliveries": "GitHub has sent none in the last three days",
        "installations": "none yet: install the App on an account",
    }
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - a test's folder


async def test_doctor_says_which_sandboxes_work(github: SimulatedGitHub, tmp_path: Path) -> None:
    skip_without()
    _, lines, _ = await doctor(github, tmp_path)
    assert lines[SANDBOXES] == "wasm: works; process: works"


async def test_doctor_is_green_on_a_database_in_use(
    github: SimulatedGitHub, tmp_path: Path
) -> None:
    upgrade(f"sqlite:///{tmp_path / 'hubbub.db'}")
    code, lines, _ = await doctor(github, tmp_path, HUBBUB_PUBLIC_URL="https://Hubbub.example.com")
    assert (code, "newest schema" in lines["database"]) == (0, True)


@pytest.mark.parametrize(
    ("scheme", "driver"), [("mysql", "aiomysql"), ("mysql+asyncmy", "asyncmy")]
)
async def test_doctor_names_the_driver_on_mysql(
    github: SimulatedGitHub,
    tmp_path: Path,
    mariadb: MariaDB,
    migrated_mysql: str,
    scheme: str,
    driver: str,
) -> None:
    url = with_scheme(mariadb.copy(migrated_mysql), scheme)
    given = {"HUBBUB_DATABASE_URL": url, "HUBBUB_SECRET_KEY": "s" * 32}
    _, lines, _ = await doctor(github, tmp_path, **given)
    assert lines["database"] == f"{url} by {driver}, newest schema, belongs to this secret"


async def test_doctor_lists_the_reads_that_were_given_up(
    github: SimulatedGitHub, tmp_path: Path
) -> None:
    upgrade(f"sqlite:///{tmp_path / 'hubbub.db'}")
    with sqlite3.connect(tmp_path / "hubbub.db") as database:
        columns = "installation_id, kind, subject, arguments, state, not_before, asked_at, error"
        database.execute(
            f"INSERT INTO pending_reads ({columns}) VALUES "
            "(7, 'labels', '1', '{}', 'answered', 0, 0, '451: Repository access blocked')"
        )
    database.close()
    code, lines, _ = await doctor(github, tmp_path)
    assert lines["reads given up"] == (
        "labels of installation 7 (451: Repository access blocked); "
        "`hubbub backfill --again` tries again"
    )
    assert code == 0


async def test_doctor_names_what_the_app_lacks(github: SimulatedGitHub, tmp_path: Path) -> None:
    github.app.permissions |= {"issues": "read"}
    del github.app.permissions["checks"]
    github.app.events.remove("sub_issues")
    code, lines, _ = await doctor(github, tmp_path)
    assert code == 1
    assert lines["permissions"].startswith("WRONG: the App lacks checks: write, issues: write.")
    assert lines["events"].startswith("WRONG: the App does not subscribe to sub_issues.")


@pytest.mark.parametrize(
    ("url", "secret", "given", "says"),
    [
        (None, "x", {}, "WRONG: the App has no webhook address."),
        ("https://a.example/", "x", {}, "WRONG: https://a.example/ does not end with /webhooks/"),
        (
            HOOK,
            "x",
            {"HUBBUB_PUBLIC_URL": "https://other.example"},
            f"WRONG: {HOOK} is not at HUBBUB_PUBLIC_URL, https://other.example.",
        ),
        (HOOK, "", {}, "WRONG: the App has no webhook secret."),
        ("https://a.example/", "x", {"HUBBUB_INTAKE": "pull"}, "https://a.example/; not used"),
    ],
)
async def test_doctor_checks_the_webhooks_address(
    github: SimulatedGitHub,
    tmp_path: Path,
    url: str | None,
    secret: str,
    given: dict[str, str],
    says: str,
) -> None:
    github.app.webhook_url, github.app.webhook_secret = url, secret
    _, lines, _ = await doctor(github, tmp_path, HUBBUB_GITHUB_WEBHOOK_SECRET="x", **given)
    assert lines["webhook"].startswith(says)


async def test_doctor_says_what_each_account_has_not_granted(
    github: SimulatedGitHub, tmp_path: Path
) -> None:
    granted = dict(github.app.permissions)
    github.install("acme", [], permissions=granted)
    github.install("beta", [], permissions=granted | {"contents": "read"})
    code, lines, _ = await doctor(github, tmp_path)
    assert (code, "acme" in lines["installations"]) == (1, False)
    assert lines["installations"].startswith("WRONG: beta has not granted contents: write.")


@ON_SQLITE
async def test_doctor_tells_of_deliveries_that_failed(
    github: SimulatedGitHub, surface: Surface, tmp_path: Path
) -> None:
    github.app.webhook_url = f"{surface.url}/webhooks/github"
    github.app.webhook_secret = "another"
    github.install("acme", [], permissions=dict(github.app.permissions))
    await github.wait_for_deliveries()
    code, lines, _ = await doctor(github, tmp_path)
    cause = "(the webhook secret of the App is not HUBBUB_GITHUB_WEBHOOK_SECRET)"
    assert code == 1
    assert lines["deliveries"].endswith(f" ago and got 401. Of the last 1, 1 got 401 {cause}")
    github.app.webhook_secret = "It's a Secret to Everybody"
    github.redeliver(github.deliveries[-1])
    await github.wait_for_deliveries()
    _, lines, _ = await doctor(github, tmp_path)
    assert " and got 202. Of the last 2, 1 got 401" in lines["deliveries"]
    assert not lines["deliveries"].startswith("WRONG")


@pytest.mark.parametrize(
    ("answers", "wrong"),
    [
        ({"/app": []}, ["GitHub"]),
        (
            {
                "/app": {"slug": "hubbub"},
                "/app/hook/config": [],
                "/app/hook/deliveries": {"message": "Sign in"},
                "/app/installations": {"message": "Sign in"},
            },
            ["webhook", "deliveries", "installations"],
        ),
    ],
    ids=["the App is a list", "objects for lists"],
)
async def test_doctor_names_each_answer_that_github_would_not_give(
    tmp_path: Path, answers: dict[str, Any], wrong: list[str]
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(answers[request.path])

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        here = str(server.make_url("")).rstrip("/")
        given = settings(f"sqlite:///{tmp_path / 'hubbub.db'}")
        code, out, err = await hubbub(
            "doctor", folder=tmp_path, **given | {"HUBBUB_GITHUB_API_URL": here}
        )
    lines = dict(line.split(": ", 1) for line in out.splitlines())
    assert (code, err) == (1, "")
    assert [
        name for name, words in lines.items() if "something else than GitHub does" in words
    ] == (wrong)
    assert [name for name, words in lines.items() if "for the same reason" in words] == []


async def test_doctor_names_a_misspelt_setting(github: SimulatedGitHub, tmp_path: Path) -> None:
    code, lines, err = await doctor(github, tmp_path, HUBBUB_LOG_FMT="json")
    assert (code, err) == (1, "")
    assert lines["names of settings"] == (
        "WRONG: these are not settings: HUBBUB_LOG_FMT (did you mean HUBBUB_LOG_FORMAT?)"
    )


async def test_doctor_prints_json_for_programs(github: SimulatedGitHub, tmp_path: Path) -> None:
    github.app.events.remove("sub_issues")
    given = settings(f"sqlite:///{tmp_path / 'hubbub.db'}", github)
    code, out, err = await hubbub("doctor", "--json", folder=tmp_path, **given)
    found = [json.loads(line) for line in out.splitlines()]
    assert (code, err, {tuple(each) for each in found}) == (1, "", {("check", "ok", "message")})
    assert [each["check"] for each in found if not each["ok"]] == ["events"]
