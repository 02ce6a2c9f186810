"""The simulated GitHub beside GitHub's own description and recordings."""

import base64
from typing import Any

import pytest

from fixtures.github.rest.routes import ROUTES, USER
from tests.support.github_client import Acme, listening

REPO = "/repos/acme/web"
BOARDS = "/orgs/acme/projectsV2"


async def test_every_route_answers_as_githubs_description_says(acme: Acme) -> None:
    async with listening(acme):
        acme.ada.create_label(acme.web, "agent-task", "0e8a16")
        acme.ada.create_milestone(acme.web, "First")
        acme.ada.push(acme.web, "fix", {"a.py": "print()\n"}, "Print nothing")
        acme.ada.comment(acme.ada.open_issue(acme.web, "Look", labels=["agent-task"]), "Now")
        await acme.github.wait_for_deliveries()
        for walk in (
            about_the_app,
            about_the_repository,
            about_issues,
            about_people,
            about_relations,
            about_comments,
            about_pulls,
            about_reviews,
            about_git,
            about_files,
            about_builds,
            about_boards,
            about_written_builds,
            about_graphql,
            about_registration,
        ):
            await walk(acme)
    assert acme.github.violations == []
    walked = {(each.method, each.route) for each in acme.github.requests}
    # The part of the description that is at hand leaves out what a person's token opens.
    assert walked == {(each.method, each.path) for each in ROUTES if each.needs != USER}


async def about_the_app(acme: Acme) -> None:
    assert (await acme.as_app("GET", "/app")).data["slug"] == "hubbub"
    assert (await acme.as_app("GET", "/app/hook/config")).status == 200
    same = {"secret": acme.github.app.webhook_secret}
    assert (await acme.as_app("PATCH", "/app/hook/config", same)).status == 200
    listed = await acme.as_app("GET", "/app/installations")
    one = f"/app/installations/{acme.installation.id}"
    assert listed.data == [(await acme.as_app("GET", one)).data]
    assert (await acme.as_app("GET", f"{REPO}/installation")).data == listed.data[0]
    chosen = await acme.mint(repository_ids=[acme.web.id], permissions={"issues": "read"})
    assert [each["full_name"] for each in chosen.data["repositories"]] == ["acme/web"]
    config = await acme.as_app("GET", "/app/hook/config")
    assert config.data["url"] == acme.github.app.webhook_url
    log = await acme.as_app("GET", "/app/hook/deliveries?per_page=2")
    assert [each["status_code"] for each in log.data] == [202, 202]
    delivery = f"/app/hook/deliveries/{log.data[0]['id']}"
    assert (await acme.as_app("GET", delivery)).data["guid"] == log.data[0]["guid"]
    assert (await acme.as_app("POST", f"{delivery}/attempts")).status == 202
    assert (await acme.call("GET", "/rate_limit")).data["rate"]["limit"] == 5000


async def about_registration(acme: Acme) -> None:
    """Last, because it gives the App another key."""
    held, now = acme.github.world.registrations, acme.github.world.clock.now()
    path = f"/app-manifests/{held.make_code(now)}/conversions"
    made = await acme.call("POST", path)
    assert (made.status, made.data["pem"]) == (201, acme.github.app.private_key)
    assert (await acme.call("POST", path)).status == 404


async def about_the_repository(acme: Acme) -> None:
    found = await acme.call("GET", "/installation/repositories")
    assert [each["full_name"] for each in found.data["repositories"]] == ["acme/web"]
    assert (await acme.call("GET", REPO)).data["organization"]["login"] == "acme"
    shown = await acme.call("GET", f"{REPO}/collaborators/ADA/permission")
    assert shown.data["role_name"] == "admin"
    labels = await acme.call("GET", f"{REPO}/labels")
    assert [each["name"] for each in labels.data] == ["agent-task"]
    assert (await acme.call("POST", f"{REPO}/labels", {"name": "held"})).status == 201
    milestones = await acme.call("GET", f"{REPO}/milestones")
    assert [each["title"] for each in milestones.data] == ["First"]


async def about_issues(acme: Acme) -> None:
    given = {"title": "Do it", "labels": ["agent-task"]}
    made = await acme.call("POST", f"{REPO}/issues", given)
    assert made.data["user"]["login"] == "hubbub[bot]"
    assert made.data["performed_via_github_app"]["slug"] == "hubbub"
    issue = f"{REPO}/issues/2"
    assert made.headers["Location"] == acme.github.url + issue
    assert (await acme.call("GET", f"{REPO}/issues?state=all&sort=updated")).data[0] == made.data
    change = {"body": "Really", "milestone": 1, "state": "closed", "state_reason": "not_planned"}
    assert (await acme.call("PATCH", issue, change)).data["state_reason"] == "not_planned"
    assert (await acme.call("GET", issue)).data["milestone"]["title"] == "First"
    assert (await acme.call("POST", f"{issue}/labels", {"labels": ["new"]})).status == 200
    assert (await acme.call("PUT", f"{issue}/labels", {"labels": ["held", "new"]})).status == 200
    left = await acme.call("DELETE", f"{issue}/labels/held")
    assert [each["name"] for each in left.data] == ["new"]
    assert (await acme.call("GET", f"{issue}/labels")).data == left.data


async def about_people(acme: Acme) -> None:
    issue, people = f"{REPO}/issues/2", {"assignees": ["ada", "nobody"]}
    assigned = await acme.call("POST", f"{issue}/assignees", people)
    assert [each["login"] for each in assigned.data["assignees"]] == ["ada"]
    assert (await acme.call("GET", f"{issue}/assignees/ada")).status == 204
    assert (await acme.call("GET", f"{issue}/assignees/nobody")).status == 404
    assert (await acme.call("DELETE", f"{issue}/assignees", people)).data["assignees"] == []
    reacted = await acme.call("POST", f"{issue}/reactions", {"content": "eyes"})
    assert reacted.status == 201
    gone = await acme.call("DELETE", f"{issue}/reactions/{reacted.data['id']}")
    assert gone.status == 204


async def about_relations(acme: Acme) -> None:
    one, two = acme.web.threads[1], acme.web.threads[2]
    issue = f"{REPO}/issues/1"
    added = await acme.call("POST", f"{issue}/sub_issues", {"sub_issue_id": two.id})
    assert added.data["sub_issues_summary"]["total"] == 1
    assert [each["id"] for each in (await acme.call("GET", f"{issue}/sub_issues")).data] == [two.id]
    assert (await acme.call("GET", f"{REPO}/issues/2/parent")).data["id"] == one.id
    gone = await acme.call("DELETE", f"{issue}/sub_issue", {"sub_issue_id": two.id})
    assert gone.data["sub_issues_summary"]["total"] == 0
    assert (await acme.call("GET", f"{REPO}/issues/2/parent")).status == 404
    blocked_by = f"{issue}/dependencies/blocked_by"
    blocked = await acme.call("POST", blocked_by, {"issue_id": two.id})
    assert blocked.data["issue_dependencies_summary"]["total_blocked_by"] == 1
    assert [each["id"] for each in (await acme.call("GET", blocked_by)).data] == [two.id]
    blocking = await acme.call("GET", f"{REPO}/issues/2/dependencies/blocking")
    assert [each["id"] for each in blocking.data] == [one.id]
    assert (await acme.call("DELETE", f"{blocked_by}/{two.id}")).status == 200


async def about_comments(acme: Acme) -> None:
    said = await acme.call("POST", f"{REPO}/issues/2/comments", {"body": "Hello"})
    assert (await acme.call("GET", f"{REPO}/issues/2/comments")).data == [said.data]
    assert len((await acme.call("GET", f"{REPO}/issues/comments?sort=updated")).data) == 2
    comment = f"{REPO}/issues/comments/{said.data['id']}"
    assert (await acme.call("PATCH", comment, {"body": "Bye"})).data["body"] == "Bye"
    rocket = {"content": "rocket"}
    new = await acme.call("POST", f"{comment}/reactions", rocket)
    again = await acme.call("POST", f"{comment}/reactions", rocket)
    assert (new.status, again.status, new.data) == (201, 200, again.data)
    assert (await acme.call("GET", comment)).data["reactions"]["rocket"] == 1
    gone = await acme.call("DELETE", f"{comment}/reactions/{new.data['id']}")
    assert gone.status == 204
    assert (await acme.call("DELETE", comment)).status == 204
    assert (await acme.call("GET", comment)).status == 404


async def about_pulls(acme: Acme) -> None:
    proposal = {"title": "Fix", "head": "fix", "base": "main", "body": "Fixes #1"}
    opened_pull = await acme.call("POST", f"{REPO}/pulls", proposal)
    assert (opened_pull.data["number"], opened_pull.data["changed_files"]) == (3, 1)
    listed = await acme.call("GET", f"{REPO}/pulls?head=acme:fix&base=main")
    assert [each["number"] for each in listed.data] == [3]
    files = await acme.call("GET", f"{REPO}/pulls/3/files")
    assert [each["filename"] for each in files.data] == ["a.py"]
    renamed = await acme.call("PATCH", f"{REPO}/pulls/3", {"title": "Fix it"})
    assert renamed.data["title"] == "Fix it"
    assert (await acme.call("GET", f"{REPO}/pulls/3")).data["mergeable"] is True


async def about_reviews(acme: Acme) -> None:
    pull = f"{REPO}/pulls/3"
    acme.github.person("bob", permissions={"acme/web": "write"})
    asked = await acme.call("POST", f"{pull}/requested_reviewers", {"reviewers": ["bob"]})
    assert [each["login"] for each in asked.data["requested_reviewers"]] == ["bob"]
    unasked = await acme.call("DELETE", f"{pull}/requested_reviewers", {"reviewers": ["bob"]})
    assert unasked.data["requested_reviewers"] == []
    inline = [{"path": "a.py", "line": 1, "body": "Why?"}]
    review = {"event": "COMMENT", "body": "Look", "comments": inline}
    assert (await acme.call("POST", f"{pull}/reviews", review)).data["state"] == "COMMENTED"
    (listed,) = (await acme.call("GET", f"{pull}/reviews")).data
    one = await acme.call("GET", f"{pull}/reviews/{listed['id']}")
    assert one.data["node_id"] == listed["node_id"]
    first = (await acme.call("GET", f"{pull}/comments")).data[0]["id"]
    answered = await acme.call("POST", f"{pull}/comments/{first}/replies", {"body": "Because"})
    assert answered.data["in_reply_to_id"] == first
    since = f"{REPO}/pulls/comments?since=2020-01-01T00:00:00Z"
    assert (await acme.call("GET", since)).data[0]["id"] == first
    thumb = {"content": "+1"}
    reacted = await acme.call("POST", f"{REPO}/pulls/comments/{first}/reactions", thumb)
    assert reacted.status == 201
    thumbs = f"{REPO}/pulls/comments/{first}/reactions"
    assert (await acme.call("DELETE", f"{thumbs}/{reacted.data['id']}")).status == 204
    merged = await acme.call("PUT", f"{pull}/merge", {"sha": acme.web.branches["fix"]})
    assert merged.data["merged"]


async def about_git(acme: Acme) -> None:
    refs = f"{REPO}/git/refs"
    head = (await acme.call("GET", f"{REPO}/git/ref/heads/main")).data["object"]["sha"]
    commit = await acme.call("GET", f"{REPO}/git/commits/{head}")
    assert len(commit.data["parents"]) == 2
    side = {"ref": "refs/heads/side", "sha": acme.web.branches["fix"]}
    assert (await acme.call("POST", refs, side)).status == 201
    found = await acme.call("GET", f"{REPO}/git/matching-refs/heads/si")
    assert [each["ref"] for each in found.data] == ["refs/heads/side"]
    assert (await acme.call("PATCH", f"{refs}/heads/side", {"sha": head})).status == 200
    assert (await acme.call("DELETE", f"{refs}/heads/side")).status == 204
    assert (await acme.call("GET", f"{REPO}/branches/main")).data["commit"]["sha"] == head
    one = await acme.call("GET", f"{REPO}/commits/main")
    assert (one.data["sha"], len(one.data["files"])) == (head, 1)
    tree = await acme.call("GET", f"{REPO}/git/trees/{one.data['commit']['tree']['sha']}")
    assert [each["path"] for each in tree.data["tree"]] == ["README.md", "a.py"]
    blob = await acme.call("GET", f"{REPO}/git/blobs/{tree.data['tree'][1]['sha']}")
    assert base64.b64decode(blob.data["content"]) == b"print()\n"


async def about_files(acme: Acme) -> None:
    file = f"{REPO}/contents/.github/hubbub.yml"
    written = {"message": "Write", "content": base64.b64encode(b"x: 1\n").decode()}
    assert (await acme.call("PUT", file, written)).status == 201
    read = await acme.call("GET", file)
    assert base64.b64decode(read.data["content"]) == b"x: 1\n"
    folder = await acme.call("GET", f"{REPO}/contents/.github")
    assert [each["name"] for each in folder.data] == ["hubbub.yml"]
    root = await acme.call("GET", f"{REPO}/contents/?ref=main")
    kinds = {each["name"]: each["type"] for each in root.data}
    assert kinds == {".github": "dir", "README.md": "file", "a.py": "file"}


@pytest.mark.usefixtures("data")
async def test_a_request_that_github_does_not_describe_is_noted(acme: Acme) -> None:
    await acme.call("POST", "/repos/acme/web/issues", {"title": "Hi", "colour": "red"})
    await acme.call("GET", "/repos/acme/web/issues?sorted=yes&state=shut")
    assert acme.github.violations == [
        "POST /repos/{owner}/{repo}/issues: no member 'colour' in the request",
        "GET /repos/{owner}/{repo}/issues: no query parameter 'sorted'",
        "GET /repos/{owner}/{repo}/issues: state='shut' is none of ['open', 'closed', 'all']",
    ]


async def about_builds(acme: Acme) -> None:
    sha, ci = acme.web.branches["main"], acme.github.ci
    ci.start_check(acme.web, sha, "lint")
    run = ci.request_run(acme.web, sha, jobs=("build", "test"))
    ci.finish_job(run.jobs[0])
    for ref in (sha, "main", "heads/main"):
        found = (await acme.call("GET", f"{REPO}/commits/{ref}/check-runs")).data
        assert [each["name"] for each in found["check_runs"]] == ["test", "build", "lint"]
    assert (await acme.call("GET", f"{REPO}/commits/nowhere/check-runs")).status == 422
    listed = (await acme.call("GET", f"{REPO}/actions/runs?head_sha={sha}")).data
    one = f"{REPO}/actions/runs/{run.id}"
    assert listed["workflow_runs"] == [(await acme.call("GET", one)).data]
    jobs = (await acme.call("GET", f"{one}/jobs")).data["jobs"]
    assert [each["status"] for each in jobs] == ["completed", "queued"]


async def about_boards(acme: Acme) -> None:
    project = acme.ada.create_project("acme", "Work")
    assert [each["title"] for each in (await acme.call("GET", BOARDS)).data] == ["Work"]
    fields = (await acme.call("GET", f"{BOARDS}/1/fields")).data
    assert [each["name"] for each in fields] == ["Title", "Assignees", "Labels", "Status"]
    new = {"type": "Issue", "id": acme.web.threads[1].id}
    added = await acme.call("POST", f"{BOARDS}/1/items", new)
    assert added.data["content"]["number"] == 1
    by_name = {"type": "PullRequest", "owner": "acme", "repo": "web", "number": 3}
    assert (await acme.call("POST", f"{BOARDS}/1/items", by_name)).status == 201
    listed = (await acme.call("GET", f"{BOARDS}/1/items")).data
    assert [each["content_type"] for each in listed] == ["Issue", "PullRequest"]
    item, status = f"{BOARDS}/1/items/{added.data['id']}", project.status_field
    done = {"id": status.id, "value": project.option("Done").id}
    moved = await acme.call("PATCH", item, {"fields": [done]})
    assert moved.data["fields"][0]["value"]["name"]["raw"] == "Done"
    shown = await acme.call("GET", f"{item}?fields={','.join(str(each['id']) for each in fields)}")
    assert len(shown.data["fields"]) == 4
    emptied = {"fields": [{"id": status.id, "value": None}]}
    assert (await acme.call("PATCH", item, emptied)).data["fields"][0]["value"] is None
    assert (await acme.call("DELETE", item)).status == 204
    assert (await acme.call("GET", item)).status == 404


async def about_written_builds(acme: Acme) -> None:
    sha = acme.web.branches["main"]
    body = {"name": "lint", "head_sha": sha, "status": "in_progress", "external_id": "x1"}
    body["output"] = {"title": "Lint", "summary": "Looking"}  # type: ignore[assignment]
    made = await acme.call("POST", f"{REPO}/check-runs", body)
    assert (made.status, made.data["external_id"]) == (201, "x1")
    end = await acme.call(
        "PATCH", f"{REPO}/check-runs/{made.data['id']}", {"conclusion": "success"}
    )
    assert end.data["conclusion"] == "success"
    acme.github.ci.workflow(acme.web, "agent.yml", ["task"])
    dispatches = f"{REPO}/actions/workflows/agent.yml/dispatches"
    wanted = {"ref": "main", "inputs": {"task": "7"}, "return_run_details": True}
    run = await acme.call("POST", dispatches, wanted)
    assert run.status == 200
    unexpected = await acme.call("POST", dispatches, {"ref": "main", "inputs": {"x": "1"}})
    assert unexpected.status == 422
    cancel = f"{REPO}/actions/runs/{run.data['workflow_run_id']}/cancel"
    assert [(await acme.call("POST", cancel)).status for _ in range(2)] == [202, 409]
    forced = cancel.replace("/cancel", "/force-cancel")
    assert (await acme.call("POST", forced)).status == 409
    runs = await acme.call(
        "GET", f"{REPO}/actions/workflows/agent.yml/runs?event=workflow_dispatch"
    )
    assert [each["id"] for each in runs.data["workflow_runs"]] == [run.data["workflow_run_id"]]
    span = await acme.call("GET", f"{REPO}/compare/main...fix")
    assert span.data["status"] == "behind"  # it was merged


COMMIT = """
mutation Commit($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid url } ref { name } }
}"""


async def about_graphql(acme: Acme) -> None:
    async def asked(query: str, **variables: object) -> Any:
        answer = await acme.call("POST", "/graphql", {"query": query, "variables": variables})
        assert answer.headers["X-RateLimit-Resource"] == "graphql"
        return answer.data

    limit = await asked("query { rateLimit { cost remaining } }")
    assert limit["data"]["rateLimit"]["cost"] == 1
    head = acme.web.branches["fix"]
    commit = {
        "branch": {"repositoryNameWithOwner": "acme/web", "branchName": "fix"},
        "message": {"headline": "More"},
        "expectedHeadOid": head,
        "fileChanges": {"additions": [{"path": "b.txt", "contents": "Yg=="}]},
    }
    made = await asked(COMMIT, input=commit)
    assert acme.web.branches["fix"] == made["data"]["createCommitOnBranch"]["commit"]["oid"]
    stale = await asked(COMMIT, input=commit)
    assert stale["data"]["createCommitOnBranch"] is None
    assert stale["errors"][0]["type"] == "STALE_DATA"
    assert (await asked("mutation {"))["errors"]
