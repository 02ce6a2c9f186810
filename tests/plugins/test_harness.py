"""`hubbub.testing`: an author sees what a plug-in does, from an event to a comment on GitHub."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.plugin_packages import manifest

CODE = b"""\
import pluggy

hook = pluggy.HookimplMarker("hubbub")


@hook
async def on_event(event, hubbub):
    if event["kind"] == "task.completed" and hubbub.settings["word"] == "fail":
        raise KeyError("x")
    if event["kind"] == "task.claimed":
        found = await hubbub.call("get_task", {"task": event["subject"]})
        given = {"issue": found["task"]["task"], "body": "Mind the valve."}
        await hubbub.call("github_comment_issue", given)


@hook
def card_lines(task, hubbub):
    return [hubbub.settings["word"] + " " + task["task"] + " " + task["state"]]


@hook
def protocols():
    return {"sms": sms}


async def sms(hubbub, delivery):
    return {"ack": delivery["id"]}
"""
ADDS = (
    "{events: ['task.*'], card_lines: true, protocols: [{name: sms, description: By text message}]}"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = manifest(
        adds=ADDS,
        entry="echo",
        permissions="{role: developer, operations: [get_task, github_comment_issue]}",
        settings="{word: {description: a word, default: Hello}}",
    )
    (tmp_path / "hubbub-plugin.yml").write_bytes(made)
    (tmp_path / "echo.py").write_bytes(CODE)
    return tmp_path


@pytest.fixture
async def testing(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """The module as authors import it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bot/wheel"))
    from hubbub import testing  # type: ignore[import-not-found,import-untyped,unused-ignore] # noqa: PLC0415

    yield testing
    for name in [each for each in sys.modules if each.partition(".")[0] == "hubbub"]:
        del sys.modules[name]


async def test_an_event_leads_to_a_line_of_the_card_and_to_a_comment(
    folder: Path, testing: Any
) -> None:
    async with testing.open_harness(folder, github=True) as harness:
        task = await harness.task("Mend it", body="The valve leaks.")
        assert harness.card(task) == ""
        ada = await harness.agent("ada")
        await harness.call_as(ada, "claim_task", task=task)
        await harness.settle()
        assert f"- `echo`: `Hello {task} in_progress`" in harness.card(task)
        (comment,) = [each for each in harness.comments(task) if "Mind the valve." in each]
        assert "plugin/echo" in comment


async def test_a_person_on_github_is_seen_and_deliveries_are_made(
    folder: Path, testing: Any
) -> None:
    async with testing.open_harness(folder, settings={"word": "Ahoy"}, github=True) as harness:
        task = await harness.task("Mend it")
        given = {"agent_id": "pat", "action": "set", "protocol": "plugin/echo__sms"}
        await harness.hubbub("manage_agent_endpoint", **given)
        await harness.hubbub("assign_task", task=task, agent_id="pat")
        await harness.settle()
        found = await harness.hubbub("get_agent_endpoint", agent_id="pat")
        assert [each["state"] for each in found["deliveries"]] == ["delivered"]
        ada = await harness.agent("ada")
        other = await harness.task("Paint it")
        await harness.call_as(ada, "claim_task", task=other)
        harness.workspace.person.close(harness.workspace.repository.threads[2])
        await harness.settle()
        assert f"Ahoy {other} completed" in harness.card(other)


async def test_a_handler_that_fails_fails_the_test(folder: Path, testing: Any) -> None:
    async with testing.open_harness(folder, settings={"word": "fail"}) as harness:
        with pytest.raises(AssertionError, match="The plug-in failed: It raised KeyError: 'x'"):
            await harness.event("task.completed", "t_1")
