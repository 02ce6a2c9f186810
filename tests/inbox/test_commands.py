"""Slash commands of people, from the comment to its effect and its answer."""

import asyncio
import re
from functools import partial

import pytest

from bot.inbox import processing, worker
from fixtures.github import Comment, Delivery, Issue, Person, ReviewComment
from store.inbox import deliveries
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace


def reactions(comment: Comment | ReviewComment) -> list[str]:
    return [each.content for each in comment.reactions]


def said_by_hubbub(comment: Comment) -> str:
    """The reply, without its hidden marker."""
    marker, _, reply = comment.body.partition("\n")
    assert marker.startswith("<!-- hubbub:")
    return reply


async def test_a_person_claims_by_a_comment_and_keeps_the_task_without_end(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    comment = workspace.person.comment(issue, "I do this one.\n\n/claim\n")
    await workspace.settle()
    assert reactions(comment) == ["+1"]
    agent = await workspace.agent("scout")
    await workspace.time_passes(30 * 24 * 3600)
    refused = await agent.refusal("claim_task", task=workspace.name(issue))
    assert (refused.code, refused.details["holder"]) == ("already_claimed", "@octocat")


async def test_a_person_takes_a_task_from_an_agent(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    comment = workspace.person.comment(issue, "/release it is mine")
    await workspace.settle()
    assert reactions(comment) == ["+1"]
    task = (await agent.call("get_task", task=workspace.name(issue)))["task"]
    assert (task["state"], task["holder"], task["note"]) == ("pending", None, "it is mine")
    late = await agent.refusal("release_task", task=workspace.name(issue), fence=fence)
    assert late.code == "not_holder"


async def test_status_and_help_answer_with_a_comment(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/status")
    await workspace.settle()
    assert said_by_hubbub(issue.comments[-1]) == (
        "This task is **waiting for an agent**. Its priority is medium."
    )
    workspace.person.comment(issue, "/help")
    await workspace.settle()
    for verb in ("/claim", "/hold", "/status", "/help"):
        assert f"`{verb}" in issue.comments[-1].body


async def test_commands_work_in_reviews_and_review_comments_of_a_pull_request(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await agent.write(
        "github_create_pr", task=workspace.name(issue), fence=fence, head="fix", title="Mend"
    )
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    workspace.person.review(pull, "commented", "/help")
    await workspace.settle()
    assert "/release" in pull.comments[-1].body
    assert [each.content for each in pull.reviews[-1].reactions] == ["+1"]
    inline = workspace.person.review_comment(pull, "a.py", 1, "/help")
    await workspace.settle()
    assert reactions(inline) == ["+1"]


@pytest.mark.parametrize(
    "body",
    [
        "```\n/claim\n```",
        "> /claim",
        "    /claim",
        "<!--\n/claim\n-->",
        "please /claim it",
        "`x\n/claim`",
        "/usr/bin/claim",
        "/unheard-of",
    ],
)
@ON_SQLITE
async def test_what_is_no_command_is_left_alone(workspace: Workspace, body: str) -> None:
    issue = await workspace.task()
    comment = workspace.person.comment(issue, body)
    await workspace.settle()
    assert (reactions(comment), issue.comments) == ([], [comment])


async def test_a_stranger_is_told_once_why_nothing_was_done(workspace: Workspace) -> None:
    issue = await workspace.task()
    reader = workspace.github.person("monalisa", permissions={"acme/rocket": "read"})
    comment = reader.comment(issue, "/claim")
    await workspace.settle()
    assert reactions(comment) == ["confused"]
    (_, reply) = issue.comments
    assert said_by_hubbub(reply) == (
        "@monalisa, Hubbub did not run `/claim`: you need the permission write on this "
        "repository, and you have read. Somebody with the permission admin can give you more."
    )
    assert (await (await workspace.agent("scout")).call("claim_task"))["task"]["holder"] == "scout"


@ON_SQLITE
async def test_an_unknown_command_that_names_us_is_taught(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/hubbub explode")
    await workspace.settle()
    assert said_by_hubbub(issue.comments[-1]) == (
        "@octocat, Hubbub did not run `/hubbub explode`: there is no such command. `/help` lists "
        "the commands."
    )


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("/priority urgentt", "`priority` must be low, medium or high."),
        (
            "/unblock 1",
            "`1` is not an issue. Write `#1`, or `owner/repo#1` for another repository.",
        ),
    ],
)
@ON_SQLITE
async def test_a_person_who_mistypes_a_word_reads_what_to_write(
    workspace: Workspace, command: str, why: str
) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, command)
    await workspace.settle()
    said = said_by_hubbub(issue.comments[-1])
    assert said == f"@octocat, Hubbub did not run `{command}`: {why}"


async def test_a_refused_person_reads_what_a_person_can_do_and_no_name_of_a_tool(
    workspace: Workspace,
) -> None:
    plain = workspace.person.open_issue(workspace.repository, "No task")
    issue = await workspace.task()
    workspace.person.comment(plain, "/claim")
    workspace.person.comment(
        issue, "/assign nobody\n/ask Why?\n/block #99\n/priority\n/retry it is back"
    )
    await workspace.settle()
    said = [said_by_hubbub(each) for each in (*plain.comments[1:], *issue.comments[1:])]
    assert dict(re.findall(r"did not run `(.*?)`: (.*)", "\n".join(said))) == {
        "/claim": "#1 is not a task. Add the label `agent-task` to an issue to make it a task.",
        "/assign nobody": "No agent 'nobody' is registered in this installation. `/agents` lists "
        "the agents.",
        "/ask Why?": "Nobody holds #2, so nobody would get the message. Write a comment "
        "without a command, for the one that claims the task.",
        "/block #99": "Hubbub knows no issue '#99'. Check the number, and that the App is "
        "installed on its repository.",
        "/priority": "a word is missing. Write `/priority <priority>`: set the priority: low, "
        "medium or high.",
        "/retry it is back": "#2 is pending, so there is nothing to retry.",
    }


async def test_a_command_runs_once_however_often_its_delivery_comes(workspace: Workspace) -> None:
    issue = await workspace.task()
    comment = workspace.person.comment(issue, "/status")
    await workspace.settle()
    sent = next(d for d in workspace.github.deliveries if d.event == "issue_comment")
    for _ in range(3):
        await workspace.github.post(sent)
    workspace.github.redeliver(sent)
    await workspace.settle()
    assert len(issue.comments) == 2
    assert reactions(comment) == ["+1"]


async def test_an_edit_runs_the_commands_it_adds_and_none_again(workspace: Workspace) -> None:
    issue = await workspace.task()
    comment = workspace.person.comment(issue, "/status")
    await workspace.settle()
    workspace.clock.forward(2)
    workspace.person.edit_comment(comment, "One line more.\n\n/status\n\n/claim")
    await workspace.settle()
    replies = [c for c in issue.comments if "This task is" in c.body]
    assert len(replies) == 1
    agent = await workspace.agent("scout")
    assert (await agent.refusal("claim_task", task=workspace.name(issue))).details[
        "holder"
    ] == "@octocat"


async def test_ten_thousand_commands_in_a_comment_run_none_and_get_one_reply(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/claim\n" * 9_000)
    await workspace.settle()
    (_, reply) = issue.comments
    assert said_by_hubbub(reply) == (
        "@octocat, this comment has 9000 commands, and a comment may have at most 10. Hubbub ran "
        "none of them. Split them over several comments."
    )
    agent = await workspace.agent("scout")
    assert (await agent.call("claim_task", task=workspace.name(issue)))["fence"] == 1


async def test_the_bot_does_not_obey_itself_or_another_bot(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="/claim")
    await workspace.settle()
    assert len(issue.comments) == 1
    task = (await agent.call("get_task", task=workspace.name(issue)))["task"]
    assert task["state"] == "pending"


async def test_a_permission_is_asked_for_once_and_kept_for_five_minutes(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    for _ in range(4):
        workspace.person.comment(issue, "/status")
        workspace.clock.forward(1)
        await workspace.settle()
    asked = [r for r in workspace.github.requests if r.path.endswith("/permission")]
    assert len(asked) == 1
    workspace.github.set_permission("acme/rocket", "octocat", "read")
    await workspace.time_passes(301)
    workspace.person.comment(issue, "/claim")
    await workspace.settle()
    assert "you need the permission write" in issue.comments[-1].body


async def test_the_login_counts_in_any_letter_case(workspace: Workspace) -> None:
    person = workspace.github.person("MonaLisa", permissions={"acme/rocket": "write"})
    issue = await workspace.task()
    comment = person.comment(issue, "/claim")
    await workspace.settle()
    assert reactions(comment) == ["+1"]
    keys = await workspace.rows("SELECT login_key FROM permissions WHERE installation_id = :i")
    assert {row["login_key"] for row in keys} == {"monalisa"}


async def test_a_command_that_comes_in_a_day_late_is_not_run(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.github.hold_deliveries()
    workspace.person.comment(issue, "/claim")
    workspace.clock.forward(25 * 3600)
    workspace.github.release_deliveries()
    await workspace.settle()
    agent = await workspace.agent("scout")
    assert (await agent.call("claim_task", task=workspace.name(issue)))["task"]["holder"] == "scout"


@ON_SQLITE
async def test_no_word_of_a_person_is_taken_for_our_own(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/hubbub too-many")
    workspace.person.comment(issue, '/hubbub "too many"')
    await workspace.settle()
    rows = await workspace.rows("SELECT state FROM commands WHERE installation_id = :i")
    assert {row["state"] for row in rows} == {"refused"}


async def is_held(workspace: Workspace, issue: Issue) -> bool:
    (row,) = await workspace.rows(
        "SELECT held FROM tasks WHERE installation_id = :i AND number = :n", n=issue.number
    )
    return bool(row["held"])


async def states(workspace: Workspace) -> dict[str, str]:
    """How each command of the workspace ended, by its text."""
    rows = await workspace.rows("SELECT text, state FROM commands WHERE installation_id = :i")
    return {row["text"]: row["state"] for row in rows}


def deliveries_of(workspace: Workspace, event: str = "issue_comment") -> list[Delivery]:
    return [each for each in workspace.github.deliveries if each.event == event]


async def test_a_command_waits_for_an_older_one_whose_author_is_not_known_yet(
    workspace: Workspace,
) -> None:
    issue, other = await workspace.task(), await workspace.task("Another")
    workspace.person.comment(issue, "/status")
    await workspace.settle()
    newcomer = workspace.github.person("newbie", permissions={"acme/rocket": "write"})
    newcomer.comment(issue, "/hold")
    await workspace.process_delivery()
    workspace.clock.forward(2)
    workspace.person.comment(issue, "/resume")
    workspace.person.comment(other, "/hold elsewhere")
    while await workspace.process_delivery():
        pass
    ended = {"/status": "done", "/hold elsewhere": "done"}
    assert await states(workspace) == {**ended, "/hold": "waiting", "/resume": "waiting"}
    assert await is_held(workspace, other)
    await workspace.settle()
    assert not await is_held(workspace, issue)
    assert await states(workspace) == {**ended, "/hold": "done", "/resume": "done"}


@pytest.mark.parametrize(
    ("first", "second"), [("/hold", "/resume"), ("/priority low", "/priority high")]
)
async def test_of_a_backlog_the_last_word_written_counts_in_any_order_of_deliveries(
    workspace: Workspace, first: str, second: str
) -> None:
    issue = await workspace.task()
    workspace.github.hold_deliveries()
    workspace.person.comment(issue, first)
    workspace.clock.forward(5)
    workspace.person.comment(issue, second)
    older, newer = (
        each for each in workspace.github.held_deliveries if each.event == "issue_comment"
    )
    for each in (newer, older):
        await workspace.github.post(each)
    await workspace.settle()
    (task,) = await workspace.rows("SELECT held, priority FROM tasks WHERE installation_id = :i")
    assert (task["held"], task["priority"]) == (0, 1 if "hold" in first else 2)


async def test_a_command_waits_for_a_delivery_of_its_issue_that_has_an_older_text(
    workspace: Workspace,
) -> None:
    """As if another server processed it, or had failed to."""
    issue, other = await workspace.task(), await workspace.task("Another")
    workspace.person.comment(issue, "/help")
    await workspace.settle()
    workspace.github.hold_deliveries()
    workspace.person.comment(issue, "/hold")
    workspace.clock.forward(5)
    workspace.person.comment(issue, "/resume")
    workspace.person.comment(other, "/hold elsewhere")
    await post_all(workspace)
    older = next(
        each for each in deliveries_of(workspace) if each.payload["comment"]["body"] == "/hold"
    )
    await fail(workspace, older)
    while await workspace.process_delivery():
        pass
    ended = {"/help": "done", "/hold elsewhere": "done"}
    assert await states(workspace) == {**ended, "/resume": "waiting"}
    workspace.clock.forward(60)
    await workspace.settle()
    assert await states(workspace) == {**ended, "/hold": "done", "/resume": "done"}
    assert not await is_held(workspace, issue)


async def post_all(workspace: Workspace) -> None:
    workspace.github.release_deliveries()
    await workspace.github.wait_for_deliveries()


async def fail(workspace: Workspace, sent: Delivery) -> None:
    await workspace.store.write(
        lambda tx: deliveries.mark_failed(tx, workspace.installation.id, sent.guid, "an error")
    )


async def test_comments_of_one_second_run_in_the_order_of_their_ids_and_lines(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    workspace.github.hold_deliveries()
    workspace.person.comment(issue, "/priority high\n/hold first")
    workspace.person.comment(issue, "/resume\n/priority low\n/hold second")
    await post_all(workspace)
    await workspace.settle()
    rows = await workspace.rows(
        "SELECT text FROM commands WHERE installation_id = :i ORDER BY answered_at"
    )
    assert [row["text"] for row in rows] == [
        "/priority high",
        "/hold first",
        "/resume",
        "/priority low",
        "/hold second",
    ]


async def test_a_permission_that_never_comes_ends_its_command_and_not_the_later_ones(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/status")
    await workspace.settle()
    newcomer = workspace.github.person("newbie", permissions={"acme/rocket": "write"})
    workspace.github.fault("GET", r".*/collaborators/newbie/permission", "500", times=70)
    held = newcomer.comment(issue, "/hold")
    workspace.clock.forward(2)
    resumed = workspace.person.comment(issue, "/priority high")
    await workspace.settle()
    for _ in range(5):
        await workspace.time_passes(150)
    assert (reactions(held), reactions(resumed)) == (["confused"], ["+1"])
    assert said_by_hubbub(issue.comments[-1]) == (
        "@newbie, Hubbub did not run `/hold`: GitHub did not tell Hubbub your permission on this "
        "repository in time. Write the command again."
    )


async def test_a_command_that_comes_late_does_not_undo_one_that_was_written_later(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    workspace.github.hold_deliveries()
    late = workspace.person.comment(issue, "/hold\n/priority high")
    (lost,) = (each for each in workspace.github.held_deliveries if each.event == "issue_comment")
    workspace.clock.forward(5)
    workspace.person.comment(issue, "/resume")
    (sent,) = (
        each
        for each in workspace.github.held_deliveries
        if each.event == "issue_comment" and each != lost
    )
    await workspace.github.post(sent)
    await workspace.settle()
    await workspace.github.post(lost)
    await workspace.settle()
    (task,) = await workspace.rows("SELECT held, priority FROM tasks WHERE installation_id = :i")
    assert (task["held"], task["priority"]) == (0, 2)
    # The reply says which of the two was not done.
    assert reactions(late) == ["confused"]
    assert said_by_hubbub(issue.comments[-1]) == (
        "@octocat, Hubbub did not run `/hold`: it reached Hubbub late, and `/resume`, which was "
        "written after it, has run. Write the command again if you still want it."
    )


async def waiting_command(workspace: Workspace, body: str) -> tuple[Issue, Person, Comment]:
    """A comment with a command that waits for its author's permission."""
    issue = await workspace.task()
    newcomer = workspace.github.person("newbie", permissions={"acme/rocket": "write"})
    comment = newcomer.comment(issue, body)
    await workspace.process_delivery()
    workspace.clock.forward(2)
    return issue, newcomer, comment


async def test_a_command_whose_comment_is_deleted_before_its_turn_does_not_run(
    workspace: Workspace,
) -> None:
    issue, newcomer, comment = await waiting_command(workspace, "/cancel")
    newcomer.delete_comment(comment)
    await workspace.settle()
    assert await states(workspace) == {"/cancel": "withdrawn"}
    assert (issue.state, issue.comments) == ("open", [])


async def test_a_command_whose_line_is_gone_before_its_turn_does_not_run(
    workspace: Workspace,
) -> None:
    issue, newcomer, comment = await waiting_command(workspace, "/cancel\n/hold")
    newcomer.edit_comment(comment, "`/cancel` was wrong.\n/hold")
    await workspace.settle()
    assert await states(workspace) == {"/cancel": "withdrawn", "/hold": "done"}
    assert issue.state == "open"


async def test_a_line_that_was_removed_and_is_written_again_runs_again(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    comment = workspace.person.comment(issue, "/hold")
    await workspace.settle()
    for body in ("/resume", "/hold"):
        workspace.clock.forward(2)
        workspace.person.edit_comment(comment, body)
        await workspace.settle()
    assert await is_held(workspace, issue)


async def test_of_two_texts_of_one_second_a_command_runs_if_github_shows_it(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    for before, after in (("/hold a", "/hold b"), ("/hold d", "/hold c")):
        comment = workspace.person.comment(issue, before)
        workspace.person.edit_comment(comment, after)
        await workspace.settle()
        await workspace.time_passes(31)
    assert await states(workspace) == {
        "/hold a": "withdrawn",
        "/hold b": "done",
        "/hold c": "done",
        "/hold d": "withdrawn",
    }


async def test_a_command_that_hubbub_cannot_run_ends_and_not_the_later_ones(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    broken = workspace.person.comment(issue, "/hold")
    workspace.clock.forward(2)
    fine = workspace.person.comment(issue, "/priority high")
    await workspace.github.wait_for_deliveries()
    for each in await workspace.store.read(lambda tx: deliveries.due(tx, 10)):
        await processing.process(
            workspace.store,
            workspace.dispatcher.shared.keys,
            each["installation_id"],
            [each["guid"]],
        )
    await workspace.store.write(
        lambda tx: tx.run(
            "UPDATE commands SET words = '[[1]]' WHERE installation_id = :i AND verb = 'hold'",
            i=workspace.installation.id,
        )
    )
    for _ in range(6):
        await workspace.time_passes(300)
    assert (reactions(broken), reactions(fine)) == (["confused"], ["+1"])


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("\u200b/hold", "held"),
        ("/hold!", "held"),
        ("/Hold.", "held"),
        ("/hubbub: hold", "held"),
        ("![shot](https://x.test/a.png)\n<br>\n/hold", "held"),
        ("/priority High.", "high"),
    ],
)
@ON_SQLITE
async def test_small_things_around_a_command_do_not_matter(
    workspace: Workspace, body: str, state: str
) -> None:
    issue = await workspace.task()
    comment = workspace.person.comment(issue, body)
    await workspace.settle()
    (row,) = await workspace.rows("SELECT held, priority FROM tasks WHERE installation_id = :i")
    assert {"held": row["held"] == 1, "high": row["priority"] == 2}[state]
    assert reactions(comment) == ["+1"]


@ON_SQLITE
async def test_an_agents_name_may_be_written_as_people_write_names(workspace: Workspace) -> None:
    issue = await workspace.task()
    await workspace.agent("scout")
    comment = workspace.person.comment(issue, "/assign @Scout.")
    await workspace.settle()
    assert reactions(comment) == ["+1"]


@ON_SQLITE
async def test_the_first_near_miss_of_a_text_gets_one_reply_and_a_path_none(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    comment = workspace.person.comment(issue, "/clam\n/usr/bin\n/relase\n/hold? or not\n/etc")
    await workspace.settle()
    (_, reply) = issue.comments
    assert said_by_hubbub(reply) == (
        "@octocat, Hubbub did not run `/clam`: there is no such command. Did you mean `/claim`? "
        "`/help` lists the commands."
    )
    assert reactions(comment) == ["confused"]


async def test_an_issue_may_begin_with_a_command(workspace: Workspace) -> None:
    issue = await workspace.task(body="Some day.\n\n/hold until June\n/priority high")
    (row,) = await workspace.rows("SELECT held, priority FROM tasks WHERE installation_id = :i")
    assert (row["held"], row["priority"]) == (1, 2)
    assert [each.content for each in issue.reactions] == ["+1"]
    workspace.clock.forward(2)
    workspace.person.edit_issue(issue, title="Another title")
    workspace.clock.forward(2)
    workspace.person.edit_issue(issue, body="Now.\n\n/resume\n/priority high")
    await workspace.settle()
    assert not await is_held(workspace, issue)
    assert len(await states(workspace)) == 3


async def test_a_comment_comes_after_the_body_of_its_second(workspace: Workspace) -> None:
    workspace.github.hold_deliveries()
    issue = workspace.person.open_issue(
        workspace.repository, "Mend it", "/hold", labels=["agent-task"]
    )
    workspace.person.comment(issue, "/resume")
    await post_all(workspace)
    await workspace.settle()
    assert not await is_held(workspace, issue)


@ON_SQLITE
async def test_a_pull_request_may_begin_with_a_command(workspace: Workspace) -> None:
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    pull = workspace.person.open_pull(
        workspace.repository, "Mend", head="fix", base="main", body="/help"
    )
    await workspace.settle()
    assert "`/agents`" in pull.comments[-1].body
    assert [each.content for each in pull.issue.reactions] == ["+1"]


@ON_SQLITE
async def test_an_issue_that_an_agent_opens_has_no_commands(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    await agent.call("create_task", repository="acme/rocket", title="Mend it", body="/hold")
    await workspace.settle()
    assert await states(workspace) == {}


@ON_SQLITE
async def test_a_command_that_holds_up_no_other_outlasts_an_outage_of_github(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    workspace.github.fault("GET", r".*/permission", "500", times=10)
    workspace.person.comment(issue, "/hold")
    await workspace.process_delivery()
    for _ in range(3):
        workspace.clock.forward(600)
        await workspace.process_delivery()
    assert await states(workspace) == {"/hold": "waiting"}
    await workspace.settle()
    assert await is_held(workspace, issue)


async def test_several_workers_run_the_commands_of_each_issue_in_order(
    workspace: Workspace,
) -> None:
    issues = [await workspace.task(f"Task {n}") for n in range(4)]
    workspace.github.hold_deliveries()
    for body in ("/hold", "/priority high", "/resume", "/priority low"):
        for issue in issues:
            workspace.person.comment(issue, body)
        workspace.clock.forward(1)
    sent = [each for each in workspace.github.held_deliveries if each.event == "issue_comment"]
    for each in sent[::-1]:
        await workspace.github.post(each)
    step = partial(worker.step, workspace.store, workspace.dispatcher.shared)
    while any(await asyncio.gather(step(), step(), step())):
        pass
    await workspace.settle()
    rows = await workspace.rows("SELECT held, priority FROM tasks WHERE installation_id = :i")
    assert [(row["held"], row["priority"]) for row in rows] == [(0, 0)] * 4


async def test_an_issue_that_moves_does_not_run_its_commands_again(workspace: Workspace) -> None:
    target = workspace.github.repository("acme/launchpad", private=True)
    workspace.github.set_permission("acme/launchpad", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/launchpad"])
    issue = await workspace.task(body="/hold")
    workspace.person.comment(issue, "/resume")
    await workspace.settle()
    moved = workspace.person.transfer_issue(issue, target)
    await workspace.settle()
    assert await states(workspace) == {"/hold": "done", "/resume": "done"}
    assert not await is_held(workspace, moved)


async def test_a_command_that_waits_follows_its_issue_to_another_repository(
    workspace: Workspace,
) -> None:
    target = workspace.github.repository("acme/launchpad", private=True)
    workspace.github.set_permission("acme/launchpad", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/launchpad"])
    issue = await workspace.task()
    workspace.person.comment(issue, "/hold")
    await workspace.process_delivery()
    moved = workspace.person.transfer_issue(issue, target)
    await workspace.settle()
    assert await states(workspace) == {"/hold": "done"}
    assert await is_held(workspace, moved)
