"""The `hubbub` command."""

import json
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.cli import output
from bot.identity.keyring import Keys
from store.engine.database import open_store
from store.inbox import missed_deliveries
from store.mirror import mirror_rows
from tests.support import server_process
from tests.support.command_line import hubbub
from tests.support.server_in_process import Surface, serving
from tests.support.server_process import SECRET, hubbub_process, post, settings

INSTALLATION = 7


@pytest.fixture
def url(sqlite_url: str) -> str:
    """A migrated database."""
    return sqlite_url


@pytest.fixture
def empty_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'hubbub.db'}"


@asynccontextmanager
async def server_on(url: str) -> AsyncIterator[Surface]:
    """A server in this process, for commands that a server must answer."""
    store = await open_store(url)
    async with serving(store, INSTALLATION, keys=Keys(SECRET)) as made:
        yield made
    await store.close()


async def test_serve_answers_and_leaves_when_told(empty_url: str, tmp_path: Path) -> None:
    running = server_process.serving(tmp_path, empty_url)
    async with running as server, aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/healthz") as response:
            assert await response.json() == {"status": "alive"}
        assert await post(session, server.url, "ping", b'{"zen": "Speak like a human."}') == 202
        assert await server.stop() == 0


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"HUBBUB_GITHUB_APP_ID": ""}, "HUBBUB_GITHUB_APP_ID"),
        ({"HUBBUB_GITHUB_PRIVATE_KEY": ""}, "HUBBUB_GITHUB_PRIVATE_KEY"),
        ({"HUBBUB_GITHUB_PRIVATE_KEY": "/nowhere.pem"}, "HUBBUB_GITHUB_PRIVATE_KEY"),
        ({"HUBBUB_GITHUB_WEBHOOK_SECRET": ""}, "HUBBUB_GITHUB_WEBHOOK_SECRET"),
        ({"HUBBUB_PORT": "many"}, "hubbub: HUBBUB_PORT: must be a whole number\n"),
        ({"HUBBUB_SECRET_KEY": "short"}, "HUBBUB_SECRET_KEY"),
        ({"HUBBUB_DATABASE_URL": "postgres://here"}, "HUBBUB_DATABASE_URL"),
        ({"HUBBUB_DATABASE_URL": "sqlite:////nowhere/at/all.db"}, "/nowhere/at/all.db"),
        ({"HUBBUB_DATABASE_URL": "mysql://root@127.0.0.1:9/hubbub"}, "127.0.0.1:9"),
        ({"HUBBUB_LOG_LEVEL": "loud"}, "must be 'debug', 'info', 'warning' or 'error'\n"),
    ],
    ids=str,
)
async def test_a_missing_or_wrong_setting_stops_serve_with_its_name(
    empty_url: str, tmp_path: Path, changed: dict[str, str], named: str
) -> None:
    code, out, err = await hubbub("serve", folder=tmp_path, **settings(empty_url) | changed)
    assert (code, out) == (2, "")
    assert named in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("HUBBUB_DATABSE_URL", "HUBBUB_DATABASE_URL"),
        ("HUBBUB_APP_ID", "HUBBUB_GITHUB_APP_ID"),
        ("HUBBUB_SECRET", "HUBBUB_SECRET_KEY"),
    ],
)
async def test_a_misspelt_setting_is_named_with_the_one_that_was_meant(
    url: str, tmp_path: Path, given: str, meant: str
) -> None:
    (tmp_path / ".env").write_text(f"{given}=x\n")
    words = ("deliveries", "list")
    code, _, err = await hubbub(*words, folder=tmp_path, **settings(url))
    assert (code, err) == (0, f"hubbub: {given} is not a setting. Did you mean {meant}?\n")
    wrong = {"HUBBUB_LOG_FORMAT": "json", "HUBBUB_DATABASE_URL": "sqlite:////nowhere/at/all.db"}
    stopped = settings(url) | wrong
    code, _, err = await hubbub("serve", folder=tmp_path, **stopped)
    line = json.loads(err.splitlines()[0])
    assert (line["event"], line["name"], line["did_you_mean"]) == ("unknown setting", given, meant)


def test_a_command_prints_nothing_that_a_terminal_obeys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The JSON stays JSON."""
    title = "\x1b]0;owned\x07 \x9b31m naïve 👩‍🚀"
    output.say(output.pretty({"title": title}))
    output.warn(title)
    out, err = capsys.readouterr()
    assert json.loads(out) == {"title": title}
    assert [c for c in out + err if not c.isprintable() and c != "\n"] == []


async def test_names_that_other_programs_set_are_no_misspelt_settings(
    url: str, tmp_path: Path
) -> None:
    """Kubernetes sets these for a service that is called hubbub."""
    others = {"HUBBUB_SERVICE_HOST": "10.0.0.1", "HUBBUB_PORT_8080_TCP": "tcp://10.0.0.1:8080"}
    code, _, err = await hubbub("deliveries", "list", folder=tmp_path, **settings(url) | others)
    assert (code, err) == (0, "")


async def test_a_port_in_use_stops_serve_with_the_remedy(url: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        given = settings(url) | {"HUBBUB_PORT": str(taken.getsockname()[1])}
        code, out, err = await hubbub_process("serve", folder=tmp_path, **given)
    assert (code, out) == (2, "")
    assert "HUBBUB_PORT" in err
    assert "Traceback" not in err


async def token(url: str, folder: Path, role: str = "developer") -> str:
    words = ("token", "create", "--installation", "7", "--agent", "ada", "--role", role)
    code, out, err = await hubbub(*words, folder=folder, **settings(url))
    assert code == 0, err
    assert "HUBBUB_TOKEN" in err
    return out.strip()


async def call(
    url: str, folder: Path, *words: str, **given: str
) -> tuple[int, dict[str, Any], str]:
    code, out, err = await hubbub("call", *words, folder=folder, **settings(url) | given)
    return code, json.loads(out or err), out


async def test_an_operation_is_called_on_the_database_and_at_a_server_alike(
    url: str, tmp_path: Path
) -> None:
    given = {"HUBBUB_TOKEN": await token(url, tmp_path)}
    async with server_on(url) as server:
        register = ("register_agent", "agent_id=ada", "name=4711", 'capabilities=["python"]')
        for where in ({}, {"HUBBUB_URL": server.url}):
            code, made, _ = await call(url, tmp_path, *register, **given | where)
            assert code == 0
            assert (made["agent"]["name"], made["agent"]["capabilities"]) == ("4711", ["python"])
        refusals = [
            await call(url, tmp_path, "list_agents", "bogus=1", **given | where)
            for where in ({}, {"HUBBUB_URL": server.url})
        ]
    assert [(code, out) for code, _, out in refusals] == [(1, ""), (1, "")]
    first, second = (error for _, error, _ in refusals)
    assert first == second
    assert first["error"]["code"] == "invalid_arguments"


@pytest.mark.parametrize(
    ("given", "exits", "said"),
    [
        ({}, 2, "HUBBUB_TOKEN is not set"),
        ({"HUBBUB_TOKEN": ""}, 2, "HUBBUB_TOKEN is empty"),
        ({"HUBBUB_TOKEN": " \n"}, 2, "HUBBUB_TOKEN is empty"),
        (
            {"HUBBUB_TOKEN": "two words", "HUBBUB_URL": "http://127.0.0.1:9"},
            2,
            "HUBBUB_TOKEN is no",
        ),
        ({"HUBBUB_TOKEN": "hubbub_0123_nobodys"}, 1, "does not know the token in HUBBUB_TOKEN"),
        (
            {"HUBBUB_TOKEN": "x", "HUBBUB_URL": "http://127.0.0.1:9"},
            1,
            "Cannot connect to http://127.0.0.1:9.",
        ),
    ],
)
async def test_a_call_that_cannot_be_made_says_why(
    url: str, tmp_path: Path, given: dict[str, str], exits: int, said: str
) -> None:
    code, out, err = await hubbub("call", "list_agents", folder=tmp_path, **settings(url) | given)
    assert (code, out) == (exits, "")
    assert said in err
    assert "Traceback" not in err


async def test_a_code_that_is_not_accepted_says_so(url: str, tmp_path: Path) -> None:
    code, _, err = await hubbub("token", "redeem", "hubbub_0_x", folder=tmp_path, **settings(url))
    assert code == 1
    assert "This invitation is unknown, used up or expired" in err


async def test_a_refusal_sends_an_agent_to_the_operator_who_made_its_token(
    url: str, tmp_path: Path
) -> None:
    given = {"HUBBUB_TOKEN": await token(url, tmp_path, "observer")}
    words = ("register_agent", "agent_id=ada", "name=Ada")
    assert (await call(url, tmp_path, *words, **given))[0] == 0
    _, refused, _ = await call(url, tmp_path, "claim_task", **given)
    assert "Ask the operator of Hubbub, who made yours, for a" in refused["error"]["message"]


async def test_a_token_that_leaked_is_revoked_without_its_id(url: str, tmp_path: Path) -> None:
    words = ("token", "revoke", await token(url, tmp_path))
    code, out, err = await hubbub(*words, folder=tmp_path, **settings(url))
    assert (code, err) == (0, "")
    assert "is revoked" in out
    code, _, err = await hubbub(*words, folder=tmp_path, **settings(url))
    assert code == 2
    assert "or it is revoked already" in err


@pytest.mark.parametrize("token", ["", "two words"])
async def test_a_token_that_is_none_stops_mcp_with_its_name(tmp_path: Path, token: str) -> None:
    given = {"HUBBUB_TOKEN": token, "HUBBUB_URL": "http://127.0.0.1:9"}
    code, out, err = await hubbub("mcp", folder=tmp_path, **given)
    assert (code, out) == (2, "")
    assert "HUBBUB_TOKEN is " in err


async def test_a_call_says_how_its_arguments_are_written(url: str, tmp_path: Path) -> None:
    _, said, _ = await hubbub("call", "--help", folder=tmp_path)
    assert "Values are JSON" in " ".join(said.replace("│", " ").split())
    given = {"HUBBUB_TOKEN": await token(url, tmp_path)}
    code, refused, _ = await call(url, tmp_path, "claim_task", "paths=src", **given)
    assert (code, refused["error"]["message"]) == (
        1,
        'claim_task: `paths` must be a list, for example ["src"].',
    )
    words = ("call", "claim_task", "paths")
    code, _, err = await hubbub(*words, folder=tmp_path, **settings(url) | given)
    assert (code, "'paths' has no value. Write key=value" in err) == (2, True)


async def test_a_token_for_an_account_that_nobody_knows_is_not_made(
    url: str, tmp_path: Path
) -> None:
    words = ("token", "create", "--installation", "acme", "--agent", "ada")
    code, out, err = await hubbub(*words, folder=tmp_path, **settings(url))
    assert (code, out) == (2, "")
    assert "'acme'" in err


async def test_a_link_to_the_page_is_for_an_account_that_the_database_has(
    url: str, tmp_path: Path
) -> None:
    for unknown in ("acme", "7"):
        words = ("link", "--installation", unknown)
        code, out, err = await hubbub(*words, folder=tmp_path, **settings(url))
        assert (code, out) == (2, "")
        assert "Hubbub knows no installation" in err
    store = await open_store(url)
    row = dict.fromkeys(("account_id", "deleted"), 0) | {
        "installation_id": 7,
        "account": "acme",
        "account_type": "Organization",
        "repository_selection": "all",
        "permissions": "{}",
        "version": "1",
    }
    await store.write(lambda tx: mirror_rows.put(tx, "installations", row))
    await store.close()
    words = ("link", "--installation", "acme")
    code, out, err = await hubbub(*words, folder=tmp_path, **settings(url))
    assert code == 0
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/link/hubbub_[\w-]+\n", out)
    assert "It works once" in err


@pytest.mark.parametrize("agent", ["everybody", "holder", "actions-74-scout"])
async def test_no_token_is_made_for_a_name_that_others_have(
    url: str, tmp_path: Path, agent: str
) -> None:
    words = ("token", "create", "--installation", "7", "--agent", agent)
    code, out, err = await hubbub(*words, folder=tmp_path, **settings(url))
    assert (code, out) == (2, "")
    assert f"{agent!r} cannot be an agent's id" in err


async def test_deliveries_are_listed_and_shown(url: str, tmp_path: Path) -> None:
    guid, body = "0123-abcd", b'{"zen": "Speak like a human."}'
    async with server_on(url) as server:
        assert await post(server.client, server.url, "ping", body, guid) == 202
    code, out, _ = await hubbub("deliveries", "list", "--json", folder=tmp_path, **settings(url))
    [row] = [json.loads(line) for line in out.splitlines()]
    assert (code, row["guid"], row["event"]) == (0, guid, "ping")
    code, out, _ = await hubbub("deliveries", "show", guid, folder=tmp_path, **settings(url))
    assert (code, json.loads(out)["payload"]) == (0, json.loads(body))
    code, _, err = await hubbub("deliveries", "show", "nope", folder=tmp_path, **settings(url))
    assert (code, "nope" in err) == (2, True)


async def test_what_github_has_and_the_inbox_lacks_is_listed_as_lost(
    url: str, tmp_path: Path
) -> None:
    row: missed_deliveries.LoggedDelivery = {
        "installation_id": 5,
        "guid": "0123-lost",
        "delivery_id": 77,
        "repository_id": None,
        "event": "issues",
        "action": "opened",
        "delivered_at": 1_800_000_000_000_000,
    }
    store = await open_store(url)
    await store.write(lambda tx: missed_deliveries.record(tx, [row], 0))
    await store.close()
    listed = ("deliveries", "list", "--state", "lost", "--json")
    code, out, _ = await hubbub(*listed, folder=tmp_path, **settings(url))
    [found] = [json.loads(line) for line in out.splitlines()]
    assert (code, found["guid"], found["state"]) == (0, "0123-lost", "lost")
    code, _, err = await hubbub(
        "deliveries", "list", "--state", "misplaced", folder=tmp_path, **settings(url)
    )
    assert (code, "lost" in err) == (2, True)


async def test_doctor_says_what_is_wrong_a_line_each(url: str, tmp_path: Path) -> None:
    code, out, _ = await hubbub("doctor", folder=tmp_path, **settings(url))
    names = [line.partition(":")[0] for line in out.splitlines()]
    wrong = [line.partition(":")[0] for line in out.splitlines() if "WRONG" in line]
    assert code == 1
    assert "database" in names
    assert wrong == ["GitHub"]


async def test_doctor_says_once_what_two_checks_stumble_over(url: str, tmp_path: Path) -> None:
    given = settings(url) | {"HUBBUB_GITHUB_APP_ID": ""}
    code, out, _ = await hubbub("doctor", folder=tmp_path, **given)
    assert (code, out.count("HUBBUB_GITHUB_APP_ID")) == (1, 1)
    assert out.splitlines()[-1] == "GitHub: WRONG, for the same reason as the App's settings"


async def test_an_answer_stays_json_where_the_output_cannot_hold_every_character(
    url: str, tmp_path: Path
) -> None:
    given = settings(url) | {"HUBBUB_TOKEN": await token(url, tmp_path)}
    words = ("call", "register_agent", "agent_id=ada", "name=Zoë 🚀")
    code, out, err = await hubbub(*words, folder=tmp_path, encoding="ascii", **given)
    assert (code, err) == (0, "")
    assert json.loads(out)["agent"]["name"] == "Zoë 🚀"
    wrong = ("call", "get_agent", "id=🚀")
    code, out, err = await hubbub(*wrong, folder=tmp_path, encoding="ascii", **given)
    assert (code, out) == (1, "")
    assert json.loads(err)["error"]["code"] == "invalid_arguments"


async def test_an_answer_that_cannot_be_written_says_so_in_a_line(url: str, tmp_path: Path) -> None:
    given = settings(url) | {"HUBBUB_TOKEN": await token(url, tmp_path)}
    words = ("call", "register_agent", "agent_id=ada", "name=Ada")
    code, _, err = await hubbub_process(*words, folder=tmp_path, redirect=">/dev/full", **given)
    assert code == os.EX_IOERR
    assert err == (
        "hubbub: cannot write to standard output: No space left on device. Only the output is "
        "lost: what the command did is done.\n"
    )
    _, found, _ = await call(url, tmp_path, "get_agent", "agent_id=ada", **given)
    assert found["agent"]["name"] == "Ada"


@pytest.mark.parametrize(("redirect", "name"), [("<&-", "input"), (">&-", "output")])
async def test_mcp_says_in_a_line_that_its_input_or_output_is_closed(
    url: str, tmp_path: Path, redirect: str, name: str
) -> None:
    given = settings(url) | {"HUBBUB_TOKEN": await token(url, tmp_path)}
    code, _, err = await hubbub_process("mcp", folder=tmp_path, redirect=redirect, **given)
    assert code == 2
    assert err == (
        f"hubbub: Standard {name} is closed. An MCP client starts `hubbub mcp` and talks to it "
        "through standard input and output.\n"
    )


@pytest.mark.parametrize(
    "words",
    [("doctor",), ("deliveries", "list"), ("token", "create", "--installation=5", "--agent=a")],
)
async def test_a_command_in_the_wrong_folder_makes_nothing_there(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    code, out, err = await hubbub(*words, folder=tmp_path)
    assert code != 0
    assert "HUBBUB_DATABASE_URL" in out + err
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - a test's folder


async def test_an_invitation_is_listed_until_it_is_revoked(url: str, tmp_path: Path) -> None:
    given = settings(url)
    where = ("--installation", "7")
    invite = ("token", "invite", *where, "--agent", "ada")
    code, out, _ = await hubbub(*invite, folder=tmp_path, **given)
    assert code == 0
    _, listed, _ = await hubbub("token", "list", *where, folder=tmp_path, **given)
    invitation, agent, _, kind = listed.split()[:4]
    assert (out.split("_")[1], agent, kind) == (invitation, "ada", "invitation")
    _, out, _ = await hubbub("token", "revoke", invitation, folder=tmp_path, **given)
    assert "Nobody gets a token with it: it was the invitation of ada." in out
    assert "cancelled" not in out
    _, listed, _ = await hubbub("token", "list", *where, folder=tmp_path, **given)
    assert listed == ""
    code, _, err = await hubbub(*invite, "--expires", "8d", folder=tmp_path, **given)
    assert (code, err) == (2, "hubbub: --expires: a code works for 7 days at most.\n")


async def test_a_token_that_was_revoked_is_worth_nothing(url: str, tmp_path: Path) -> None:
    given = {"HUBBUB_TOKEN": await token(url, tmp_path)}
    _, listed, _ = await hubbub(
        "token", "list", "--installation", "7", folder=tmp_path, **settings(url)
    )
    key_id, agent = listed.split()[:2]
    assert (given["HUBBUB_TOKEN"].split("_")[1], "ada") == (key_id, agent)
    code, _, _ = await hubbub("token", "revoke", key_id, folder=tmp_path, **settings(url))
    assert code == 0
    code, error, _ = await call(url, tmp_path, "list_agents", **given)
    assert (code, error["error"]["code"]) == (1, "unauthenticated")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"HUBBUB_DATABASE_URL": "postgres://u:p@h/d"}, "HUBBUB_DATABASE_URL: must be sqlite:///"),
        ({"HUBBUB_DATABASE_URL": "sqlite:///:memory:"}, "HUBBUB_DATABASE_URL: must be sqlite:///"),
        ({"HUBBUB_DATABASE_URL": "mysql://u@h:x/d"}, "the port must be a number"),
        ({"HUBBUB_DATABASE_URL": "sqlite:///not.db"}, "must name a SQLite file"),
        ({"HUBBUB_HOST": ""}, "HUBBUB_HOST"),
        ({"HUBBUB_GITHUB_PRIVATE_KEY": "not.db"}, "contains no private key"),
        ({"HUBBUB_GITHUB_PRIVATE_KEY": "ec.pem"}, "that is not RSA"),
    ],
)
async def test_a_wrong_setting_is_named_without_a_traceback(
    empty_url: str, tmp_path: Path, given: dict[str, str], said: str
) -> None:
    (tmp_path / "not.db").write_text("This is no database, and no key. " * 100)
    key = generate_private_key(SECP256R1())
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "ec.pem").write_bytes(key.private_bytes(*form))
    code, out, err = await hubbub("serve", folder=tmp_path, **settings(empty_url) | given)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
