"""The part of an agent's page about how Hubbub reaches it."""

import html
import re

from bot.protocols.routing import IN_WORKER
from tests.support.a2a_agent import open_agent, reach
from tests.support.agent_endpoints import courier, lead, set_endpoint
from tests.support.login import LoginServer
from tests.support.model_endpoint import calls, open_model
from tests.support.page import HERE, confirm, links, signed_in, text_of

PAGE = f"{HERE}/agents/coder"


async def test_a_page_shows_deliveries_and_a_transcript_and_turns_the_endpoint_off(
    server: LoginServer,
) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    await workspace.agent("ada")
    assert "How Hubbub reaches it" not in await text_of(browser, f"{HERE}/agents/ada")
    async with open_model() as model:
        await set_endpoint(
            workspace, "coder", "openai", model.url, secret="sk-hidden", options={"model": "m"}
        )
        issue = await workspace.task("Mend <b>it</b>")
        name = workspace.name(issue)
        await lead(workspace).call("assign_task", task=name, agent_id="coder")
        ends = {"task": name, "status": "failed", "note": "No <i>valve</i>."}
        model.script = [calls(("update_task_status", ends))]
        await courier(workspace, IN_WORKER).drain()
    page = await text_of(browser, PAGE)
    assert "How Hubbub reaches it" in page
    assert "sk-hidden" not in page
    assert '<span class="state delivered">delivered</span>' in page
    (transcript,) = links(page, "transcript")
    whole = await text_of(browser, transcript)
    assert "update_task_status {" in html.unescape(whole)
    assert "<i>valve" not in whole
    (off,) = [each for each in _actions(page) if "endpoint-off" in each]
    await confirm(browser, off)
    assert "Turn on" in await text_of(browser, PAGE)


async def test_the_page_of_an_agent_that_works_by_a2a_shows_its_deliveries(
    server: LoginServer,
) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    async with open_agent() as agent:
        remote = await reach(workspace, agent)
        await remote.assign()
        await remote.drain()
        working = await text_of(browser, f"{HERE}/agents/remote")
        agent.set("COMPLETED", "", {"text": "It is tight."})
        await remote.drain(3)
    assert "<td>task</td>" in working
    assert "delivered" in await text_of(browser, f"{HERE}/agents/remote")


async def test_a_person_adds_an_agent_that_hubbub_reaches(server: LoginServer) -> None:
    browser = await signed_in(server)
    fleet = await text_of(browser, f"{HERE}/agents")
    assert {"endpoint-a2a", "endpoint-model"} <= {
        each.partition("/do/")[2].partition("?")[0] for each in _actions(fleet)
    }
    given = {"agent_id": "coder", "url": "https://models.example.com/v1", "options.model": "m"}
    await confirm(browser, f"{HERE}/do/endpoint-model", **given, secret="sk-hidden")
    page = await text_of(browser, PAGE)
    assert "openai, models.example.com" in page
    assert "sk-hidden" not in page


def _actions(text: str) -> list[str]:
    return [html.unescape(each) for each in re.findall(r'href="([^"]+endpoint-[^"]*)"', text)]
