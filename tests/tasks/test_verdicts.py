"""Agents share one GitHub account, so Hubbub keeps who approved and who requested changes."""

from dataclasses import dataclass
from typing import Any

import pytest

from fixtures.github import Pull
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

FIX = {"branch": "fix", "message": "More"}
FILES = {"files": [{"path": "a.py", "content": "1\n2\n3\n"}]}


@dataclass
class Proposal:
    """A task in review, with the pull request of its holder."""

    workspace: Workspace
    maker: Agent
    pull: Pull
    mine: dict[str, Any]

    @property
    def name(self) -> str:
        return f"acme/rocket#{self.pull.number}"

    @property
    def given(self) -> dict[str, str]:
        return {"pull_request": self.name}

    @property
    def approval(self) -> dict[str, str]:
        """An approval of the head as it is now."""
        return {"event": "APPROVE", "sha": self.pull.head_sha}

    async def push(self) -> None:
        self.workspace.person.push(self.workspace.repository, "fix", {"b.py": "1\n"})
        await self.workspace.settle()

    async def task(self) -> dict[str, Any]:
        found = await self.maker.call("get_task", task=self.mine["task"])
        task: dict[str, Any] = found["task"]
        (task["pull"],) = found["around"]["pull_requests"]
        return task

    async def reviews(self) -> list[tuple[str, str, bool]]:
        found = (await self.task())["pull"]["reviews"]
        return [(each["by"], each["verdict"], each["outdated"]) for each in found]

    def card(self) -> str:
        issue = self.workspace.repository.threads[int(self.mine["task"].rpartition("#")[2])]
        return issue.comments[0].body


@pytest.fixture
async def proposal(workspace: Workspace) -> Proposal:
    maker = await workspace.agent("maker")
    where = workspace.name(await workspace.task())
    fence = (await maker.call("claim_task", task=where, lease_s=3600))["fence"]
    mine = {"task": where, "fence": fence}
    await maker.call("github_commit_files", **mine, **FILES, branch="fix", message="Mend it")
    await maker.call("github_create_pr", **mine, head="fix", title="Mend it")
    await workspace.settle()
    await maker.call("update_task_status", **mine, status="in_review")
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    return Proposal(workspace, maker, pull, mine)


@ON_SQLITE
async def test_an_agent_approves_no_head_that_it_does_not_name(proposal: Proposal) -> None:
    ann = await proposal.workspace.agent("ann", "tester")
    refused = await ann.refusal("github_review_pr", **proposal.given, event="APPROVE")
    assert (refused.code, refused.message.split(":")[0]) == (
        "invalid_arguments",
        "Pass `sha` with `event` APPROVE",
    )


async def test_an_approval_counts_for_its_head_and_is_outdated_by_the_next_push(
    proposal: Proposal,
) -> None:
    ann = await proposal.workspace.agent("ann", "tester")
    await ann.call("github_review_pr", **proposal.given, **proposal.approval)
    pull = (await proposal.task())["pull"]
    assert pull["review"] == "approved"
    assert pull["reviews"] == [
        {
            "by": "ann",
            "verdict": "approved",
            "head": proposal.pull.head_sha,
            "outdated": False,
        }
    ]
    await proposal.workspace.settle()
    assert "Approved by `ann`." in proposal.card()
    # GitHub has only a comment by the App.
    texts = (await ann.call("github_get_thread", task=proposal.name))["texts"]
    assert [(each["author"], each["state"]) for each in texts[1:]] == [("ann", "approved")]
    await proposal.push()
    assert (await proposal.task())["pull"]["review"] == "none"
    assert await proposal.reviews() == [("ann", "approved", True)]
    assert "Approved by `ann` (before the last push)." in proposal.card()


async def test_the_last_verdict_of_each_reviewer_counts_whether_agent_or_person(
    proposal: Proposal,
) -> None:
    workspace = proposal.workspace
    ann = await workspace.agent("ann", "tester")
    hubot = workspace.github.person("hubot", permissions={"acme/rocket": "write"})
    await ann.call("github_review_pr", **proposal.given, event="REQUEST_CHANGES", body="No")
    await workspace.settle()
    workspace.clock.forward(1)
    review = hubot.review(proposal.pull, "approved", "Yes")
    await workspace.settle()
    assert (await proposal.task())["pull"]["review"] == "changes_requested"
    assert "Approved by `@hubot`; changes requested by `ann`." in proposal.card()
    await ann.call("github_review_pr", **proposal.given, **proposal.approval)
    await ann.call("github_review_pr", **proposal.given, body="By the way")
    await workspace.settle()
    assert await proposal.reviews() == [("@hubot", "approved", False), ("ann", "approved", False)]
    workspace.clock.forward(1)
    workspace.person.dismiss_review(review)
    await workspace.settle()
    assert await proposal.reviews() == [("ann", "approved", False)]


@ON_SQLITE
async def test_who_worked_on_a_pull_request_cannot_decide_about_it(proposal: Proposal) -> None:
    helper = await proposal.workspace.agent("helper", "tech-lead")
    await proposal.workspace.agent("ann", "tester")
    await proposal.workspace.agent("watcher", "observer")
    more = {"files": [{"path": "b.py", "content": "1\n"}]}
    here = {"repository": "acme/rocket", "branch": "fix", "message": "More"}
    await helper.call("github_commit_files", **here, **more)
    await proposal.workspace.settle()
    for each in (proposal.maker, helper):
        refused = await each.refusal("github_review_pr", **proposal.given, event="APPROVE")
        assert refused.code == "own_work"
        assert refused.message == (
            f"You worked on #{proposal.pull.number}, so you cannot approve it or request changes. "
            "Ask another with github_update_pr `reviewers`: ann."
        )
    await helper.call("github_review_pr", **proposal.given, body="I think it is fine.")
    assert await proposal.reviews() == [("helper", "commented", False)]


@ON_SQLITE
async def test_a_verdict_on_another_head_than_the_pull_requests_is_refused(
    proposal: Proposal,
) -> None:
    ann = await proposal.workspace.agent("ann", "tester")
    seen = proposal.pull.head_sha
    await proposal.push()
    given = proposal.given | {"event": "APPROVE", "sha": seen}
    refused = await ann.refusal("github_review_pr", **given)
    assert (refused.code, refused.details) == ("stale_head", {"head": proposal.pull.head_sha})
    assert "Read it with github_get_diff" in refused.message
    await ann.call("github_review_pr", **given | {"sha": proposal.pull.head_sha})
    assert await proposal.reviews() == [("ann", "approved", False)]


@ON_SQLITE
async def test_a_merged_pull_request_takes_comments_but_no_verdict(proposal: Proposal) -> None:
    ann = await proposal.workspace.agent("ann", "tester")
    proposal.workspace.person.merge(proposal.pull)
    await proposal.workspace.settle()
    refused = await ann.refusal("github_review_pr", **proposal.given, event="APPROVE")
    assert "is merged, so it takes no verdict" in refused.message
    await ann.call("github_review_pr", **proposal.given, body="Well done")
    await proposal.workspace.settle()
    assert len(proposal.pull.reviews) == 1


@ON_SQLITE
async def test_changes_that_an_agent_requests_send_the_task_back_at_once_and_say_why(
    proposal: Proposal,
) -> None:
    ann = await proposal.workspace.agent("ann", "tester")
    cursor = (await proposal.maker.call("wait_for_events", topics=["tasks"]))["cursor"]
    no = {"event": "REQUEST_CHANGES", "body": f"It leaks. {'x' * 300}"}
    queued = await ann.write("github_review_pr", **proposal.given, **no)
    task = await proposal.task()
    assert (task["state"], task["holder"]) == ("in_progress", "maker")
    # Its lease ends again, so the holder must work.
    assert task["lease_expires_at"] is not None
    found = await proposal.maker.call("wait_for_events", topics=["tasks"], cursor=cursor)
    reviewed, sent_back = found["events"]
    assert (reviewed["kind"], reviewed["actor"]) == ("task.reviewed", "ann")
    assert reviewed["data"] == {
        "pull": proposal.pull.number,
        "state": "changes_requested",
        "body": f"{no['body'][:199]}…",
        "write_id": queued["write_id"],
    }
    assert (sent_back["kind"], sent_back["actor"], sent_back["data"]) == (
        "task.in_progress",
        "ann",
        {"why": f"ann requested changes on #{proposal.pull.number}"},
    )


@ON_SQLITE
async def test_who_asks_for_review_of_a_head_with_requested_changes_is_told_what_to_do(
    proposal: Proposal,
) -> None:
    ann = await proposal.workspace.agent("ann", "tester")
    await ann.call("github_review_pr", **proposal.given, event="REQUEST_CHANGES", body="No")
    report, maker = {**proposal.mine, "status": "in_review"}, proposal.maker
    asked = await maker.call("update_task_status", **report)
    assert asked["task"]["state"] == "in_review"
    assert asked["hint"] == (
        f"ann requested changes on {proposal.pull.head_sha[:7]}, which is still the head of "
        f"#{proposal.pull.number}. Push a commit, or answer with github_comment_issue and ask "
        "again with github_update_pr `reviewers`."
    )
    # A commit that is queued answers the request.
    await maker.call("update_task_status", **proposal.mine, status="in_progress")
    more = {"files": [{"path": "b.py", "content": "1\n"}], "branch": "fix", "message": "More"}
    await maker.call("github_commit_files", **proposal.mine, **more)
    assert "hint" not in await maker.call("update_task_status", **report)


@ON_SQLITE
async def test_a_verdict_counts_no_more_when_its_review_is_not_posted(proposal: Proposal) -> None:
    ann = await proposal.workspace.agent("ann", "tester")
    queued = await ann.write("github_review_pr", **proposal.given, **proposal.approval)
    assert await proposal.reviews() == [("ann", "approved", False)]
    await ann.call("cancel_write", write_id=queued["write_id"])
    assert await proposal.reviews() == []


@ON_SQLITE
async def test_the_card_loses_the_verdict_of_an_agent_that_leaves_before_its_review_is_posted(
    proposal: Proposal,
) -> None:
    workspace = proposal.workspace
    ann, lead = await workspace.agent("ann", "tester"), await workspace.agent("lead", "tech-lead")
    await ann.write("github_review_pr", **proposal.given, **proposal.approval)
    await lead.call("manage_agent", agent_id="ann", action="pause")
    await workspace.settle()
    await workspace.time_passes(120)
    assert "Approved by `ann`." in proposal.card()
    await lead.call("manage_agent", agent_id="ann", action="unregister")
    await workspace.settle()
    await workspace.time_passes(120)
    assert await proposal.reviews() == []
    assert "Approved" not in proposal.card()


async def persons_pull(workspace: Workspace) -> tuple[str, Pull]:
    """A task, and the pull request of a person that closes its issue."""
    issue = await workspace.task()
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    body = f"Closes #{issue.number}"
    pull = workspace.person.open_pull(workspace.repository, title="T", head="fix", body=body)
    await workspace.settle()
    return workspace.name(issue), pull


@ON_SQLITE
async def test_a_person_may_dismiss_an_agents_approval_of_a_persons_pull_request(
    workspace: Workspace,
) -> None:
    ann = await workspace.agent("ann", "tester")
    where, pull = await persons_pull(workspace)
    name = f"acme/rocket#{pull.number}"
    approval = {"event": "APPROVE", "sha": pull.head_sha}
    await ann.call("github_review_pr", pull_request=name, **approval)
    await workspace.settle()

    async def decision() -> str:
        found = await ann.call("get_task", task=where)
        decided: str = found["around"]["pull_requests"][0]["review"]
        return decided

    assert await decision() == "approved"
    workspace.clock.forward(1)
    workspace.person.dismiss_review(pull.reviews[0])
    await workspace.settle()
    assert await decision() == "none"


@ON_SQLITE
async def test_an_approval_does_not_come_back_when_later_requested_changes_are_dismissed(
    workspace: Workspace,
) -> None:
    ann = await workspace.agent("ann", "tester")
    where, pull = await persons_pull(workspace)
    given = {"pull_request": f"acme/rocket#{pull.number}", "sha": pull.head_sha}
    for event in ("APPROVE", "REQUEST_CHANGES"):
        await ann.call("github_review_pr", **given, event=event, body="Look")
        await workspace.settle()
        workspace.clock.forward(1)
    workspace.person.dismiss_review(pull.reviews[1])
    await workspace.settle()
    found = await ann.call("get_task", task=where)
    assert found["around"]["pull_requests"][0]["review"] == "none"


@ON_SQLITE
@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"path": "a.py", "line": 9}, "line 9 of a.py is not in the diff; RIGHT has 1-3"),
        (
            {"path": "a.py", "line": 1, "side": "LEFT"},
            "line 1 of a.py is not in the diff; LEFT has none",
        ),
        ({"path": "z.py", "line": 1}, "z.py is not changed; changed are a.py"),
    ],
)
async def test_a_comment_beside_the_changes_is_refused_with_the_lines_that_there_are(
    proposal: Proposal, line: dict[str, Any], why: str
) -> None:
    ann = await proposal.workspace.agent("ann", "tester")
    await ann.call("github_get_diff", task=proposal.given["pull_request"])
    await proposal.workspace.settle()
    refused = await ann.refusal(
        "github_review_pr", **proposal.given, comments=[line | {"body": "why"}]
    )
    assert (refused.code, refused.message) == ("invalid_arguments", f"`comments.0`: {why}.")


@ON_SQLITE
async def test_a_comment_across_two_parts_of_the_diff_is_refused(workspace: Workspace) -> None:
    ann = await workspace.agent("ann", "tester")
    old = "".join(f"{n}\n" for n in range(1, 31))
    new = old.replace("\n5\n", "\nfive\n").replace("\n25\n", "\ntwenty-five\n")
    workspace.person.push(workspace.repository, "main", {"a.py": old})
    workspace.person.push(workspace.repository, "fix", {"a.py": new}, base="main")
    pull = workspace.person.open_pull(workspace.repository, title="T", head="fix")
    await workspace.settle()
    across = {"path": "a.py", "start_line": 5, "line": 25, "body": "why"}
    given = {"pull_request": f"acme/rocket#{pull.number}"}
    refused = await ann.refusal("github_review_pr", **given, comments=[across])
    assert str(refused) == (
        "`comments.0`: `start_line` and `line` must be in one part of the diff; "
        "RIGHT of a.py has 2-8, 22-28."
    )
    await ann.call("github_review_pr", **given, comments=[across | {"line": 7}])
    await workspace.settle()
    assert [each.start_line for each in pull.review_comments] == [5]


@ON_SQLITE
async def test_a_comment_on_changes_that_the_mirror_lacks_is_checked_by_github(
    proposal: Proposal,
) -> None:
    ann = await proposal.workspace.agent("ann", "tester")
    workspace = proposal.workspace
    workspace.person.push(workspace.repository, "fix", {"b.py": "1\n"})
    while await workspace.process_delivery():
        pass  # the read of the changed files has not been sent yet
    queued = await ann.write(
        "github_review_pr",
        **proposal.given,
        **proposal.approval,
        comments=[{"path": "b.py", "line": 7, "body": "why"}],
    )
    await workspace.settle()
    refusal = (await ann.write("get_write", write_id=queued["write_id"]))["refusal"]
    assert refusal["details"]["reason"] == "not_in_diff"
    assert "Comment only on lines that github_get_diff shows." in refusal["message"]
    assert await proposal.reviews() == []


@ON_SQLITE
async def test_an_agent_is_asked_for_a_review_by_its_id_with_a_message_and_an_event(
    proposal: Proposal,
) -> None:
    workspace = proposal.workspace
    ann = await workspace.agent("ann", "tester")
    workspace.github.person("monalisa", permissions={"acme/rocket": "write"})
    cursor = (await ann.call("wait_for_events", topics=["tasks"]))["cursor"]
    answer = await proposal.maker.call(
        "github_update_pr", **proposal.given, reviewers=["ann", "monalisa"]
    )
    assert answer["asked"] == ["ann"]
    await workspace.settle()
    assert [each.login for each in proposal.pull.requested_reviewers] == ["monalisa"]
    (message,) = (await ann.call("get_messages"))["messages"]
    assert (message["sender"], message["priority"]) == ("maker", "low")
    assert message["body"].startswith(f"Please review {proposal.name}: Mend it.")
    (event,) = (await ann.call("wait_for_events", topics=["tasks"], cursor=cursor))["events"]
    assert (event["kind"], event["actor"], event["data"]) == (
        "task.review_requested",
        "maker",
        {"pull": proposal.pull.number, "to": "ann", "message": message["id"]},
    )
    for wanted, code in (("maker", "own_work"), ("gone", "unknown_agent")):
        gone = await workspace.agent("gone")
        await gone.call("manage_agent", agent_id="gone", action="unregister")
        refused = await proposal.maker.refusal(
            "github_update_pr", **proposal.given, reviewers=[wanted]
        )
        assert refused.code == code


@ON_SQLITE
async def test_an_agent_that_worked_on_a_pull_request_is_not_asked_to_review_it(
    proposal: Proposal,
) -> None:
    workspace = proposal.workspace
    bob = await workspace.agent("bob", "tech-lead")
    await workspace.agent("away")
    workspace.clock.forward(24 * 3600)
    await workspace.agent("ann")
    more = {"files": [{"path": "b.py", "content": "1\n"}]}
    await bob.call("github_commit_files", repository="acme/rocket", **more, **FIX)
    await workspace.settle()
    lead = await workspace.agent("lead", "tech-lead")
    refused = await lead.refusal("github_update_pr", **proposal.given, reviewers=["ann", "bob"])
    assert refused.code == "own_work"
    assert refused.message == (
        f"bob worked on #{proposal.pull.number}, so bob cannot approve it. Nobody was asked. "
        "Ask another with github_update_pr `reviewers`: ann."
    )


@ON_SQLITE
async def test_who_reviews_an_issue_is_sent_to_comments(proposal: Proposal) -> None:
    ann = await proposal.workspace.agent("ann", "tester")
    refused = await ann.refusal("github_review_pr", pull_request=proposal.mine["task"], body="Hm")
    assert refused.message.endswith("It is an issue. github_comment_issue comments on it.")


@ON_SQLITE
async def test_the_refusal_of_a_reviewer_without_access_names_agents_as_the_way(
    proposal: Proposal,
) -> None:
    given = proposal.given | {"reviewers": ["stranger"]}
    queued = await proposal.maker.write("github_update_pr", **given)
    await proposal.workspace.settle()
    refusal = (await proposal.maker.write("get_write", write_id=queued["write_id"]))["refusal"]
    assert refusal["details"]["reason"] == "no_collaborator"
    assert "Pass an agent by its id (list_agents)" in refusal["message"]
