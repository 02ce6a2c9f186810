"""What each page shows, and to whom."""

import html
import itertools
import re

import pytest

from fixtures.github import Issue
from tests.support.engines import ON_SQLITE
from tests.support.login import Browser, LoginServer
from tests.support.mounts import put_in
from tests.support.page import HERE, links, signed_in, text_of
from tests.support.story import Agent, Workspace
from tests.support.workflows import FEATURE, define
from webhooks.page.routes import PAGES
from webhooks.page.views.contexts import changed_lines

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


async def busy(workspace: Workspace) -> tuple[Agent, Issue]:
    """A task that is claimed, with a question, a message, a context, a write and usage."""
    agent = await workspace.agent("ada", "developer", "python")
    issue = await workspace.task(f"Mend {EVIL}", f"Body {EVIL}")
    name = workspace.name(issue)
    fence = (await agent.call("claim_task", task=name))["task"]["fence"]
    file = (await agent.call("attach_file", name=f"a {EVIL}", text=EVIL))["file"]["id"]
    await agent.call(
        "update_task_status",
        task=name,
        fence=fence,
        status="in_progress",
        progress=40,
        note=f"Half {EVIL}",
        attachments=[file],
    )
    await agent.call("send_message", to="ada", body=f"Note {EVIL}", task=name)
    made = await agent.call("create_context", name=f"plan {EVIL}", content="one\ntwo", task=name)
    await agent.call(
        "update_context",
        context_id=made["context"]["id"],
        content=f"one\n{EVIL}",
        expected_version=1,
        note=EVIL,
    )
    await agent.call("github_comment_issue", issue=name, body="A comment")
    await agent.call(
        "report_usage", task=name, model="m", input_tokens=1000, output_tokens=200, cost="0.25"
    )
    return agent, issue


async def start_workflow(workspace: Workspace, agent: Agent) -> None:
    await define(workspace, FEATURE.replace("Build a feature", f'"{EVIL}"'))
    given = {"name": "feature", "repository": "acme/rocket", "inputs": {"feature": EVIL}}
    await agent.call("start_workflow", **given)


async def all_pages(browser: Browser) -> dict[str, str]:
    """Every page that the links of the first one lead to, by its address without the query."""
    found: dict[str, str] = {}
    waiting = [HERE]
    while waiting:
        address = waiting.pop()
        place = address.partition("?")[0]
        if place in found or place.startswith(f"{HERE}/do/"):
            continue
        found[place] = await text_of(browser, address)
        waiting += [
            html.unescape(each) for each in re.findall(r'href="(/accounts/[^"]+)"', found[place])
        ]
    return found


# The first two are for links from elsewhere; the others need what has tests of its own.
NOT_LINKED = {
    "tasks/{task}",
    "deliveries/{guid}",
    "plugins/{plugin}",
    "registry/{plugin}",
    "trackers/{tracker}",
}


async def test_plain_links_lead_to_every_page_and_no_text_is_markup(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    agent, _ = await busy(workspace)
    await start_workflow(workspace, agent)
    await put_in(workspace, "tickets", "<img src=x>")
    pages = await all_pages(browser)
    patterns = [
        re.compile(f"{HERE}/{re.sub(r'{[a-z]+}', '[^/]+', each.path)}".rstrip("/"))
        for each in PAGES
        if each.path not in NOT_LINKED
    ]
    unseen = [e.pattern for e in patterns if not any(map(e.fullmatch, pages))]
    assert unseen == []
    for address, text in pages.items():
        assert "<script>alert" not in text, address
        assert "<img" not in text, address
        assert not re.search(r"<[^>]*\son\w+=", text), address
        assert text.count("<h1") == text.count("<main") == 1, address
        levels = [int(each) for each in re.findall(r"<h([1-6])", text)]
        assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), address
        ids = re.findall(r'\sid="([^"]+)"', text)
        assert len(ids) == len(set(ids)), address
        assert re.search(r"<label[^>]*>", text) or "<input" not in text.replace(
            '<input type="hidden"', ""
        )


@ON_SQLITE
async def test_every_fragment_is_the_same_alone_as_in_its_page(server: LoginServer) -> None:
    """Its queries are those of the page, which the test before runs on both engines."""
    workspace, browser = server.workspace, await signed_in(server)
    agent, _ = await busy(workspace)
    await start_workflow(workspace, agent)
    seen = 0
    for address, text in (await all_pages(browser)).items():
        for name, where in re.findall(r'<section id="(\w+)"[^>]*data-hx-get="([^"]+)"', text):
            fragment = await text_of(browser, html.unescape(where))
            assert fragment.lstrip().startswith(f'<section id="{name}"'), address
            assert "<html" not in fragment
            seen += 1
    assert seen > 15


async def test_a_task_has_its_whole_story_on_one_page(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    agent, issue = await busy(workspace)
    name = workspace.name(issue)
    page = await text_of(browser, f"{HERE}/tasks/acme/rocket/{issue.number}")
    for shown in (
        ">ada</a> claimed the task <",
        "What happens next:</b> <code>ada</code> works on it",
        "fence 1",
        "40 %",
        "Half &lt;script&gt;",
        "Note &lt;script&gt;",
        "plan &lt;script&gt;",
        "0.25 USD",
        "There is no pull request yet.",
        "ada holds",
        f'href="{workspace.github.url}/acme/rocket/issues/{issue.number}"',
    ):
        assert shown in page, shown
    await workspace.settle()
    page = await text_of(browser, f"{HERE}/tasks/acme/rocket/{issue.number}")
    assert '<span class="state sent">sent</span>' in page
    (task,) = await workspace.rows("SELECT id, fence FROM tasks WHERE installation_id = :i")
    assert name in await text_of(browser, f"{HERE}/tasks/{task['id']}")
    await agent.call("release_task", task=name, fence=task["fence"], note="Not mine")
    page = await text_of(browser, f"{HERE}/tasks/acme/rocket/{issue.number}")
    assert '<span class="state released">released</span>' in page
    (first,) = links(page, "Put on hold")
    form = await text_of(browser, first)
    assert "Put on hold" in form
    assert links(form, "Do nothing") == [f"{HERE}/tasks/acme/rocket/{issue.number}"]


async def test_a_message_shows_its_files_and_a_file_shows_what_it_is_on(
    server: LoginServer,
) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    ada, _, issue = await workspace.agent("ada"), await workspace.agent("bob"), workspace.task
    task = await issue("Mend the pump")
    name = "plan & hull.txt"
    file_id = (await ada.call("attach_file", name=name, text="Mend it."))["file"]["id"]
    given = {"to": "bob", "body": "The plan.", "task": workspace.name(task)}
    await ada.call("send_message", **given, attachments=[file_id])
    await ada.call("create_context", name="Plan & hull", content="x", attachments=[file_id])
    fence = (await ada.call("claim_task", task=workspace.name(task)))["task"]["fence"]
    report = {"task": workspace.name(task), "fence": fence, "status": "in_progress"}
    await ada.call("update_task_status", **report, attachments=[file_id])
    where = f"{HERE}/tasks/acme/rocket/{task.number}"
    assert f'<a href="{HERE}/files/{file_id}">plan &amp; hull.txt</a>' in await text_of(
        browser, where
    )
    page = await text_of(browser, f"{HERE}/files/{file_id}")
    name = f'<a href="{where}">{workspace.name(task)}</a>'
    assert f"the task {name}</li>" in page
    assert f'a message from <a href="{HERE}/agents/ada">ada</a> about {name}</li>' in page
    assert "Plan &amp; hull" not in page  # nobody shared the context with this person


async def test_the_timeline_has_pages(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    agent, issue = await busy(workspace)
    name = workspace.name(issue)
    for progress in range(60):
        await agent.call(
            "update_task_status", task=name, fence=1, status="in_progress", progress=progress
        )
    page = await text_of(browser, f"{HERE}/tasks/acme/rocket/{issue.number}")
    assert "made the issue a task" not in page
    (more,) = links(page, "More events")
    later = await text_of(browser, more)
    assert "made the issue a task" in later
    assert "Nobody has claimed it" not in later, "a later page does not know"


async def test_questions_stand_on_top_and_lead_to_the_answer(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    agent, issue = await busy(workspace)
    assert "Nothing needs a person" in await text_of(browser, HERE)
    await agent.call(
        "update_task_status",
        task=workspace.name(issue),
        fence=1,
        status="in_review",
        question=f"Which {EVIL}?",
    )
    await workspace.settle()
    page = await text_of(browser, HERE)
    assert "1 thing needs a person" in page
    assert page.index("Needs a person") < page.index("In review")
    (answer,) = links(page, "Answer")
    assert "Comment or answer" in await text_of(browser, answer)


async def test_an_agents_page_says_what_it_holds_and_since_when(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    agent, issue = await busy(workspace)
    workspace.clock.forward(300)
    fleet = await text_of(browser, f"{HERE}/agents")
    assert f'>{workspace.name(issue)}</a> since <time datetime="' in fleet
    assert "6 min ago" in fleet, "rounded up"
    assert "0.25 USD, 1,200 tokens" in fleet
    await agent.call("release_task", task=workspace.name(issue), fence=1)
    page = await text_of(browser, f"{HERE}/agents/ada")
    assert "It holds no task" in page
    assert '<span class="state released">released</span>' in page
    assert "No agent matches" in await text_of(browser, f"{HERE}/agents?status=paused")
    assert "This did not work" in await text_of(browser, f"{HERE}/agents/nobody", 404)


async def test_a_context_shows_what_changed_between_versions(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    await busy(workspace)
    listed = await text_of(browser, f"{HERE}/contexts")
    (address,) = re.findall(rf'href="({HERE}/contexts/c_\w+)"', listed)
    page = await text_of(browser, address)
    assert "<del>-two</del><ins>+&lt;script&gt;" in page
    first = await text_of(browser, f"{address}?version=1&compare=2")
    assert "<ins>+two</ins>" in first
    assert "Make this version the newest" in first
    assert "This did not work" in await text_of(browser, f"{address}?version=9", 404)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("a\nb\n", "a\nc\n", ["del", "ins"]),
        ("", "a", ["ins"]),
        ("same", "same", []),
        ("---\n+++\n", "+++\n---\n", ["ins", "del"]),  # lines that look like those of a diff
    ],
)
def test_lines_that_changed(old: str, new: str, changed: list[str]) -> None:
    found = [tag for tag, line in changed_lines(old, new) if tag != "span"]
    assert sorted(found) == sorted(changed)


async def test_open_is_one_choice_and_a_write_that_is_due_may_be_sent_now(
    server: LoginServer,
) -> None:
    await server.workspace.task()
    browser = await signed_in(server)
    assert (await text_of(browser, f"{HERE}/tasks")).count(">open</option>") == 1
    assert re.search(r"may be sent <time [^>]*>now</time>\.", await text_of(browser, HERE))


async def test_the_board_and_the_counts(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    await busy(workspace)
    await workspace.task("Another")
    page = await text_of(browser, f"{HERE}/board")
    assert re.search(r"Ready \(1\)</h3>\s*<ul[^>]*>\s*<li[^>]*><p><a [^>]*>acme/rocket#2", page)
    assert "In progress (1)" in page
    listed = await text_of(browser, f"{HERE}/tasks?state=any")
    assert "<b>1</b> in progress" in listed
    assert "<b>1</b> waiting" in listed
    assert "acme/rocket#1" in listed


# Two people of different reach.


async def test_nobody_sees_a_repository_out_of_reach(server: LoginServer) -> None:
    workspace = server.workspace
    await busy(workspace)
    workspace.github.repository("acme/open", private=True)
    workspace.github.person("hubot", permissions={"acme/open": "write"})
    workspace.github.add_repositories(workspace.installation, ["acme/open"])
    await workspace.settle()
    browser = await signed_in(server, "hubot")
    pages = await all_pages(browser)
    assert f"{HERE}/agents/ada" in pages, "agents belong to the whole account"
    for address, text in pages.items():
        assert "rocket" not in text, address
        assert "Mend" not in text, address
        assert "plan " not in text, address
        assert "Half" not in text, address
    (task,) = await workspace.rows("SELECT id FROM tasks WHERE installation_id = :i")
    (context,) = await workspace.rows("SELECT id FROM contexts WHERE installation_id = :i")
    for path in (
        "tasks/acme/rocket/1",
        f"tasks/{task['id']}",
        f"contexts/{context['id']}",
        "tasks?repository=acme/rocket",
        "do/unassign?task=acme/rocket%231",
    ):
        refused = await text_of(browser, f"{HERE}/{path}", 404)
        assert "Mend" not in refused
    counts = await text_of(browser, f"{HERE}/tasks")
    assert "<b>0</b> in progress" in counts


async def test_a_reader_sees_tasks_but_not_what_agents_wrote_to_each_other(
    server: LoginServer,
) -> None:
    workspace = server.workspace
    await busy(workspace)
    workspace.github.person("reader", permissions={"acme/rocket": "read"})
    browser = await signed_in(server, "reader")
    page = await text_of(browser, f"{HERE}/tasks/acme/rocket/1")
    assert ">ada</a> claimed the task <" in page
    assert "Messages are shown to those with write access" in page
    assert "Note &lt;" not in page
    assert "plan &lt;" not in page
    assert "Put on hold" not in page


async def test_the_messages_of_a_task_show_what_came_of_a_vote(server: LoginServer) -> None:
    workspace = server.workspace
    await workspace.task()
    await workspace.settle()
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    asked = await ada.call(
        "consult_agents",
        question="Which valve?",
        task="acme/rocket#1",
        agents=["bob"],
        options=["left", "right"],
    )
    browser = await signed_in(server)
    page = await text_of(browser, f"{HERE}/tasks/acme/rocket/1")
    assert "Vote of 1 agent, open: left 0, right 0; 1 must agree." in page
    given = {"to": "ada", "reply_to": asked["consultation"]}
    await bob.call("send_message", body="left: it leaks", **given)
    page = await text_of(browser, f"{HERE}/tasks/acme/rocket/1")
    assert f"The vote {asked['consultation']} of ada is decided for left: left 1, right 0." in page
    assert "left: it leaks" in page
