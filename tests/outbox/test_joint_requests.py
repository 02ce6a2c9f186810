"""Writes of the bot that go out in one request."""

from typing import Any

import pytest

from bot.github.outcomes import Outcome, classify
from bot.github.requests import Answer
from bot.outbox import joint_requests
from bot.outbox.joint_requests import Part
from bot.outbox.kinds.kind import Mutation
from bot.outbox.outcomes import Final, PutOff, Sent
from fixtures.github import Issue, Project, Request
from tests.outbox.test_outcomes import sending
from tests.support.story import Agent, Workspace

# --- What follows for one of the writes ----------------------------------------------------------

NOT_FOUND = {"type": "NOT_FOUND", "path": ["write1"], "message": "Could not resolve to a node"}
TROUBLE = {"path": ["write1"], "message": "Something went wrong while executing your query."}
OF_ANOTHER = {"type": "NOT_FOUND", "path": ["write0"], "message": "Could not resolve to a node"}
DONE = {"projectV2Item": {"fullDatabaseId": "7"}}
OTHER = {"reaction": {"databaseId": 5}}


def answer(status: int, data: Any) -> Outcome:
    return classify(Answer(status, {}, data))


def decision(outcome: Outcome) -> Final:
    def result(data: Any) -> dict[str, Any]:
        number = data and data["projectV2Item"]["fullDatabaseId"]
        return {"item_id": number and int(number)}

    mutation = Mutation("updateProjectV2ItemFieldValue", {}, "projectV2Item { id }", result)
    return joint_requests.decide(Part(sending("board_status"), mutation), "write1", outcome)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        # GitHub said no to this one: it goes out alone.
        (answer(200, {"data": {"write0": OTHER, "write1": None}, "errors": [NOT_FOUND]}), "queued"),
        # To all of them, before the first.
        (answer(200, {"errors": [{"message": "Field 'x' doesn't exist"}]}), "queued"),
        (answer(404, {"message": "Not Found"}), "queued"),
        (answer(429, {"message": "API rate limit exceeded"}), "queued"),
        (answer(200, {"data": {"write0": None, "write1": None}, "errors": [NOT_FOUND]}), "queued"),
        # It may have been done.
        (
            answer(200, {"data": {"write0": None, "write1": None}, "errors": [OF_ANOTHER]}),
            "unknown",
        ),
        (answer(200, {"data": {"write0": OTHER, "write1": None}, "errors": [TROUBLE]}), "unknown"),
        (answer(200, {"data": {"write0": OTHER, "write1": None}}), "unknown"),
        (
            answer(200, {"data": {"write0": OTHER, "write1": None}, "errors": [OF_ANOTHER]}),
            "unknown",
        ),
        (answer(200, "<html>"), "unknown"),
        (answer(502, "<html>"), "unknown"),
    ],
)
def test_what_github_did_not_clearly_do_is_sent_alone_or_looked_for(
    outcome: Outcome, state: str
) -> None:
    found = decision(outcome)
    assert isinstance(found, PutOff)
    assert found.state == state


def test_a_write_is_sent_although_github_refused_another_in_the_same_request() -> None:
    data = {"data": {"write0": None, "write1": DONE}, "errors": [OF_ANOTHER]}
    assert decision(answer(200, data)) == Sent({"item_id": 7})


# --- Which writes share a request ----------------------------------------------------------------


def since(workspace: Workspace, before: int) -> list[Request]:
    """The requests since then that change something."""
    return [
        each
        for each in workspace.github.requests[before:]
        if each.method != "GET" and "access_tokens" not in each.path
    ]


def names(request: Request) -> list[str]:
    """The mutations of a shared request, in their order."""
    lines = request.body["query"].splitlines()[1:-1]
    return [each.split(": ")[1].partition("(")[0] for each in lines]


async def with_board(workspace: Workspace) -> tuple[Agent, Project]:
    """A workspace whose settings name a board, and in which the bot has written a text."""
    board = workspace.person.create_project("acme", "Work", ["Todo", "In Progress", "Done"])
    settings = {".github/hubbub.yml": f"board:\n  project: {board.number}\n"}
    workspace.person.push(workspace.repository, "main", settings)
    agent, issue = await workspace.agent("scout"), await workspace.task("First")
    await agent.call("github_comment_issue", issue=workspace.name(issue), body="Hello")
    await workspace.settle()
    return agent, board


def status_of(board: Project, issue: Issue) -> str | None:
    (item,) = [each for each in board.items.values() if each.content is issue]
    return item.status


async def claimed(workspace: Workspace, agent: Agent, title: str = "Mend it") -> dict[str, Any]:
    issue = await workspace.task(title)
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    await workspace.settle()
    return {"task": workspace.name(issue), "fence": fence, "issue": issue}


async def test_the_end_of_a_task_is_one_request_for_its_card_and_its_status(
    workspace: Workspace,
) -> None:
    agent, board = await with_board(workspace)
    mine = await claimed(workspace, agent)
    issue, before = mine.pop("issue"), len(workspace.github.requests)
    workspace.person.close(issue)
    await workspace.settle()
    (request,) = since(workspace, before)
    assert sorted(names(request)) == ["updateIssueComment", "updateProjectV2ItemFieldValue"]
    assert status_of(board, issue) == "Done"
    assert "completed" in issue.comments[0].body


async def test_a_deleted_card_does_not_stop_the_status_that_shares_its_request(
    workspace: Workspace,
) -> None:
    agent, board = await with_board(workspace)
    mine = await claimed(workspace, agent)
    issue = mine.pop("issue")
    workspace.github.hold_deliveries()
    workspace.person.delete_comment(issue.comments[0])
    await agent.call("update_task_status", **mine, status="completed")
    await workspace.settle()
    rows = await workspace.rows(
        "SELECT kind, state FROM writes WHERE seq IN (SELECT MAX(seq) FROM writes "
        "WHERE installation_id = :i GROUP BY kind) AND kind IN ('card', 'board_status') "
        "AND installation_id = :i ORDER BY kind"
    )
    assert [(row["kind"], row["state"]) for row in rows] == [
        ("board_status", "sent"),
        ("card", "refused"),
    ]
    assert status_of(board, issue) == "Done"


async def test_an_edit_for_a_note_goes_along_when_it_is_nearly_due(workspace: Workspace) -> None:
    agent, _ = await with_board(workspace)
    other, mine = await workspace.task("Other"), await claimed(workspace, agent)
    issue = mine.pop("issue")
    await agent.call("update_task_status", **mine, status="in_progress", note="I found the cause")
    workspace.clock.forward(660)
    assert "I found the cause" not in issue.comments[0].body
    await agent.call("claim_task", task=workspace.name(other))
    workspace.clock.forward(10)
    before = len(workspace.github.requests)
    while not since(workspace, before):
        await workspace.sender.step(workspace.installation.id)
    (request,) = since(workspace, before)
    moves = ["addComment", "updateIssueComment", "updateProjectV2ItemFieldValue"]
    assert sorted(names(request)) == moves
    assert "I found the cause" in issue.comments[0].body


async def test_after_github_refused_a_shared_request_each_write_goes_out_alone(
    workspace: Workspace,
) -> None:
    agent, _ = await with_board(workspace)
    workspace.github.fault("POST", "/graphql$", "422", 1)
    before = len(workspace.github.requests)
    for title in ("One", "Two"):
        await claimed(workspace, agent, title)
    sent = since(workspace, before)
    assert [each.path for each in sent].count("/graphql") == 1
    # The item, the Status of the new task and of the claimed one, and the card.
    assert len(sent) == 1 + 2 * 4
