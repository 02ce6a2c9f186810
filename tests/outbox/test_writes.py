"""Everything that agents write on GitHub, from the operation to GitHub's own state."""

from typing import Any

import pytest

from fixtures.github import Issue
from tests.support.story import Agent, Town


async def outcome(agent: Agent, town: Town, operation: str, **arguments: Any) -> dict[str, Any]:
    """What became of one write."""
    queued = await agent.call(operation, **arguments)
    await town.settle()
    return await agent.call("get_write", write_id=queued["write_id"])


async def outcomes(
    agent: Agent, town: Town, operation: str, **arguments: Any
) -> list[dict[str, Any]]:
    """What became of several."""
    queued = await agent.call(operation, **arguments)
    await town.settle()
    ids = [each["write_id"] for each in queued["writes"]]
    return [await agent.call("get_write", write_id=each) for each in ids]


async def sent(agent: Agent, town: Town, operation: str, **arguments: Any) -> Any:
    done = await outcome(agent, town, operation, **arguments)
    assert (done["state"], "refusal" in done, "error" in done) == ("sent", False, False)
    return done["result"]


async def all_sent(agent: Agent, town: Town, operation: str, **arguments: Any) -> list[Any]:
    done = await outcomes(agent, town, operation, **arguments)
    assert [(each["state"], "refusal" in each) for each in done] == [("sent", False)] * len(done)
    return [each["result"] for each in done]


def posts(town: Town) -> int:
    return len([r for r in town.github.requests if r.method != "GET" and "/app/" not in r.path])


# --- Issues --------------------------------------------------------------------------------------


async def test_an_issue_is_opened_with_what_it_shall_have(town: Town) -> None:
    town.person.create_label(town.repository, "bug", "ff0000")
    town.person.create_milestone(town.repository, "First")
    await town.settle()
    agent = await town.agent("scout")
    result = await sent(
        agent,
        town,
        "github_create_issue",
        repository="acme/rocket",
        title="Leak",
        labels=["bug"],
        assignees=["octocat"],
        milestone="First",
    )
    issue = town.repository.issues[result["number"]]
    assert [each.name for each in issue.labels] == ["bug"]
    assert [each.login for each in issue.assignees] == ["octocat"]
    assert issue.milestone is not None


async def test_an_issue_is_changed_by_one_request(town: Town) -> None:
    town.person.create_label(town.repository, "bug", "ff0000")
    issue = await town.task()
    agent = await town.agent("lead", "tech-lead")
    before = posts(town)
    await all_sent(
        agent,
        town,
        "github_update_issue",
        issue=town.name(issue),
        title="Mend the leak",
        body="It leaks.",
        labels=["agent-task", "bug"],
        assignees=["octocat"],
        state="not_planned",
    )
    assert posts(town) == before + 1
    assert (issue.title, issue.state, issue.state_reason) == (
        "Mend the leak",
        "closed",
        "not_planned",
    )
    assert sorted(each.name for each in issue.labels) == ["agent-task", "bug"]


async def test_labels_that_others_set_meanwhile_stay(town: Town) -> None:
    for name in ("bug", "urgent", "later"):
        town.person.create_label(town.repository, name, "ff0000")
    issue = await town.task()
    agent = await town.agent("scout")
    await agent.call("github_update_issue", issue=town.name(issue), labels=["agent-task", "bug"])
    town.clock.forward(1)
    town.person.add_label(issue, "urgent")
    await town.settle()
    assert sorted(each.name for each in issue.labels) == ["agent-task", "bug", "urgent"]


async def test_a_label_that_nobody_made_is_refused_with_those_there_are(town: Town) -> None:
    town.person.create_label(town.repository, "bug", "ff0000")
    issue = await town.task()
    agent = await town.agent("scout")
    refused = await agent.refused("github_update_issue", issue=town.name(issue), labels=["bugg"])
    assert refused.code == "invalid_arguments"
    assert "bug" in refused.message


async def test_what_is_written_twice_before_it_goes_out_is_written_once(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    before = posts(town)
    ids = []
    for title in ("One", "Two", "Three"):
        queued = await agent.call("github_update_issue", issue=town.name(issue), title=title)
        ids.append(queued["writes"][0]["write_id"])
    await town.settle()
    assert (issue.title, posts(town)) == ("Three", before + 1)
    states = [(await agent.call("get_write", write_id=each))["state"] for each in ids]
    assert states == ["superseded", "superseded", "sent"]


async def test_another_field_is_not_lost_to_a_later_change(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    await agent.call("github_update_issue", issue=town.name(issue), title="New", body="text")
    await agent.call("github_update_issue", issue=town.name(issue), title="Newer")
    await town.settle()
    assert issue.title == "Newer"
    assert (issue.body or "").endswith("text")


async def test_what_may_be_dropped_with_its_lease_outdates_no_others_change(town: Town) -> None:
    issue = await town.task()
    first, second = await town.agent("first"), await town.agent("second")
    fence = (await second.call("claim_task", task=town.name(issue)))["fence"]
    await town.settle()
    await first.call("github_update_issue", issue=town.name(issue), title="Kept")
    await second.call("github_update_issue", issue=town.name(issue), title="Dropped", fence=fence)
    lead = await town.agent("lead", "tech-lead")
    await lead.call("release_task", task=town.name(issue))
    await town.settle()
    assert issue.title == "Kept"


async def test_an_issue_gets_a_parent_another_and_none(town: Town) -> None:
    one, two, child = await town.task("One"), await town.task("Two"), await town.task("Child")
    agent = await town.agent("lead", "tech-lead")
    for parent in (one, two):
        await all_sent(
            agent, town, "github_update_issue", issue=town.name(child), parent=town.name(parent)
        )
        assert child.parent is parent
    await all_sent(agent, town, "github_update_issue", issue=town.name(child), parent="")
    assert child.parent is None


async def test_blockers_are_a_whole_list(town: Town) -> None:
    one, two, issue = await town.task("One"), await town.task("Two"), await town.task("Three")
    agent = await town.agent("lead", "tech-lead")
    await all_sent(
        agent,
        town,
        "github_update_issue",
        issue=town.name(issue),
        blocked_by=[town.name(one), town.name(two)],
    )
    assert issue.blocked_by == [one, two]
    await all_sent(
        agent, town, "github_update_issue", issue=town.name(issue), blocked_by=[town.name(two)]
    )
    assert issue.blocked_by == [two]
    refused = await agent.refused(
        "github_update_issue", issue=town.name(issue), blocked_by=[town.name(issue)]
    )
    assert refused.code == "invalid_arguments"


# --- Comments ------------------------------------------------------------------------------------


async def commented(town: Town, agent: Agent, issue: Issue, body: str = "Hello") -> int:
    result = await sent(agent, town, "github_comment_issue", issue=town.name(issue), body=body)
    return int(result["comment_id"])


async def test_an_agent_edits_and_deletes_what_it_wrote(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    comment_id = await commented(town, agent, issue)
    here = {"issue": town.name(issue), "comment_id": comment_id}
    await sent(agent, town, "github_comment_issue", **here, action="edit", body="Better")
    assert issue.comments[0].body.endswith("Better")
    await sent(agent, town, "github_comment_issue", **here, action="delete")
    assert [each for each in issue.comments if not each.deleted] == []


async def test_nobody_edits_what_another_wrote(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    other, lead = await town.agent("other"), await town.agent("lead", "tech-lead")
    theirs = town.person.comment(issue, "Mine")
    comment_id = await commented(town, agent, issue)
    here = {"issue": town.name(issue), "action": "edit", "body": "x"}
    for who, which in ((other, comment_id), (agent, theirs.id), (lead, theirs.id)):
        refused = await who.refused("github_comment_issue", **here, comment_id=which)
        assert refused.code == "forbidden"
    missing = await agent.refused("github_comment_issue", **here, comment_id=1)
    assert missing.code == "unknown_comment"
    await sent(lead, town, "github_comment_issue", **here, comment_id=comment_id)


async def test_an_agent_reacts_to_an_issue_and_to_a_comment(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    theirs = town.person.comment(issue, "Look")
    await town.settle()
    here = {"issue": town.name(issue), "action": "react", "reaction": "rocket"}
    await sent(agent, town, "github_comment_issue", **here)
    await sent(agent, town, "github_comment_issue", **here, comment_id=theirs.id)


async def test_a_comment_is_minimized(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    comment_id = await commented(town, agent, issue)
    result = await sent(
        agent,
        town,
        "github_comment_issue",
        issue=town.name(issue),
        action="minimize",
        comment_id=comment_id,
    )
    assert result["minimized"]["isMinimized"] is True


async def test_two_agents_who_only_answer_each_other_are_stopped_until_a_person_speaks(
    town: Town,
) -> None:
    issue = await town.task()
    one, two = await town.agent("one"), await town.agent("two")
    await one.call("claim_task", task=town.name(issue))
    for n in range(6):
        for each in (one, two):
            await each.call("github_comment_issue", issue=town.name(issue), body=f"No, {n}!")
            town.clock.forward(60)
            await town.settle()
    for each in (one, two):
        refused = await each.refused("github_comment_issue", issue=town.name(issue), body="No!")
        assert refused.code == "loop_stopped"
    card = issue.comments[0]
    assert "only answered each other" in card.body
    third = await town.agent("third")
    await third.call("github_comment_issue", issue=town.name(issue), body="Calm down")
    town.person.comment(issue, "Thank you")
    await town.settle()
    await one.call("github_comment_issue", issue=town.name(issue), body="Sorry")
    await town.settle()
    assert "only answered each other" not in card.body


async def test_an_issue_takes_only_so_many_comments_of_agents_in_an_hour(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    for n in range(30):
        await agent.call("github_comment_issue", issue=town.name(issue), body=f"{n}")
    refused = await agent.refused("github_comment_issue", issue=town.name(issue), body="31")
    assert refused.code == "too_many_comments"
    # One agent's flood shuts nobody else out.
    other = await town.agent("other")
    await other.call("github_comment_issue", issue=town.name(issue), body="Enough")
    await town.settle()
    town.clock.forward(3600)
    await agent.call("github_comment_issue", issue=town.name(issue), body="32")


async def test_whoever_goads_the_bot_gets_reactions_and_no_flood_of_answers(town: Town) -> None:
    issue = await town.task()
    stranger = town.github.person("monalisa", permissions={"acme/rocket": "read"})
    for n in range(30):
        stranger.comment(issue, f"/claim {n}")
    await town.settle()
    answers = [each for each in issue.comments if each.user.type == "Bot"]
    assert len(answers) == 20


# --- Pull requests -------------------------------------------------------------------------------


async def opened(town: Town, agent: Agent, head: str = "fix") -> tuple[str, Any]:
    town.person.push(town.repository, head, {"a.py": "1\n"}, base="main")
    await town.settle()
    result = await sent(
        agent, town, "github_create_pr", repository="acme/rocket", head=head, title="Mend it"
    )
    return f"acme/rocket#{result['number']}", town.repository.pulls[result["number"]]


async def test_a_pull_request_is_changed_and_its_reviewers_asked(town: Town) -> None:
    agent = await town.agent("scout")
    name, pull = await opened(town, agent)
    town.github.person("monalisa", permissions={"acme/rocket": "write"})
    await all_sent(
        agent,
        town,
        "github_update_pr",
        pull_request=name,
        title="Mend it well",
        reviewers=["monalisa"],
    )
    assert pull.title == "Mend it well"
    assert [each.login for each in pull.requested_reviewers] == ["monalisa"]


async def test_a_pull_request_becomes_a_draft_and_ready_again(town: Town) -> None:
    agent = await town.agent("scout")
    name, pull = await opened(town, agent)
    for draft in (True, False):
        await all_sent(agent, town, "github_update_pr", pull_request=name, draft=draft)
        assert pull.draft is draft


ALLOWED: dict[str, str | None] = {".github/hubbub.yml": "agents_may_merge: true\n"}


async def test_agents_merge_only_where_the_settings_let_them(town: Town) -> None:
    agent = await town.agent("scout")
    name, pull = await opened(town, agent)
    refused = await agent.refused("github_update_pr", pull_request=name, merge="squash")
    assert (refused.code, pull.is_merged) == ("forbidden", False)
    town.person.push(town.repository, "main", ALLOWED)
    await town.settle()
    await all_sent(agent, town, "github_update_pr", pull_request=name, merge="squash")
    assert pull.is_merged


async def test_a_merge_of_a_head_that_moved_is_refused_with_the_new_head(town: Town) -> None:
    agent = await town.agent("scout")
    town.person.push(town.repository, "main", ALLOWED)
    name, pull = await opened(town, agent)
    town.person.push(town.repository, "fix", {"b.py": "2\n"})
    head = town.repository.branches["fix"]
    (refused,) = await outcomes(agent, town, "github_update_pr", pull_request=name, merge="merge")
    assert (refused["state"], refused["refusal"]["code"]) == ("refused", "stale_head")
    assert refused["refusal"]["details"]["head"] == head
    assert not pull.is_merged


async def test_a_review_comments_on_lines_and_an_answer_joins_its_thread(town: Town) -> None:
    agent = await town.agent("scout", "tester")
    developer = await town.agent("maker")
    name, pull = await opened(town, developer)
    await sent(
        agent,
        town,
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
    await sent(
        developer,
        town,
        "github_review_pr",
        pull_request=name,
        reply_to=comment.id,
        body="It is enough",
    )
    assert len(pull.review_comments) == 2


async def test_an_agent_approves_what_a_person_opened(town: Town) -> None:
    agent = await town.agent("scout", "tester")
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    pull = town.person.open_pull(town.repository, title="By hand", head="fix")
    await town.settle()
    name = f"acme/rocket#{pull.number}"
    await sent(agent, town, "github_review_pr", pull_request=name, event="APPROVE")
    assert [each.state for each in pull.reviews] == ["approved"]


# --- Branches and commits ------------------------------------------------------------------------


async def test_files_are_committed_to_a_branch_that_is_opened_for_them(town: Town) -> None:
    agent = await town.agent("scout")
    result = await sent(
        agent,
        town,
        "github_commit_files",
        repository="acme/rocket",
        branch="agent/fix",
        message="Mend it\n\nIt leaked.",
        files=[{"path": "src/a.py", "content": "print('né')\n"}],
    )
    head = town.repository.branches["agent/fix"]
    assert result["head"] == head
    commit = town.repository.commits[head]
    assert commit.files["src/a.py"] == "print('né')\n"
    assert commit.message.startswith("Mend it\n\nIt leaked.")


async def test_commits_queued_one_after_the_other_build_on_each_other(town: Town) -> None:
    agent = await town.agent("scout")
    for n in range(3):
        await agent.call(
            "github_commit_files",
            repository="acme/rocket",
            branch="fix",
            message=f"Step {n}",
            files=[{"path": f"{n}.py", "content": "x"}],
        )
    await town.settle()
    head = town.repository.commits[town.repository.branches["fix"]]
    assert {"0.py", "1.py", "2.py"} <= set(head.files)


async def test_a_commit_on_a_head_that_moved_is_refused_with_the_new_head(town: Town) -> None:
    agent = await town.agent("scout")
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    await town.settle()
    seen = town.repository.branches["fix"]
    town.person.push(town.repository, "fix", {"b.py": "2\n"})
    moved = town.repository.branches["fix"]
    refused = await outcome(
        agent,
        town,
        "github_commit_files",
        repository="acme/rocket",
        branch="fix",
        head=seen,
        message="Late",
        files=[{"path": "c.py", "content": "3"}],
    )
    assert (refused["state"], refused["refusal"]["code"]) == ("refused", "stale_head")
    assert refused["refusal"]["details"]["head"] == moved
    assert town.repository.branches["fix"] == moved


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
async def test_a_commit_that_should_not_be_is_refused_at_once(
    town: Town, given: dict[str, Any]
) -> None:
    agent = await town.agent("scout")
    refused = await agent.refused(
        "github_commit_files", repository="acme/rocket", message="x", **given
    )
    assert refused.code in ("invalid_arguments", "forbidden")
    assert await town.rows("SELECT id FROM writes WHERE installation_id = :i") == []


async def test_a_pull_request_opens_the_branch_that_is_missing(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    fence = (await agent.call("claim_task", task=town.name(issue)))["fence"]
    result = await sent(
        agent,
        town,
        "github_create_pr",
        task=town.name(issue),
        fence=fence,
        head="agent/new",
        title="Mend it",
        draft=True,
    )
    assert town.repository.pulls[result["number"]].draft
    assert town.repository.branches["agent/new"] != town.repository.branches["main"]


async def test_a_branch_that_was_pushed_a_moment_ago_gets_no_empty_commit(town: Town) -> None:
    agent = await town.agent("scout")
    town.github.hold_deliveries()
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    pushed = town.repository.branches["fix"]
    await sent(agent, town, "github_create_pr", repository="acme/rocket", head="fix", title="x")
    assert town.repository.branches["fix"] == pushed


async def test_what_builds_on_a_write_that_was_refused_is_not_sent(town: Town) -> None:
    agent = await town.agent("scout")
    queued = await agent.call(
        "github_commit_files",
        repository="acme/rocket",
        branch="fix",
        base="no-such-branch",
        message="x",
        files=[{"path": "a", "content": "x"}],
    )
    await town.settle()
    refused = await agent.call("get_write", write_id=queued["write_id"])
    assert refused["state"] == "refused"
    assert "did not take effect" in refused["refusal"]["message"]


# --- Boards --------------------------------------------------------------------------------------


async def test_a_card_is_put_on_the_board_and_moved(town: Town) -> None:
    board = town.person.create_project("acme", "Work", ["Todo", "In Progress", "Done"])
    issue, agent = await town.task(), await town.agent("scout")
    await town.settle()
    for status in ("Todo", "Done"):
        await all_sent(
            agent,
            town,
            "github_move_card",
            issue=town.name(issue),
            project=board.number,
            status=status.lower(),
        )
        assert status_of(board, issue) == status
    refused = await agent.refused(
        "github_move_card", issue=town.name(issue), project=board.number, status="Nowhere"
    )
    assert "Todo, In Progress, Done" in refused.message


def status_of(board: Any, issue: Issue) -> str | None:
    (item,) = [each for each in board.items.values() if each.content is issue]
    status: str | None = item.status
    return status


async def test_a_tasks_state_is_shown_on_the_board_that_the_settings_name(town: Town) -> None:
    board = town.person.create_project("acme", "Work", ["Todo", "In Progress", "Done"])
    settings = f"board:\n  project: {board.number}\n"
    town.person.push(town.repository, "main", {".github/hubbub.yml": settings})
    issue, agent = await town.task(), await town.agent("scout")
    fence = (await agent.call("claim_task", task=town.name(issue)))["fence"]
    await town.settle()
    assert status_of(board, issue) == "In Progress"
    await agent.call("update_task_status", task=town.name(issue), status="completed", fence=fence)
    await town.settle()
    assert status_of(board, issue) == "Done"


# --- Checks and workflows ------------------------------------------------------------------------


async def test_a_check_is_reported_on_a_commit(town: Town) -> None:
    agent = await town.agent("scout", "tester")
    sha = town.repository.branches["main"]
    await sent(
        agent,
        town,
        "github_report_check",
        repository="acme/rocket",
        sha=sha,
        name="agent/review",
        conclusion="success",
    )
    rows = await town.mirrored("check_runs")
    assert [(each["name"], each["conclusion"]) for each in rows] == [("agent/review", "success")]


async def test_a_tech_lead_starts_a_workflow_and_cancels_it(town: Town) -> None:
    town.github.ci.workflow(town.repository, "agent.yml", inputs=["task"])
    developer, lead = await town.agent("scout"), await town.agent("lead", "tech-lead")
    given = {"repository": "acme/rocket", "workflow": "agent.yml", "inputs": {"task": "1"}}
    assert (await developer.refused("github_run_workflow", **given)).code == "forbidden"
    result = await sent(lead, town, "github_run_workflow", **given)
    await sent(
        lead, town, "github_cancel_workflow", repository="acme/rocket", run_id=result["run_id"]
    )


# --- Flow ----------------------------------------------------------------------------------------


async def test_the_same_key_of_the_same_agent_is_the_same_write(town: Town) -> None:
    issue, agent, other = await town.task(), await town.agent("scout"), await town.agent("other")
    given = {"issue": town.name(issue), "body": "once only", "key": "k1"}
    first = await agent.call("github_comment_issue", **given)
    again = await agent.call("github_comment_issue", **given)
    theirs = await other.call("github_comment_issue", **given)
    assert first["write_id"] == again["write_id"] != theirs["write_id"]
    refused = await agent.refused("github_comment_issue", **given | {"body": "other"})
    assert refused.code == "key_reused"
    await town.settle()
    assert sum("once only" in each.body for each in issue.comments) == 2


async def test_a_write_that_has_not_gone_out_is_called_back(town: Town) -> None:
    issue, agent, other = await town.task(), await town.agent("scout"), await town.agent("other")
    queued = await agent.call("github_comment_issue", issue=town.name(issue), body="Wait")
    which = {"write_id": queued["write_id"]}
    assert (await other.refused("cancel_write", **which)).code == "unknown_write"
    assert (await agent.call("cancel_write", **which))["state"] == "cancelled"
    assert (await agent.call("cancel_write", **which))["state"] == "cancelled"
    await town.settle()
    assert issue.comments == []
    gone = await agent.call("github_comment_issue", issue=town.name(issue), body="Now")
    await town.settle()
    late = await agent.refused("cancel_write", write_id=gone["write_id"])
    assert late.code == "too_late"


async def test_a_refusal_reaches_its_author_unasked_and_once(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    town.github.fault("POST", r"/comments$", "422")
    queued = await agent.call("github_comment_issue", issue=town.name(issue), body="x")
    await town.settle()
    other = await town.agent("other")
    assert (await other.call("list_tasks"))["notices"] == []
    (notice,) = (await agent.call("list_tasks"))["notices"]
    assert notice["subject"] == queued["write_id"]
    assert "refused" in notice["message"]
    assert (await agent.call("get_budget"))["notices"] == []


async def test_the_budget_says_what_is_left_and_who_spent_it(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    for n in range(3):
        await agent.call("github_comment_issue", issue=town.name(issue), body=f"{n}")
    waiting = await agent.call("get_budget")
    assert waiting["queued"] == 3
    assert waiting["waiting"] == [{"author": "scout", "kind": "comment", "n": 3}]
    assert waiting["empty_at"] > waiting["next_write_at"]
    await town.settle()
    after = await agent.call("get_budget")
    assert after["queued"] == 0
    assert {"author": "scout", "writes": 3} in after["spent"]
    named = {each["name"]: each for each in after["buckets"]}
    assert named["core"]["left"] < named["core"]["limit"]
    assert named["content"]["left"] < named["content"]["limit"]


async def test_a_write_says_when_it_should_go_out(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    at = [
        (await agent.call("github_comment_issue", issue=town.name(issue), body=f"{n}"))
        for n in range(4)
    ]
    assert [each["ahead"] for each in at] == [0, 1, 2, 3]
    times = [each["expected_at"] for each in at]
    assert times == sorted(times)
    assert len(set(times)) == 4


async def test_several_writes_of_one_call_say_at_once_when_each_goes_out(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    blockers = [town.name(await town.task()) for _ in range(2)]
    await town.settle()
    queued = await agent.call(
        "github_update_issue", issue=town.name(issue), title="New title", blocked_by=blockers
    )
    later = [await agent.call("get_write", write_id=w["write_id"]) for w in queued["writes"]]
    assert [each["ahead"] for each in queued["writes"]] == [0, 1, 2]
    assert len({each["expected_at"] for each in queued["writes"]}) == 3
    for name in ("kind", "state", "ahead", "expected_at"):
        assert [each[name] for each in queued["writes"]] == [each[name] for each in later]


async def test_a_pull_request_that_is_called_back_opens_no_branch(town: Town) -> None:
    agent = await town.agent("scout")
    given = {"repository": "acme/rocket", "head": "agent/new", "title": "x"}
    queued = await agent.call("github_create_pr", **given)
    await agent.call("cancel_write", write_id=queued["write_id"])
    await town.settle()
    assert "agent/new" not in town.repository.branches


async def test_a_branch_that_a_commit_builds_on_stays_when_its_pull_request_is_called_back(
    town: Town,
) -> None:
    agent = await town.agent("scout")
    here = {"repository": "acme/rocket"}
    files = [{"path": "a", "content": "x"}]
    committed = await agent.call(
        "github_commit_files", **here, branch="agent/new", message="x", files=files
    )
    queued = await agent.call("github_create_pr", **here, head="agent/new", title="x")
    await agent.call("cancel_write", write_id=queued["write_id"])
    await town.settle()
    done = await agent.call("get_write", write_id=committed["write_id"])
    assert done["state"] == "sent"


async def test_nobodys_issue_waits_for_anothers(town: Town) -> None:
    loud, quiet = await town.agent("loud"), await town.agent("quiet")
    for n in range(10):
        await loud.call("github_create_issue", repository="acme/rocket", title=f"loud {n}")
    await quiet.call("github_create_issue", repository="acme/rocket", title="quiet")
    await town.settle()
    titles = [each.title for each in town.repository.issues.values()]
    assert titles.index("quiet") < 3


async def test_a_404_of_a_moment_ago_deletes_nothing_for_good(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    comment_id = await commented(town, agent, issue)
    town.github.fault("DELETE", r"/comments/\d+$", "404")
    here = {"issue": town.name(issue), "comment_id": comment_id}
    await sent(agent, town, "github_comment_issue", **here, action="delete")
    assert issue.comments == []


async def test_whose_write_a_lead_called_back_is_told(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    lead = await town.agent("lead", "tech-lead")
    queued = await agent.call("github_comment_issue", issue=town.name(issue), body="x")
    await lead.call("cancel_write", write_id=queued["write_id"])
    (notice,) = (await agent.call("list_tasks"))["notices"]
    assert "lead cancelled it" in notice["message"]
