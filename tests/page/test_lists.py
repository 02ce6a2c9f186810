"""The pages of lists: the graph, deliveries, the outbox, budgets over time, the audit log."""

import html
import re
from itertools import pairwise
from typing import Any

import pytest

from bot.background import budget_sampling
from bot.operations.tasks.task_graph import Link, Node
from store.inbox import deliveries
from tests.support.gates import make_gate
from tests.support.login import LoginServer
from tests.support.page import HERE, confirm, links, signed_in, text_of
from webhooks.page import graph_layout, workflow_drawing
from webhooks.page.views import graph


async def test_the_graph_shows_parents_and_blockers_as_a_drawing_and_as_a_list(
    server: LoginServer,
) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    plan, part, other = [await workspace.task(each) for each in ("Plan", "<i>Part</i>", "Other")]
    workspace.person.add_sub_issue(plan, part)
    workspace.person.block(part, other)
    await workspace.settle()
    text = await text_of(browser, f"{HERE}/graph")
    assert text.count("<svg") == 1
    assert text.count('class="line parent"') == text.count('class="line blocked_by"') == 1
    assert "&lt;i&gt;Part&lt;/i&gt;" in text
    assert f'href="{HERE}/tasks/acme/rocket/{part.number}"' in text
    assert f"blocked by acme/rocket#{other.number}" in text
    around = await text_of(browser, f"{HERE}/graph?task=acme/rocket%23{plan.number}")
    assert f"Around acme/rocket#{plan.number}" in around
    empty = await text_of(browser, f"{HERE}/graph?fragment=drawing")
    assert empty.startswith("<section")


async def test_a_sub_issue_that_waits_for_its_parent_is_drawn(server: LoginServer) -> None:
    """The two wait for each other, as far as the graph is concerned."""
    workspace, browser = server.workspace, await signed_in(server)
    plan, part = await workspace.task("The plan"), await workspace.task("A part")
    workspace.person.add_sub_issue(plan, part)
    workspace.person.block(part, plan)
    await workspace.settle()
    text = await text_of(browser, f"{HERE}/graph")
    assert text.count("<path") >= 1
    assert "A part" in text


async def test_a_dead_delivery_is_looked_at_and_replayed(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    workspace.person.open_issue(workspace.repository, "<b>Bold</b>", "")
    await workspace.github.wait_for_deliveries()
    (row,) = await workspace.rows(
        "SELECT guid FROM deliveries WHERE installation_id = :i AND state = 'received'"
    )
    i, guid = workspace.installation.id, row["guid"]
    for _ in range(len(deliveries.BACKOFF_S) + 1):
        await workspace.store.write(lambda tx: deliveries.mark_failed(tx, i, guid, "a bug"))
    listed = await text_of(browser, f"{HERE}/deliveries?state=dead")
    assert "a bug" in listed
    assert links(listed, "Replay all dead deliveries") == [
        f"{HERE}/do/replay-all?back=%2Faccounts%2Facme%2Fdeliveries%3Fstate%3Ddead"
    ]
    shown = await text_of(browser, f"{HERE}/deliveries/{guid}")
    assert "X-GitHub-Delivery" in shown
    assert html.escape('"title": "<b>Bold</b>"', quote=True).replace("&quot;", "&#34;") in shown
    (replay,) = links(shown, "Replay")
    assert (await confirm(browser, replay)).status == 303
    await workspace.settle()
    assert "processed" in await text_of(browser, f"{HERE}/deliveries/{guid}")
    assert "There is no delivery" in await text_of(browser, f"{HERE}/deliveries/none", 404)


async def test_waiting_writes_are_cancelled_one_by_one_or_all_of_an_agent(
    server: LoginServer,
) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    issue = workspace.name(await workspace.task())
    ada = await workspace.agent("ada")
    for n in range(3):
        await ada.write("github_comment_issue", issue=issue, body=f"Comment {n}")
    listed = await text_of(browser, f"{HERE}/outbox?author=ada")
    assert "Comment 2" in listed
    assert "after 2 others" in listed
    every = await text_of(browser, f"{HERE}/outbox")
    assert re.search(r'href="[^"]*state=queued"><b>3</b> queued', every)
    assert re.search(r'href="[^"]*state=dead"><b>0</b> dead', every)
    first, *_ = links(listed, "Cancel")
    await confirm(browser, first)
    left = await text_of(browser, f"{HERE}/outbox?author=ada")
    assert "Comment 2" not in left
    (cancel_all,) = links(left, "Cancel all of ada that wait")
    await confirm(browser, cancel_all)
    assert "No write of ada waits" in await text_of(browser, f"{HERE}/outbox?author=ada")
    await workspace.settle()
    assert all("Comment" not in each.body for each in workspace.repository.issues[1].comments)


async def test_budgets_and_spend_are_shown_over_time_in_tables(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    issue = workspace.name(await workspace.task())
    ada = await workspace.agent("ada")
    await ada.call("claim_task", task=issue)
    await ada.call("report_usage", model="m-1", cost="0.5", task=issue)
    await workspace.settle()
    await budget_sampling.step(workspace.store)
    text = await text_of(browser, f"{HERE}/budget?range=week")
    assert 'id="left-content"' in text
    assert 'id="spend-USD"' in text
    assert '<td class="number">0.50</td>' in text
    assert "must be" in await text_of(browser, f"{HERE}/budget?range=year", 422)


async def test_the_audit_log_is_for_leads_and_has_filters(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    ada = await workspace.agent("ada")
    await ada.call("claim_task", task=workspace.name(await workspace.task()))
    text = await text_of(browser, f"{HERE}/audit?actor=ada&action=claim_task")
    assert "claim_task" in text
    assert f'href="{HERE}/audit?actor=ada"' in text
    assert "register_agent" not in text
    assert "No row matches" in await text_of(browser, f"{HERE}/audit?until=2001-01-01")
    workspace.github.person("mona", permissions={"acme/rocket": "write"})
    reader = await signed_in(server, "mona")
    assert "This did not work" in await text_of(reader, f"{HERE}/audit", 403)


def test_each_node_stands_right_of_all_that_it_waits_for() -> None:
    edges = [(1, 2), (2, 3), (1, 3), (4, 3)]
    drawing = graph_layout.draw([1, 2, 3, 4], edges)
    for awaited, waiting in edges:
        assert drawing.places[awaited][0] < drawing.places[waiting][0]
    assert len({*drawing.places.values()}) == 4


def test_a_circle_of_issues_is_drawn_and_listed() -> None:
    nodes = {n: Node(key=n, issue=f"a/b#{n}", state="pending", is_task=True) for n in range(4)}
    links_ = [Link(kind="parent", source=n, target=(n + 1) % 3) for n in range(3)]
    links_.append(Link(kind="blocked_by", source=3, target=3))
    edges = [(each.source, each.target) for each in links_]
    assert len(graph_layout.without_circles([0, 1, 2, 3], edges)) == 2
    assert [len(each) for each in graph_layout.parts(nodes, edges)] == [3, 1]
    items = graph._items([0, 1, 2], links_, nodes)
    assert [each.node.key for each in items] == [0]


@pytest.mark.parametrize("n", [150])
def test_a_long_chain_and_a_wide_plan_are_drawn(n: int) -> None:
    chain = [(each, each + 1) for each in range(n - 1)]
    assert graph_layout.draw(range(n), chain).height < 100
    wide = [(each, 0) for each in range(1, n)]
    drawing = graph_layout.draw(range(n), wide)
    places = sorted(drawing.places.values())
    first = [y for x, y in places if x == graph_layout.MARGIN]
    assert len(first) == n - 1
    assert all(b - a >= graph_layout.HEIGHT for a, b in pairwise(first))


def test_a_step_in_the_picture_shows_the_beginning_of_its_state() -> None:
    long = "waits for an approval, ada"
    node = workflow_drawing.Node(0, "sign-the-release-notes", "Sign", long, "waiting")
    assert (node.short_name, node.short_word) == ("sign-the-release-…", "waits for a…")
    node = workflow_drawing.Node(0, "ship", "Ship", "in progress, ada", "in_progress")
    assert node.short_word == "in progress, ada"


async def test_gates_and_plans_are_decided_on_the_page(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    gate = await make_gate(workspace, "maintainers")
    asked = await workspace.task("Build it all")
    ada = await workspace.agent("ada")
    mine: dict[str, Any] = {"task": workspace.name(asked)}
    mine["fence"] = (await ada.call("claim_task", **mine))["fence"]
    steps = [
        {"id": "api", "title": "The <b>API</b>", "body": "Write it."},
        {"id": "ui", "title": "The page", "body": "Draw it.", "needs": ["api"]},
    ]
    await ada.call("propose_plan", **mine, steps=steps, strategy="by_component")
    await workspace.settle()
    overview = await text_of(browser, HERE)
    assert len(links(overview, "Approve")) == len(links(overview, "Reject")) == 2
    shown = await text_of(browser, f"{HERE}/tasks/acme/rocket/{gate.number}")
    assert len(links(shown, "Approve")) == len(links(shown, "Reject")) == 1
    for label in ("End the hold", "Mark as completed", "Cancel the task", "Reserve for an agent"):
        assert links(shown, label) == []
    plan = await text_of(browser, f"{HERE}/tasks/acme/rocket/{asked.number}")
    assert "The &lt;b&gt;API&lt;/b&gt;" in plan
    assert "by by_component" not in plan
    waiting = await ada.call("get_plan", task=mine["task"])
    assert [each["step"] for each in waiting["proposed"]] == ["api", "ui"]
    (approve,) = links(plan, "Approve")
    await confirm(browser, approve.partition("?")[0], task=mine["task"], note="Good")
    await workspace.settle()
    after = await ada.call("get_plan", task=mine["task"])
    assert (len(after["steps"]), "proposed" in after) == (2, False)
