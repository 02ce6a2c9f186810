"""Plug-ins in the sandbox, installed and called like trusted ones."""

from collections.abc import AsyncIterator

import pytest

from store.engine.database import open_store
from tests.support import bubblewrap
from tests.support.plugin_packages import package
from tests.support.plugins import PluginOffice
from tests.support.story import Clock

CODE = b"""\
from hubbub_plugin import card_lines, on_event, operation, run


@operation
def say(hubbub, text=""):
    return {"said": text, "word": hubbub.settings.get("word")}


@operation
def tell(hubbub):
    return hubbub.call("send_message", {"to": "ada", "body": "hello"})["message_id"]


@operation
def read(hubbub):
    return open("/etc/passwd").read()


run()
"""
ADDS = (
    "{operations: [{name: say, description: Says it, arguments: {text: {description: it}}}, "
    "{name: tell, description: Tells}, {name: read, description: Reads}]}"
)


@pytest.fixture
async def office(sqlite_url: str, clock: Clock) -> AsyncIterator[PluginOffice]:
    opened = await open_store(sqlite_url, clock)
    yield PluginOffice(opened, clock, 7)
    await opened.close()


async def test_a_process_in_the_sandbox_is_a_plug_in_like_others(office: PluginOffice) -> None:
    bubblewrap.skip_without()
    made = package(
        files={"main.py": CODE},
        kind="process",
        entry="main.py",
        adds=ADDS,
        permissions="{role: tester, operations: [send_message]}",
        settings="{word: {description: a word, default: Ahoy}}",
    )
    await office.use(made)
    await office.agent("ada")
    assert (await office.call("echo__say", text="a"))["result"] == {"said": "a", "word": "Ahoy"}
    told = (await office.call("echo__tell"))["result"]
    [message] = await office.rows("SELECT id, sender FROM messages WHERE installation_id = :i")
    assert message == {"id": told, "sender": "plugin/echo"}
    refused = await office.refused("echo__read")
    assert refused.startswith("plugin_failed: The plug-in echo failed")
    assert "root:" not in refused
