"""GraphQL on the simulated GitHub: what has no REST, and how it is refused."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.github import Pull
from tests.support.github_client import Acme, open_acme

READY = "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) %s }"
DRAFT = "mutation($id: ID!) { convertPullRequestToDraft(input: {pullRequestId: $id}) %s }"
SHOWN = "{ pullRequest { isDraft } }"
RESOLVE = """
mutation($id: ID!) { resolveReviewThread(input: {threadId: $id}) { thread { ...Shown } } }
fragment Shown on PullRequestReviewThread { id isResolved }"""
UNRESOLVE = """
mutation($id: ID!) { unresolveReviewThread(input: {threadId: $id}) { thread { isResolved } } }"""
THREADS = """
query($number: Int!, $first: Int = 1, $after: String) {
  repository(owner: "acme", name: "web") {
    pullRequest(number: $number) {
      reviewThreads(first: $first, after: $after) {
        nodes { id isResolved path comments(first: 10) { nodes { body author { login } } } }
        pageInfo { endCursor hasNextPage }
      }
    }
  }
}"""
NODES = """
query($ids: [ID!]!) {
  nodes(ids: $ids) {
    __typename
    ... on Issue { title }
    ... on PullRequest { draft: isDraft }
    ... on IssueComment { body isMinimized minimizedReason }
  }
}"""
MINIMIZE = """
mutation($id: ID!) {
  minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) {
    minimizedComment { isMinimized minimizedReason }
  }
}"""

TOGETHER = """
mutation($issue: ID!, $comment: ID!, $project: ID!, $field: ID!, $item: ID!, $option: String!) {
  said: addComment(input: {subjectId: $issue, body: "Said"}) {
    commentEdge { node { fullDatabaseId url body } }
  }
  edited: updateIssueComment(input: {id: $comment, body: "Edited"}) { issueComment { body } }
  lost: updateIssueComment(input: {id: "IC_1", body: "Lost"}) { issueComment { body } }
  liked: addReaction(input: {subjectId: $comment, content: EYES}) { reaction { databaseId } }
  added: addProjectV2ItemById(input: {projectId: $project, contentId: $issue}) {
    item { fullDatabaseId }
  }
  moved: updateProjectV2ItemFieldValue(input: {
    projectId: $project, itemId: $item, fieldId: $field, value: {singleSelectOptionId: $option}
  }) { projectV2Item { fullDatabaseId } }
}"""


@pytest.fixture
async def acme(openapi: Path | None) -> AsyncIterator[Acme]:
    async with open_acme(openapi) as found:
        found.ada.push(found.web, "fix", {"a.py": "1\n"})
        found.ada.open_pull(found.web, title="Fix", head="fix")
        found.github.hold_deliveries()
        yield found
        assert found.github.violations == []


def pull(acme: Acme) -> Pull:
    return acme.web.pulls[1]


async def ask(acme: Acme, query: str, **variables: object) -> Any:
    body = {"query": query, "variables": variables}
    answer = await acme.call("POST", "/graphql", body)
    assert (answer.status, answer.headers["X-RateLimit-Resource"]) == (200, "graphql")
    return answer.data


async def node_id(acme: Acme, path: str) -> str:
    shown: str = (await acme.call("GET", f"/repos/acme/web/{path}")).data["node_id"]
    return shown


async def test_a_pull_request_is_drafted_and_made_ready_by_the_id_that_rest_shows(
    acme: Acme,
) -> None:
    pull_id = await node_id(acme, "pulls/1")
    for document, draft in ((DRAFT, True), (READY, False)):
        found = await ask(acme, document % SHOWN, id=pull_id)
        (payload,) = found["data"].values()
        assert payload == {"pullRequest": {"isDraft": draft}}
        assert pull(acme).draft is draft
    assert [each.action for each in acme.github.held_deliveries] == [
        "converted_to_draft",
        "ready_for_review",
    ]


async def test_a_thread_is_resolved_once_by_the_id_that_its_webhook_shows(acme: Acme) -> None:
    first = acme.ada.review_comment(pull(acme), "a.py", 1, "Why?")
    acme.ada.resolve(first)
    thread_id = acme.github.held_deliveries[-1].payload["thread"]["node_id"]
    undone = await ask(acme, UNRESOLVE, id=thread_id)
    assert undone["data"]["unresolveReviewThread"]["thread"] == {"isResolved": False}
    told = len(acme.github.held_deliveries)
    for _ in range(2):
        done = await ask(acme, RESOLVE, id=thread_id)
        thread = done["data"]["resolveReviewThread"]["thread"]
        assert thread == {"id": thread_id, "isResolved": True}
    assert [each.action for each in acme.github.held_deliveries[told:]] == ["resolved"]


async def test_threads_come_in_pages(acme: Acme) -> None:
    first = acme.ada.review_comment(pull(acme), "a.py", 1, "Why?")
    acme.ada.reply(first, "Because")
    acme.ada.resolve(acme.ada.review_comment(pull(acme), "a.py", 1, "How?"))
    shown: list[Any] = []
    page: dict[str, Any] = {"endCursor": None, "hasNextPage": True}
    while page["hasNextPage"]:
        found = await ask(acme, THREADS, number=1, after=page["endCursor"])
        threads = found["data"]["repository"]["pullRequest"]["reviewThreads"]
        shown, page = shown + threads["nodes"], threads["pageInfo"]
    said = [[each["body"] for each in thread["comments"]["nodes"]] for thread in shown]
    assert said == [["Why?", "Because"], ["How?"]]
    assert [each["isResolved"] for each in shown] == [False, True]


async def test_nodes_are_found_by_the_ids_that_rest_shows(acme: Acme) -> None:
    issue = acme.ada.open_issue(acme.web, "Talk")
    comment = acme.ada.comment(issue, "Hello")
    ids = [
        await node_id(acme, path)
        for path in ("issues/2", "pulls/1", f"issues/comments/{comment.id}")
    ]
    done = await ask(acme, MINIMIZE, id=ids[2])
    minimized = {"isMinimized": True, "minimizedReason": "outdated"}
    assert done["data"]["minimizeComment"]["minimizedComment"] == minimized
    found = await ask(acme, NODES, ids=[*ids, "I_99999999"])
    assert found["data"]["nodes"] == [
        {"__typename": "Issue", "title": "Talk"},
        {"__typename": "PullRequest", "draft": False},
        {"__typename": "IssueComment", "body": "Hello"} | minimized,
        None,
    ]
    (error,) = found["errors"]
    assert (error["type"], error["path"]) == ("NOT_FOUND", ["nodes", 3])


async def test_what_is_refused_within_is_null_where_it_was_asked_for(acme: Acme) -> None:
    found = await ask(acme, THREADS, number=9)
    assert found["data"] == {"repository": {"pullRequest": None}}
    (error,) = found["errors"]
    assert error == {
        "type": "NOT_FOUND",
        "path": ["repository", "pullRequest"],
        "message": "Could not resolve to a PullRequest with the number of 9.",
    }


async def test_mutations_of_one_document_take_effect_although_one_is_refused(acme: Acme) -> None:
    issue = acme.ada.open_issue(acme.web, "It smokes")
    comment = acme.ada.comment(issue, "Before")
    board = acme.ada.create_project("acme", "Work", ["Todo", "Done"])
    item = acme.ada.add_to_project(board, issue)
    found = await ask(
        acme,
        TOGETHER,
        issue=f"I_{issue.id}",
        comment=f"IC_{comment.id}",
        project=board.node_id,
        field=board.status_field.node_id,
        item=f"PVTI_{item.id}",
        option=board.option("Done").id,
    )
    assert [each.body for each in issue.comments] == ["Edited", "Said"]
    assert ([each.content for each in comment.reactions], item.status) == (["eyes"], "Done")
    data = found["data"]
    assert [name for name, each in data.items() if each is None] == ["lost"]
    assert data["added"]["item"] == data["moved"]["projectV2Item"]
    (error,) = found["errors"]
    assert (error["type"], error["path"]) == ("NOT_FOUND", ["lost"])
    window = acme.github.limits.windows[acme.installation.id]
    assert len(window.content) == 6, "GitHub may count each of them"


SAY = """
mutation($id: ID!, $body: String = "Said") {
  addComment(input: {subjectId: $id, body: $body}) { commentEdge { node { id } } }
}"""
LIKE = """
mutation($id: ID!) { addReaction(input: {subjectId: $id, content: EYES}) { reaction { id } } }"""
PLACE = """
mutation($id: ID!, $issue: ID!) {
  addProjectV2ItemById(input: {projectId: $id, contentId: $issue}) { item { id } }
}"""
MOVE = """
mutation($id: ID!, $item: ID!) {
  updateProjectV2ItemFieldValue(input: {
    projectId: $id, itemId: $item, fieldId: "F", value: {singleSelectOptionId: "x"}
  }) { projectV2Item { id } }
}"""
COMMIT = """
mutation($id: String!, $branch: String!, $head: GitObjectID!, $headline: String!) {
  createCommitOnBranch(input: {
    branch: {repositoryNameWithOwner: $id, branchName: $branch}
    expectedHeadOid: $head, message: {headline: $headline}
  }) { commit { oid } }
}"""
FIX: dict[str, str] = {"branch": "fix", "headline": "Mend it"}


@pytest.mark.parametrize(
    ("document", "names", "kind", "message"),
    [
        (DRAFT % SHOWN, {"id": "PR_99"}, "NOT_FOUND", None),
        (RESOLVE, {"id": "PRRT_99"}, "NOT_FOUND", None),
        # The id of something else.
        (RESOLVE, {"id": "pull"}, "NOT_FOUND", None),
        (SAY, {"id": "pull"}, "NOT_FOUND", None),
        (SAY, {"id": "I_99"}, "NOT_FOUND", None),
        (SAY, {"id": "secret"}, "NOT_FOUND", None),
        (SAY, {"id": "issue", "body": " "}, "UNPROCESSABLE", "Body cannot be blank"),
        (LIKE, {"id": "PRR_99"}, "NOT_FOUND", None),
        (MINIMIZE, {"id": "IC_99"}, "NOT_FOUND", None),
        (PLACE, {"id": "PVT_99", "issue": "issue"}, "NOT_FOUND", None),
        (PLACE, {"id": "board", "issue": "I_99"}, "NOT_FOUND", None),
        (PLACE, {"id": "board", "issue": "secret"}, "NOT_FOUND", None),
        (MOVE, {"id": "board", "item": "PVTI_99"}, "NOT_FOUND", None),
        (
            MOVE,
            {"id": "board", "item": "item"},
            "NOT_FOUND",
            "The single select option Id does not belong to the field",
        ),
        (COMMIT, {**FIX, "id": "acme/none", "head": "head"}, "NOT_FOUND", None),
        (
            COMMIT,
            {**FIX, "id": "acme/web", "head": "head", "branch": "none"},
            "NOT_FOUND",
            "No branch found for `none`",
        ),
        (
            COMMIT,
            {**FIX, "id": "acme/web", "head": "head", "headline": " "},
            "UNPROCESSABLE",
            "A commit message must have a headline.",
        ),
    ],
)
async def test_each_refusal_has_its_kind(
    acme: Acme, document: str, names: dict[str, str], kind: str, message: str | None
) -> None:
    secret = acme.github.repository("acme/secret", private=True)
    acme.github.set_permission("acme/secret", "ada", "admin")
    issue = acme.ada.open_issue(acme.web, "It smokes")
    board = acme.ada.create_project("acme", "Work", ["Todo", "Done"])
    ids = {
        "issue": f"I_{issue.id}",
        "secret": f"I_{acme.ada.open_issue(secret, 'Nobody knows').id}",
        "pull": f"I_{pull(acme).issue.id}",
        "board": board.node_id,
        "item": f"PVTI_{acme.ada.add_to_project(board, issue).id}",
        "head": acme.web.branches["fix"],
    }
    given = {name: ids.get(each, each) for name, each in names.items()}
    before = len(acme.github.held_deliveries)
    found = await ask(acme, document, **given)
    (error,) = found["errors"]
    assert error["type"] == kind
    assert message in (None, error["message"])
    assert list(found["data"].values()) == [None]
    assert len(acme.github.held_deliveries) == before


async def test_a_list_without_a_size_is_refused(acme: Acme) -> None:
    found = await ask(acme, THREADS, number=1, first=0)
    (error,) = found["errors"]
    assert error["type"] == "MISSING_PAGINATION_BOUNDARIES"


async def test_nothing_is_written_into_an_archived_repository(acme: Acme) -> None:
    issue = acme.ada.open_issue(acme.web, "It smokes")
    acme.web.archived = True
    found = await ask(acme, SAY, id=f"I_{issue.id}")
    (error,) = found["errors"]
    assert error["message"] == "Repository was archived so is read-only."
    assert issue.comments == []


async def test_boards_need_their_own_permission(acme: Acme) -> None:
    board = acme.ada.create_project("acme", "Work", ["Todo"])
    issue = acme.ada.open_issue(acme.web, "It smokes")
    granted = {**acme.installation.permissions, "organization_projects": "read"}
    acme.github.accept_permissions(acme.installation, granted)
    found = await ask(acme, PLACE, id=board.node_id, issue=f"I_{issue.id}")
    (error,) = found["errors"]
    assert error["type"] == "FORBIDDEN"
    assert board.items == {}


async def test_a_draft_that_is_one_already_is_no_news(acme: Acme) -> None:
    pull_id = await node_id(acme, "pulls/1")
    for document in (READY, DRAFT, DRAFT):
        await ask(acme, document % SHOWN, id=pull_id)
    assert [each.action for each in acme.github.held_deliveries] == ["converted_to_draft"]


async def test_what_the_app_may_not_do_is_forbidden(acme: Acme) -> None:
    granted = {**acme.installation.permissions, "pull_requests": "read"}
    acme.github.accept_permissions(acme.installation, granted)
    found = await ask(acme, DRAFT % SHOWN, id=await node_id(acme, "pulls/1"))
    assert found["data"] == {"convertPullRequestToDraft": None}
    (error,) = found["errors"]
    assert (error["type"], error["message"]) == (
        "FORBIDDEN",
        "Resource not accessible by integration",
    )
    assert pull(acme).draft is False


@pytest.mark.parametrize(
    ("kind", "status"), [("graphql_spent", 200), ("502", 502), ("403", 403), ("500", 500)]
)
async def test_a_fault_strikes_a_document_too(acme: Acme, kind: str, status: int) -> None:
    acme.github.fault("POST", "/graphql", kind)
    body = {"query": DRAFT % SHOWN, "variables": {"id": await node_id(acme, "pulls/1")}}
    answer = await acme.call("POST", "/graphql", body)
    assert (answer.status, pull(acme).draft) == (status, False)
    assert "X-Accepted-GitHub-Permissions" not in answer.headers
    if kind == "graphql_spent":
        assert answer.data["errors"][0]["type"] == "RATE_LIMITED"
        assert answer.headers["X-RateLimit-Remaining"] == "0"


@pytest.mark.usefixtures("data")
async def test_a_document_that_githubs_schema_does_not_take_is_noted(acme: Acme) -> None:
    found = await acme.call("POST", "/graphql", {"query": "{ rateLimit { cost(of: 1) } }"})
    assert found.status == 200
    assert acme.github.violations == ["Unknown argument 'of' on field 'RateLimit.cost'."]
    acme.github.violations.clear()
