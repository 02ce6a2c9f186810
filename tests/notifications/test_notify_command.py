"""`hubbub notify`: its output, its exit status, and the audit. Each engine runs the same code."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import hubbub
from tests.support.receivers import Receiver, open_receiver
from tests.support.server_process import rows, settings

HERE = ("--installation", "42")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as opened:
        yield opened


async def run(
    url: str, folder: Path, receiver: Receiver, *words: str, **given: str
) -> tuple[int, str, str]:
    allowed = {"HUBBUB_NOTIFY_ORIGINS": f"https://other.example,{receiver.origin}"}
    return await hubbub("notify", *words, *HERE, folder=folder, **settings(url) | allowed | given)


async def test_a_target_is_added_tried_listed_paused_and_removed(
    sqlite_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    async def notify(*words: str) -> tuple[int, str, str]:
        return await run(sqlite_url, tmp_path, receiver, *words)

    options = ("--on", "question", "--quiet", "22:00-07:00", "--zone", "Europe/Berlin")
    code, out, err = await notify("add", "webhook", "ours", "--to", receiver.url, *options)
    assert (code, err) == (0, "")
    secret = re.search(r"whsec_\S+", out)
    assert secret
    assert "Try it with `hubbub notify test 'ours'`" in out
    assert await notify("test", "ours") == (
        0,
        f"The test message was sent to {receiver.origin.removeprefix('http://')}.\n",
        "",
    )
    ((headers, body),) = receiver.requests
    assert is_from_hubbub(headers, body, secret[0])
    assert not is_from_hubbub(headers, body + b" ", secret[0])
    code, out, _ = await notify("list", "--json")
    (line,) = [json.loads(each) for each in out.splitlines()]
    assert (line["name"], line["kind"], line["state"]) == ("ours", "webhook", "active")
    assert line["rules"]["quiet"] == {"begin": "22:00", "end": "07:00", "zone": "Europe/Berlin"}
    assert "/in" not in out
    code, out, _ = await notify("list")
    assert (code, "ours" in out, "question" in out) == (0, True, True)
    assert await notify("pause", "ours") == (0, "ours is paused.\n", "")
    assert await notify("resume", "ours") == (0, "ours is active again.\n", "")
    assert await notify("remove", "ours") == (0, "ours is removed.\n", "")
    code, _, err = await notify("remove", "ours")
    assert (code, "There is no target 'ours'" in err) == (2, True)
    audit = await rows(sqlite_url, "SELECT operation, actor FROM audit WHERE installation_id = 42")
    assert [tuple(each.values()) for each in audit] == [
        (f"notify {each}", "operator") for each in ("add", "pause", "resume", "remove")
    ]


def is_from_hubbub(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """The function that the reference shows."""
    namespace: dict[str, Any] = {}
    page = Path(__file__).parents[2] / "docs/reference/notifications.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    exec(code, namespace)  # noqa: S102 - the example of the documentation
    return bool(namespace["is_from_hubbub"](headers, body, secret))


WRONG = {
    ("add", "pigeon", "ours", "--to", "x"): "it must be one of webhook, slack, discord, teams",
    ("add", "slack", "ours", "--to", "http://hooks.slack.com/x"): "must begin with https://",
    ("add", "slack", "ours", "--to", "https://127.0.0.1/x"): "must be a host on the internet",
    ("add", "mail", "ours", "--to", "ada@example.com"): "Set HUBBUB_SMTP_HOST first",
    ("add", "slack", "", "--to", "https://a.example/x"): "The name must have 1 to 60 characters",
    ("add", "slack", "a", "--to", "https://a.example/x", "--on", "x"): "'x' is not one of",
    ("add", "slack", "a", "--to", "https://a.example/x", "--quiet", "22"): "22:00-07:00",
    ("add", "slack", "a", "--to", "https://a.example/x", "--quiet", "22:00-25:00"): "--end",
    (
        *("add", "slack", "a", "--to", "https://a.example/x", "--quiet", "22:00-07:00"),
        *("--zone", "Mars/Phobos"),
    ): "'Mars/Phobos' is not a time zone",
    ("add", "slack", "a", "--to", "https://a.example/x", "--wait", "long"): "--wait",
    ("add", "slack", "a", "--to", "https://a.example/x", "--severity", "high"): "--severity",
    ("add", "slack", "a", "--to", "https://a.example/x", "--per-hour", "0"): "--per_hour",
    ("add", "slack", "a", "--to", "https://a.example/x", "--repository", "a/b"): "no repository",
    ("test", "ours"): "There is no target 'ours'",
}


async def test_what_is_wrong_is_said_and_adds_nothing(
    sqlite_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    for words, expected in WRONG.items():
        code, _, err = await run(sqlite_url, tmp_path, receiver, *words)
        assert (code, expected in err) == (2, True), (words, err)
    assert await rows(sqlite_url, "SELECT * FROM notification_targets") == []


async def test_a_test_message_that_fails_says_why(
    sqlite_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    await run(sqlite_url, tmp_path, receiver, "add", "slack", "ours", "--to", receiver.url)
    receiver.status, receiver.text = 403, "invalid_token"
    code, _, err = await run(sqlite_url, tmp_path, receiver, "test", "ours")
    assert code == 2
    assert "The test message was not sent: it answered 403: invalid_token." in err
