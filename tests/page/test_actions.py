"""What people do from the page: a form, its exact effect, and then the operation, once."""

from urllib.parse import quote

import pytest

from bot.operations import OPERATIONS
from tests.support.login import LoginServer
from tests.support.page import HERE, confirm, hidden, operator, signed_in, text_of
from webhooks.page.action_table import ACTIONS

DO = f"{HERE}/do"


async def events(server: LoginServer) -> list[str]:
    rows = await server.workspace.rows(
        "SELECT kind FROM events WHERE installation_id = :i ORDER BY seq"
    )
    return [each["kind"] for each in rows]


async def test_an_action_shows_its_exact_effect_before_it_runs(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    agent = await workspace.agent("ada")
    name = workspace.name(await workspace.task())
    await agent.call("claim_task", task=name)
    await workspace.settle()
    before = await events(server)
    form = await text_of(browser, f"{DO}/cancel?task=acme/rocket%231")
    assert "Reason, for those who work on it" in form
    page = await browser.open(f"{DO}/cancel", "POST", task=name, note="No <b>longer</b> wanted")
    assert "the task was cancelled" in page.text
    assert "issue update" in page.text, "the issue will be closed on GitHub"
    assert "No &lt;b&gt;longer&lt;/b&gt; wanted" in page.text
    assert await events(server) == before, "a preview changes nothing"
    done = await browser.open(f"{DO}/cancel", "POST", **hidden(page.text))
    assert (done.status, done.location) == (303, f"{HERE}?done=cancel")
    new = (await events(server))[len(before) :]
    assert "task.cancelled" in new
    shown = {each for each in new if not each.startswith("inbox.")}
    assert all(each.partition(".")[2].replace("_", " ")[:6] in page.text for each in shown)
    assert "Done: Cancel the task." in await text_of(browser, done.location)
    await workspace.settle()
    (row,) = await workspace.rows(
        "SELECT actor, surface, outcome FROM audit WHERE installation_id = :i "
        "AND operation = 'change_task'"
    )
    assert row == {"actor": "@octocat", "surface": "page", "outcome": "done"}


async def test_a_form_that_is_sent_twice_runs_once(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    name = workspace.name(await workspace.task())
    page = await browser.open(f"{DO}/comment", "POST", issue=name, body="Hello")
    fields = hidden(page.text)
    for _ in range(2):
        assert (await browser.open(f"{DO}/comment", "POST", **fields)).status == 303
    await workspace.settle()
    comments = workspace.repository.issues[1].comments
    assert [each.body for each in comments if "Hello" in each.body] != []
    assert sum("Hello" in each.body for each in comments) == 1


async def test_a_person_answers_a_question_from_the_page(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    name = workspace.name(await workspace.task())
    ada = await workspace.agent("ada")
    fence = (await ada.call("claim_task", task=name))["fence"]
    asked = {"task": name, "fence": fence, "status": "in_progress", "question": "Which valve?"}
    await ada.call("update_task_status", **asked)
    await workspace.settle()
    page = await browser.open(f"{DO}/comment", "POST", issue=name, body="The left one")
    assert "somebody answered the question" in page.text
    assert (await browser.open(f"{DO}/comment", "POST", **hidden(page.text))).status == 303
    found = await ada.call("get_task", task=name)
    assert found["task"]["question"] is None
    notices = [each["message"] for each in found["notices"]]
    assert any("The left one" in each for each in notices), notices
    await workspace.settle()
    assert (await ada.call("get_task", task=name))["task"]["question"] is None


async def test_what_changed_since_the_preview_is_shown_before_anything_runs(
    server: LoginServer,
) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    issue = await workspace.task()
    ada = await workspace.agent("ada")

    async def comment(text: str) -> None:
        await ada.call("github_comment_issue", issue=workspace.name(issue), body=text)

    await comment("One")
    page = await browser.open(f"{DO}/cancel-writes", "POST", agent_id="ada")
    await comment("Two")
    changed = await browser.open(f"{DO}/cancel-writes", "POST", **hidden(page.text))
    assert changed.status == 409
    assert "look at the effect again" in changed.text
    assert "Cancelled: 2 writes that wait." in changed.text
    states = await workspace.rows(
        "SELECT state FROM writes WHERE installation_id = :i AND author = 'ada'"
    )
    assert {each["state"] for each in states} == {"queued"}
    done = await browser.open(f"{DO}/cancel-writes", "POST", **hidden(changed.text))
    assert done.status == 303


@pytest.mark.parametrize("what", ["token", "note", "task", "session", "site", "late"])
async def test_only_what_was_previewed_runs(server: LoginServer, what: str) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    name = workspace.name(await workspace.task())
    other = workspace.name(await workspace.task("Another"))
    page = await browser.open(f"{DO}/hold", "POST", task=name, note="Wait")
    fields, before = hidden(page.text), await events(server)
    if what == "session":
        browser = await operator(server)
    elif what == "late":
        workspace.clock.forward(15 * 60 + 1)
    elif what == "site":
        browser.site = "cross-site"
    else:
        fields[what] = {"token": "1.é", "note": "Other", "task": other}[what]
    refused = await browser.open(f"{DO}/hold", "POST", **fields)
    assert refused.status == 403
    assert "Nothing was changed" in refused.text
    assert await events(server) == before


async def test_a_refusal_is_shown_and_keeps_what_was_written(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    name = workspace.name(await workspace.task())
    page = await browser.open(f"{DO}/message-holder", "POST", task=name, body="Keep this")
    assert page.status == 404
    assert "Nobody holds acme/rocket#1" in page.text
    assert "Keep this" in page.text
    assert "There is no action" in await text_of(browser, f"{DO}/format-disk", 400)


async def test_an_action_that_is_opened_as_a_fragment_shows_its_effect(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    name = quote(workspace.name(await workspace.task()))
    text = await text_of(browser, f"{DO}/resume?task={name}&fragment=content")
    assert "What happens when you confirm" in text


async def test_what_a_role_does_not_allow_is_refused(server: LoginServer) -> None:
    workspace = server.workspace
    name = workspace.name(await workspace.task())
    workspace.github.person("reader", permissions={"acme/rocket": "read"})
    browser = await signed_in(server, "reader")
    page = await browser.open(f"{DO}/hold", "POST", task=name)
    assert page.status == 403
    assert "needs the role" in page.text


async def test_the_operator_manages_agents_by_the_page(server: LoginServer) -> None:
    workspace, browser = server.workspace, await operator(server)
    agent = await workspace.agent("ada")
    name = workspace.name(await workspace.task())
    await agent.call("claim_task", task=name)
    page = await browser.open(f"{DO}/pause", "POST", agent_id="ada", note="Too fast")
    assert "the agent was paused" in page.text
    assert name in page.text, "it loses its task"
    done = await confirm(browser, f"{DO}/pause?agent_id=ada&back={HERE}/agents", agent_id="ada")
    assert done.location.startswith(f"{HERE}?done=pause")
    assert (await agent.refusal("claim_task", task=name)).code == "agent_paused"
    rows = await workspace.rows(
        "SELECT actor FROM audit WHERE installation_id = :i AND operation = 'manage_agent'"
    )
    assert rows == [{"actor": "operator"}]


async def test_the_way_back_leads_to_this_server(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    await workspace.agent("ada")
    for back, leads in (
        (f"{HERE}/agents?role=developer", f"{HERE}/agents?role=developer&done=pause"),
        ("https://evil.example.com/", f"{HERE}?done=pause"),
        ("//evil.example.com", f"{HERE}?done=pause"),
    ):
        page = await browser.open(f"{DO}/pause", "POST", agent_id="ada", back=back)
        done = await browser.open(f"{DO}/pause", "POST", **hidden(page.text))
        assert done.location == leads


@pytest.mark.parametrize("name", ACTIONS)
def test_each_action_has_arguments_of_its_operation(name: str) -> None:
    action = ACTIONS[name]
    operation = OPERATIONS[action.operation]
    assert not operation.reads_only
    # A field such as `policy.price` is a part of an argument.
    fields = {each.name.partition(".")[0] for each in action.fields}
    named = {*action.given, *action.about, *fields}
    assert named <= operation.arguments.model_fields.keys()


async def test_what_the_operator_writes_is_signed_as_the_operator(server: LoginServer) -> None:
    workspace, browser = server.workspace, await operator(server)
    agent = await workspace.agent("ada")
    name = workspace.name(await workspace.task())
    await agent.call("claim_task", task=name)
    await confirm(browser, f"{DO}/comment", issue=name, body="Hello there")
    await confirm(browser, f"{DO}/hold", task=name, note="Wait")
    await confirm(browser, f"{DO}/release", task=name, note="Enough")
    await workspace.settle()
    bodies = [each.body for each in workspace.repository.issues[1].comments]
    (said,) = [each for each in bodies if "Hello there" in each]
    assert "operator" in said
    assert "@operator" not in "".join(bodies), "that would name a stranger on GitHub"
