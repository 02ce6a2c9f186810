"""Everything that agents write on GitHub, from the operation to GitHub's own state."""

from typing import Any

import pytest

from fixtures.github import Issue
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


async def outcome(
    agent: Agent, workspace: Workspace, operation: str, **arguments: Any
) -> dict[str, Any]:
    """What became of one write."""
    queued = await agent.write(operation, **arguments)
    await workspace.settle()
    return await agent.write("get_write", write_id=queued["write_id"])


async def outcomes(
    agent: Agent, workspace: Workspace, operation: str, **arguments: Any
) -> list[dict[str, Any]]:
    """What became of several."""
    queued = await agent.call(operation, **arguments)
    await workspace.settle()
    ids = [each["write_id"] for each in queued["writes"]]
    return [await agent.write("get_write", write_id=each) for each in ids]


async def send(agent: Agent, workspace: Workspace, operation: str, **arguments: Any) -> Any:
    done = await outcome(agent, workspace, operation, **arguments)
    assert (done["state"], "refusal" in done, "error" in done) == ("sent", False, False)
    return done["result"]


async def send_all(
    agent: Agent, workspace: Workspace, operation: str, **arguments: Any
) -> list[Any]:
    done = await outcomes(agent, workspace, operation, **arguments)
    assert [(each["state"], "refusal" in each) for each in done] == [("sent", False)] * len(done)
    return [each["result"] for each in done]


def posts(workspace: Workspace) -> int:
    return len(
        [r for r in workspace.github.requests if r.method != "GET" and "/app/" not in r.path]
    )


# --- Issues --------------------------------------------------------------------------------------


async def test_an_issue_is_opened_with_what_it_shall_have(workspace: Workspace) -> None:
    workspace.person.create_label(workspace.repository, "bug", "ff0000")
    workspace.person.create_milestone(workspace.repository, "First")
    await workspace.settle()
    agent = await workspace.agent("scout")
    result = await send(
        agent,
        workspace,
        "github_create_issue",
        repository="acme/rocket",
        title="Leak",
        labels=["bug"],
        assignees=["octocat"],
        milestone="First",
    )
    issue = workspace.repository.issues[result["number"]]
    assert [each.name for each in issue.labels] == ["bug"]
    assert [each.login for each in issue.assignees] == ["octocat"]
    assert issue.milestone is not None


async def test_an_issue_is_changed_by_one_request(workspace: Workspace) -> None:
    workspace.person.create_label(workspace.repository, "bug", "ff0000")
    issue = await workspace.task()
    agent = await workspace.agent("lead", "tech-lead")
    before = posts(workspace)
    await send_all(
        agent,
        workspace,
        "github_update_issue",
        issue=workspace.name(issue),
        title="Mend the leak",
        body="It leaks.",
        labels=["agent-task", "bug"],
        assignees=["octocat"],
        state="not_planned",
    )
    # The other one is the card, which says who ended the task.
    assert posts(workspace) == before + 2
    assert len([each for each in workspace.github.requests if each.method == "PATCH"]) == 1
    assert (issue.title, issue.state, issue.state_reason) == (
        "Mend the leak",
        "closed",
        "not_planned",
    )
    assert sorted(each.name for each in issue.labels) == ["agent-task", "bug"]


async def test_labels_that_others_set_meanwhile_stay(workspace: Workspace) -> None:
    for name in ("bug", "urgent", "later"):
        workspace.person.create_label(workspace.repository, name, "ff0000")
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    await agent.call(
        "github_update_issue", issue=workspace.name(issue), labels=["agent-task", "bug"]
    )
    workspace.clock.forward(1)
    workspace.person.add_label(issue, "urgent")
    await workspace.settle()
    assert sorted(each.name for each in issue.labels) == ["agent-task", "bug", "urgent"]


async def test_a_label_that_nobody_made_is_refused_with_those_there_are(
    workspace: Workspace,
) -> None:
    workspace.person.create_label(workspace.repository, "bug", "ff0000")
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    refused = await agent.refusal(
        "github_update_issue", issue=workspace.name(issue), labels=["bugg"]
    )
    assert refused.code == "invalid_arguments"
    assert "bug" in refused.message


async def test_what_is_written_twice_before_it_goes_out_is_written_once(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    before = posts(workspace)
    ids = []
    for title in ("One", "Two", "Three"):
        queued = await agent.call("github_update_issue", issue=workspace.name(issue), title=title)
        ids.append(queued["writes"][0]["write_id"])
    await workspace.settle()
    assert (issue.title, posts(workspace)) == ("Three", before + 1)
    states = [(await agent.write("get_write", write_id=each))["state"] for each in ids]
    assert states == ["superseded", "superseded", "sent"]


async def test_another_field_is_not_lost_to_a_later_change(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    await agent.call("github_update_issue", issue=workspace.name(issue), title="New", body="text")
    await agent.call("github_update_issue", issue=workspace.name(issue), title="Newer")
    await workspace.settle()
    assert issue.title == "Newer"
    assert (issue.body or "").endswith("text")


@ON_SQLITE
async def test_what_may_be_dropped_with_its_lease_outdates_no_others_change(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    first, second = await workspace.agent("first", "tech-lead"), await workspace.agent("second")
    fence = (await second.call("claim_task", task=workspace.name(issue)))["fence"]
    await workspace.settle()
    await first.call("github_update_issue", issue=workspace.name(issue), title="Kept")
    await second.call(
        "github_update_issue", issue=workspace.name(issue), title="Dropped", fence=fence
    )
    lead = await workspace.agent("lead", "tech-lead")
    await lead.call("release_task", task=workspace.name(issue))
    await workspace.settle()
    assert issue.title == "Kept"


async def test_an_issue_gets_a_parent_another_and_none(workspace: Workspace) -> None:
    one, two, child = (
        await workspace.task("One"),
        await workspace.task("Two"),
        await workspace.task("Child"),
    )
    agent = await workspace.agent("lead", "tech-lead")
    for parent in (one, two):
        await send_all(
            agent,
            workspace,
            "github_update_issue",
            issue=workspace.name(child),
            parent=workspace.name(parent),
        )
        assert child.parent is parent
    await send_all(agent, workspace, "github_update_issue", issue=workspace.name(child), parent="")
    assert child.parent is None


async def test_blockers_are_a_whole_list(workspace: Workspace) -> None:
    one, two, issue = (
        await workspace.task("One"),
        await workspace.task("Two"),
        await workspace.task("Three"),
    )
    agent = await workspace.agent("lead", "tech-lead")
    await send_all(
        agent,
        workspace,
        "github_update_issue",
        issue=workspace.name(issue),
        blocked_by=[workspace.name(one), workspace.name(two)],
    )
    assert issue.blocked_by == [one, two]
    await send_all(
        agent,
        workspace,
        "github_update_issue",
        issue=workspace.name(issue),
        blocked_by=[workspace.name(two)],
    )
    assert issue.blocked_by == [two]
    refused = await agent.refusal(
        "github_update_issue", issue=workspace.name(issue), blocked_by=[workspace.name(issue)]
    )
    assert refused.code == "invalid_arguments"


# --- Comments ------------------------------------------------------------------------------------


async def comment(workspace: Workspace, agent: Agent, issue: Issue, body: str = "Hello") -> int:
    result = await send(
        agent, workspace, "github_comment_issue", issue=workspace.name(issue), body=body
    )
    return int(result["comment_id"])


async def test_an_agent_edits_and_deletes_what_it_wrote(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    comment_id = await comment(workspace, agent, issue)
    here = {"issue": workspace.name(issue), "comment_id": comment_id}
    await send(agent, workspace, "github_comment_issue", **here, action="edit", body="Better")
    assert issue.comments[0].body.endswith("Better")
    await send(agent, workspace, "github_comment_issue", **here, action="delete")
    assert [each for each in issue.comments if not each.deleted] == []


async def test_nobody_edits_what_another_wrote(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    other, lead = await workspace.agent("other"), await workspace.agent("lead", "tech-lead")
    theirs = workspace.person.comment(issue, "Mine")
    comment_id = await comment(workspace, agent, issue)
    here = {"issue": workspace.name(issue), "action": "edit", "body": "x"}
    for who, which in ((other, comment_id), (agent, theirs.id), (lead, theirs.id)):
        refused = await who.refusal("github_comment_issue", **here, comment_id=which)
        assert refused.code == "forbidden"
    missing = await agent.refusal("github_comment_issue", **here, comment_id=1)
    assert missing.code == "unknown_comment"
    await send(lead, workspace, "github_comment_issue", **here, comment_id=comment_id)


async def test_an_agent_reacts_to_an_issue_and_to_a_comment(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    theirs = workspace.person.comment(issue, "Look")
    await workspace.settle()
    here = {"issue": workspace.name(issue), "action": "react", "reaction": "rocket"}
    await send(agent, workspace, "github_comment_issue", **here)
    await send(agent, workspace, "github_comment_issue", **here, comment_id=theirs.id)
    assert [each.content for each in issue.reactions] == ["rocket"]
    assert [each.content for each in theirs.reactions] == ["rocket"]


@ON_SQLITE
async def test_a_comment_is_minimized(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    comment_id = await comment(workspace, agent, issue)
    result = await send(
        agent,
        workspace,
        "github_comment_issue",
        issue=workspace.name(issue),
        action="minimize",
        comment_id=comment_id,
    )
    assert result["minimized"]["isMinimized"] is True


async def test_two_agents_who_only_answer_each_other_are_stopped_until_a_person_speaks(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    one, two = await workspace.agent("one"), await workspace.agent("two")
    await one.call("claim_task", task=workspace.name(issue))
    for n in range(6):
        for each in (one, two):
            await each.write("github_comment_issue", issue=workspace.name(issue), body=f"No, {n}!")
            workspace.clock.forward(60)
            await workspace.settle()
    for each in (one, two):
        refused = await each.refusal(
            "github_comment_issue", issue=workspace.name(issue), body="No!"
        )
        assert refused.code == "loop_stopped"
    (card,) = [each for each in issue.comments if "**Hubbub** ·" in each.body]
    assert "only answered each other" in card.body
    third = await workspace.agent("third")
    await third.write("github_comment_issue", issue=workspace.name(issue), body="Calm down")
    workspace.person.comment(issue, "Thank you")
    await workspace.settle()
    await one.write("github_comment_issue", issue=workspace.name(issue), body="Sorry")
    await workspace.settle()
    assert "only answered each other" not in card.body


async def test_an_issue_takes_only_so_many_comments_of_agents_in_an_hour(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    for n in range(30):
        await agent.write("github_comment_issue", issue=workspace.name(issue), body=f"{n}")
    refused = await agent.refusal("github_comment_issue", issue=workspace.name(issue), body="31")
    assert refused.code == "too_many_comments"
    # One agent's flood shuts nobody else out.
    other = await workspace.agent("other")
    await other.write("github_comment_issue", issue=workspace.name(issue), body="Enough")
    await workspace.settle()
    workspace.clock.forward(3600)
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="32")


async def test_whoever_goads_the_bot_gets_reactions_and_no_flood_of_answers(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    stranger = workspace.github.person("monalisa", permissions={"acme/rocket": "read"})
    for n in range(30):
        stranger.comment(issue, f"/claim {n}")
    await workspace.settle()
    answers = [each for each in issue.comments if each.user.type == "Bot"]
    assert len(answers) == 20


# --- Pull requests -------------------------------------------------------------------------------


async def open_pull(
    workspace: Workspace, agent: Agent, head: str = "fix", content: str = "1\n"
) -> tuple[str, Any]:
    workspace.person.push(workspace.repository, head, {"a.py": content}, base="main")
    await workspace.settle()
    result = await send(
        agent, workspace, "github_create_pr", repository="acme/rocket", head=head, title="Mend it"
    )
    return f"acme/rocket#{result['number']}", workspace.repository.pulls[result["number"]]


@ON_SQLITE
async def test_a_pull_request_is_changed_and_its_reviewers_asked(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    name, pull = await open_pull(workspace, agent)
    workspace.github.person("monalisa", permissions={"acme/rocket": "write"})
    await send_all(
        agent,
        workspace,
        "github_update_pr",
        pull_request=name,
        title="Mend it well",
        reviewers=["monalisa"],
    )
    assert pull.title == "Mend it well"
    assert [each.login for each in pull.requested_reviewers] == ["monalisa"]


async def test_a_pull_request_becomes_a_draft_and_ready_again(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    name, pull = await open_pull(workspace, agent)
    for draft in (True, False):
        await send_all(agent, workspace, "github_update_pr", pull_request=name, draft=draft)
        assert pull.draft is draft


ALLOWED: dict[str, str | None] = {".github/hubbub.yml": "agents_may_merge: true\n"}


async def test_agents_merge_only_where_the_settings_let_them(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    name, pull = await open_pull(workspace, agent)
    refused = await agent.refusal("github_update_pr", pull_request=name, merge="squash")
    assert (refused.code, pull.is_merged) == ("forbidden", False)
    workspace.person.push(workspace.repository, "main", ALLOWED)
    await workspace.settle()
    await send_all(agent, workspace, "github_update_pr", pull_request=name, merge="squash")
    assert pull.is_merged


async def test_a_merge_of_a_head_that_moved_is_refused_with_the_new_head(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    workspace.person.push(workspace.repository, "main", ALLOWED)
    name, pull = await open_pull(workspace, agent)
    workspace.person.push(workspace.repository, "fix", {"b.py": "2\n"})
    head = workspace.repository.branches["fix"]
    (refused,) = await outcomes(
        agent, workspace, "github_update_pr", pull_request=name, merge="merge"
    )
    assert (refused["state"], refused["refusal"]["code"]) == ("refused", "stale_head")
    assert refused["refusal"]["details"]["head"] == head
    assert not pull.is_merged


async def test_a_review_comments_on_lines_and_an_answer_joins_its_thread(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout", "tester")
    developer = await workspace.agent("maker")
    name, pull = await open_pull(workspace, developer)
    await send(
        agent,
        workspace,
        "github_review_pr",
        pull_request=name,
        event="REQUEST_CHANGES",
        body="Not yet",
        comments=[{"path": "a.py", "line": 1, "body": "Why one?"}],
    )
    (review,) = pull.reviews
    # Both are the App to GitHub, which lets nobody judge their own.
    assert (review.state, "\n\n**Changes requested.**" in review.body) == ("commented", True)
    (comment,) = pull.review_comments
    await send(
        developer,
        workspace,
        "github_review_pr",
        pull_request=name,
        reply_to=comment.id,
        body="It is enough",
    )
    assert len(pull.review_comments) == 2


async def test_an_agent_approves_what_a_person_opened(workspace: Workspace) -> None:
    agent = await workspace.agent("scout", "tester")
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    pull = workspace.person.open_pull(workspace.repository, title="By hand", head="fix")
    await workspace.settle()
    name = f"acme/rocket#{pull.number}"
    approval = {"event": "APPROVE", "sha": pull.head_sha}
    await send(agent, workspace, "github_review_pr", pull_request=name, **approval)
    assert [each.state for each in pull.reviews] == ["approved"]


# --- Branches and commits ------------------------------------------------------------------------


@ON_SQLITE
async def test_files_are_committed_to_a_branch_that_is_opened_for_them(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    result = await send(
        agent,
        workspace,
        "github_commit_files",
        repository="acme/rocket",
        branch="agent/fix",
        message="Mend it\n\nIt leaked.",
        files=[{"path": "src/a.py", "content": "print('né')\n"}],
    )
    head = workspace.repository.branches["agent/fix"]
    assert result["head"] == head
    commit = workspace.repository.commits[head]
    assert commit.files["src/a.py"] == "print('né')\n"
    assert commit.message.startswith("Mend it\n\nIt leaked.")


async def test_commits_queued_one_after_the_other_build_on_each_other(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    for n in range(3):
        await agent.write(
            "github_commit_files",
            repository="acme/rocket",
            branch="fix",
            message=f"Step {n}",
            files=[{"path": f"{n}.py", "content": "x"}],
        )
    await workspace.settle()
    head = workspace.repository.commits[workspace.repository.branches["fix"]]
    assert {"0.py", "1.py", "2.py"} <= set(head.files)


@ON_SQLITE
async def test_a_commit_on_a_head_that_moved_is_refused_with_the_new_head(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await workspace.settle()
    seen = workspace.repository.branches["fix"]
    workspace.person.push(workspace.repository, "fix", {"b.py": "2\n"})
    moved = workspace.repository.branches["fix"]
    refused = await outcome(
        agent,
        workspace,
        "github_commit_files",
        repository="acme/rocket",
        branch="fix",
        head=seen,
        message="Late",
        files=[{"path": "c.py", "content": "3"}],
    )
    assert (refused["state"], refused["refusal"]["code"]) == ("refused", "stale_head")
    assert refused["refusal"]["details"]["head"] == moved
    assert workspace.repository.branches["fix"] == moved


@pytest.mark.parametrize(
    "given",
    [
        {"branch": "main", "files": [{"path": "a", "content": "x"}]},
        {"branch": "fix", "files": []},
        {"branch": "fix", "files": [{"path": "../a", "content": "x"}]},
        {"branch": "fix", "files": [{"path": "/a", "content": "x"}]},
        {"branch": "fix", "files": [{"path": ".git/config", "content": "x"}]},
        {"branch": "fix", "files": [{"path": ".github/workflows/a.yml", "content": "x"}]},
        {"branch": "fix", "files": [{"path": "a", "content": "x"}], "delete": ["a"]},
        {"branch": "fix..x", "files": [{"path": "a", "content": "x"}]},
        {"branch": "-fix", "files": [{"path": "a", "content": "x"}]},
        {"branch": "fix.lock", "files": [{"path": "a", "content": "x"}]},
    ],
)
@ON_SQLITE
async def test_a_commit_that_should_not_be_is_refused_at_once(
    workspace: Workspace, given: dict[str, Any]
) -> None:
    agent = await workspace.agent("scout")
    refused = await agent.refusal(
        "github_commit_files", repository="acme/rocket", message="x", **given
    )
    assert refused.code in ("invalid_arguments", "forbidden")
    assert await workspace.rows("SELECT id FROM writes WHERE installation_id = :i") == []


async def test_a_pull_request_of_a_branch_that_does_not_exist_is_refused_with_what_creates_it(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    given = {"repository": "acme/rocket", "head": "agent/new", "title": "Mend it"}
    refused = (await outcome(agent, workspace, "github_create_pr", **given))["refusal"]
    assert refused["details"]["reason"] == "unknown_branch"
    assert "The branch does not exist. github_commit_files creates it" in refused["message"]
    assert "agent/new" not in workspace.repository.branches
    await agent.write(
        "github_commit_files",
        repository="acme/rocket",
        branch="agent/new",
        message="m",
        files=[{"path": "a", "content": "x"}],
    )
    result = await send(agent, workspace, "github_create_pr", **given)
    assert result["number"] in workspace.repository.pulls


@ON_SQLITE
async def test_a_commit_that_builds_on_a_certain_one_begins_a_new_branch_there(
    workspace: Workspace,
) -> None:
    agent, before = await workspace.agent("scout"), workspace.repository.branches["main"]
    workspace.person.push(workspace.repository, "main", {"later.py": "1\n"})
    await workspace.settle()
    given = {"repository": "acme/rocket", "branch": "agent/old", "head": before, "message": "m"}
    files = [{"path": "a.py", "content": "x"}]
    made = await send(agent, workspace, "github_commit_files", **given, files=files)
    assert workspace.repository.commits[made["head"]].parents == (before,)


@ON_SQLITE
async def test_what_builds_on_a_write_that_was_refused_is_not_sent(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    queued = await agent.write(
        "github_commit_files",
        repository="acme/rocket",
        branch="fix",
        base="no-such-branch",
        message="x",
        files=[{"path": "a", "content": "x"}],
    )
    await workspace.settle()
    refused = await agent.write("get_write", write_id=queued["write_id"])
    assert refused["state"] == "refused"
    message = refused["refusal"]["message"]
    assert message.startswith("Not sent: the branch `fix` could not be created, because GitHub")


# --- Boards --------------------------------------------------------------------------------------


async def test_a_card_is_put_on_the_board_and_moved(workspace: Workspace) -> None:
    board = workspace.person.create_project("acme", "Work", ["Todo", "In Progress", "Done"])
    issue, agent = await workspace.task(), await workspace.agent("scout")
    await workspace.settle()
    for status in ("Todo", "Done"):
        await send_all(
            agent,
            workspace,
            "github_move_card",
            issue=workspace.name(issue),
            project=board.number,
            status=status.lower(),
        )
        assert status_of(board, issue) == status
    refused = await agent.refusal(
        "github_move_card", issue=workspace.name(issue), project=board.number, status="Nowhere"
    )
    assert "Todo, In Progress, Done" in refused.message


def status_of(board: Any, issue: Issue) -> str | None:
    (item,) = [each for each in board.items.values() if each.content is issue]
    status: str | None = item.status
    return status


async def test_a_tasks_state_is_shown_on_the_board_that_the_settings_name(
    workspace: Workspace,
) -> None:
    board = workspace.person.create_project("acme", "Work", ["Todo", "In Progress", "Done"])
    settings = f"board:\n  project: {board.number}\n"
    workspace.person.push(workspace.repository, "main", {".github/hubbub.yml": settings})
    issue, agent = await workspace.task(), await workspace.agent("scout")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    await workspace.settle()
    assert status_of(board, issue) == "In Progress"
    await agent.call(
        "update_task_status", task=workspace.name(issue), status="completed", fence=fence
    )
    await workspace.settle()
    assert status_of(board, issue) == "Done"


# --- Checks and workflows ------------------------------------------------------------------------


async def test_a_check_is_reported_on_a_commit(workspace: Workspace) -> None:
    agent = await workspace.agent("scout", "tester")
    sha = workspace.repository.branches["main"]
    await send(
        agent,
        workspace,
        "github_report_check",
        repository="acme/rocket",
        sha=sha,
        name="agent/review",
        conclusion="success",
    )
    rows = await workspace.mirror_content("check_runs")
    assert [(each["name"], each["conclusion"]) for each in rows] == [("agent/review", "success")]


async def test_a_tech_lead_starts_a_workflow_and_cancels_it(workspace: Workspace) -> None:
    workspace.github.ci.workflow(workspace.repository, "agent.yml", inputs=["task"])
    developer, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    given = {"repository": "acme/rocket", "workflow": "agent.yml", "inputs": {"task": "1"}}
    assert (await developer.refusal("github_run_workflow", **given)).code == "forbidden"
    result = await send(lead, workspace, "github_run_workflow", **given)
    await send(
        lead, workspace, "github_cancel_workflow", repository="acme/rocket", run_id=result["run_id"]
    )


# --- Flow ----------------------------------------------------------------------------------------


async def test_the_same_key_of_the_same_agent_is_the_same_write(workspace: Workspace) -> None:
    issue, agent, other = (
        await workspace.task(),
        await workspace.agent("scout"),
        await workspace.agent("other"),
    )
    given = {"issue": workspace.name(issue), "body": "once only", "key": "k1"}
    first = await agent.write("github_comment_issue", **given)
    again = await agent.write("github_comment_issue", **given)
    theirs = await other.write("github_comment_issue", **given)
    assert first["write_id"] == again["write_id"] != theirs["write_id"]
    refused = await agent.refusal("github_comment_issue", **given | {"body": "other"})
    assert refused.code == "key_reused"
    await workspace.settle()
    assert sum("once only" in each.body for each in issue.comments) == 2


@ON_SQLITE
async def test_a_write_that_has_not_gone_out_is_called_back(workspace: Workspace) -> None:
    issue, agent, other = (
        await workspace.task(),
        await workspace.agent("scout"),
        await workspace.agent("other"),
    )
    queued = await agent.write("github_comment_issue", issue=workspace.name(issue), body="Wait")
    which = {"write_id": queued["write_id"]}
    assert (await other.refusal("cancel_write", **which)).code == "unknown_write"
    assert (await agent.call("cancel_write", **which))["writes"][0]["state"] == "cancelled"
    assert (await agent.call("cancel_write", **which))["writes"][0]["state"] == "cancelled"
    await workspace.settle()
    assert issue.comments == []
    gone = await agent.write("github_comment_issue", issue=workspace.name(issue), body="Now")
    await workspace.settle()
    late = await agent.refusal("cancel_write", write_id=gone["write_id"])
    assert late.code == "too_late"


async def test_a_refusal_reaches_its_author_unasked_and_once(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    workspace.github.fault("POST", r"/comments$", "422")
    queued = await agent.write("github_comment_issue", issue=workspace.name(issue), body="x")
    await workspace.settle()
    other = await workspace.agent("other")
    assert (await other.call("list_tasks"))["notices"] == []
    (notice,) = (await agent.call("list_tasks"))["notices"]
    assert notice["subject"] == queued["write_id"]
    assert "refused" in notice["message"]
    assert (await agent.call("get_budget"))["notices"] == []


async def test_the_budget_says_what_is_left_and_who_spent_it(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    for n in range(3):
        await agent.write("github_comment_issue", issue=workspace.name(issue), body=f"{n}")
    waiting = await agent.call("get_budget")
    assert waiting["queued"] == 3
    assert waiting["waiting"] == [{"author": "scout", "kind": "comment", "n": 3}]
    assert waiting["empty_at"] > waiting["next_write_at"]
    await workspace.settle()
    after = await agent.call("get_budget")
    assert after["queued"] == 0
    assert {"author": "scout", "writes": 3} in after["spent"]
    named = {each["name"]: each for each in after["buckets"]}
    assert named["core"]["left"] < named["core"]["limit"]
    assert named["content"]["left"] < named["content"]["limit"]


@ON_SQLITE
async def test_a_write_says_when_it_should_go_out(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    at = [
        (await agent.write("github_comment_issue", issue=workspace.name(issue), body=f"{n}"))
        for n in range(4)
    ]
    assert [each["ahead"] for each in at] == [0, 1, 2, 3]
    times = [each["expected_at"] for each in at]
    assert times == sorted(times)
    assert len(set(times)) == 4


async def test_several_writes_of_one_call_say_at_once_when_each_goes_out(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    blockers = [workspace.name(await workspace.task()) for _ in range(2)]
    await workspace.settle()
    queued = await agent.call(
        "github_update_issue", issue=workspace.name(issue), title="New title", blocked_by=blockers
    )
    later = [await agent.write("get_write", write_id=w["write_id"]) for w in queued["writes"]]
    assert [each["ahead"] for each in queued["writes"]] == [0, 1, 2]
    assert len({each["expected_at"] for each in queued["writes"]}) == 3
    for name in ("kind", "state", "ahead", "expected_at"):
        assert [each[name] for each in queued["writes"]] == [each[name] for each in later]


@ON_SQLITE
async def test_a_branch_that_a_commit_builds_on_stays_when_its_pull_request_is_called_back(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    here = {"repository": "acme/rocket"}
    files = [{"path": "a", "content": "x"}]
    committed = await agent.write(
        "github_commit_files", **here, branch="agent/new", message="x", files=files
    )
    queued = await agent.write("github_create_pr", **here, head="agent/new", title="x")
    await agent.call("cancel_write", write_id=queued["write_id"])
    await workspace.settle()
    done = await agent.write("get_write", write_id=committed["write_id"])
    assert done["state"] == "sent"


async def test_nobodys_issue_waits_for_anothers(workspace: Workspace) -> None:
    loud, quiet = await workspace.agent("loud"), await workspace.agent("quiet")
    for n in range(10):
        await loud.write("github_create_issue", repository="acme/rocket", title=f"loud {n}")
    await quiet.write("github_create_issue", repository="acme/rocket", title="quiet")
    await workspace.settle()
    titles = [each.title for each in workspace.repository.issues.values()]
    assert titles.index("quiet") < 3


@ON_SQLITE
async def test_a_404_of_a_moment_ago_deletes_nothing_for_good(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    comment_id = await comment(workspace, agent, issue)
    workspace.github.fault("DELETE", r"/comments/\d+$", "404")
    here = {"issue": workspace.name(issue), "comment_id": comment_id}
    await send(agent, workspace, "github_comment_issue", **here, action="delete")
    assert issue.comments == []


@ON_SQLITE
async def test_whose_write_a_lead_called_back_is_told(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    lead = await workspace.agent("lead", "tech-lead")
    queued = await agent.write("github_comment_issue", issue=workspace.name(issue), body="x")
    await lead.call("cancel_write", write_id=queued["write_id"])
    (notice,) = (await agent.call("list_tasks"))["notices"]
    assert "lead cancelled it" in notice["message"]
