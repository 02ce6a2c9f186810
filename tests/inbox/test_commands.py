import pytest

from bot.inbox import worker
from fixtures.github import Comment, Delivery, Issue, Person
from store.inbox import deliveries
from tests.support.story import Town


def reactions(comment: Comment) -> list[str]:
    return [each.content for each in comment.reactions]


def said_by_hubbub(comment: Comment) -> str:
    """The reply, without its hidden marker."""
    marker, _, reply = comment.body.partition("\n")
    assert marker.startswith("<!-- hubbub:")
    return reply


async def test_a_person_claims_by_a_comment_and_keeps_the_task_without_end(town: Town) -> None:
    issue = await town.task()
    comment = town.person.comment(issue, "I do this one.\n\n/claim\n")
    await town.settle()
    assert reactions(comment) == ["+1"]
    agent = await town.agent("scout")
    await town.time_passes(30 * 24 * 3600)
    refused = await agent.refused("claim_task", task=town.name(issue))
    assert (refused.code, refused.details["holder"]) == ("already_claimed", "@octocat")


async def test_a_person_takes_a_task_from_an_agent(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    fence = (await agent.call("claim_task", task=town.name(issue)))["fence"]
    comment = town.person.comment(issue, "/release it is mine")
    await town.settle()
    assert reactions(comment) == ["+1"]
    task = (await agent.call("get_task", task=town.name(issue)))["task"]
    assert (task["state"], task["holder"], task["note"]) == ("pending", None, "it is mine")
    late = await agent.refused("release_task", task=town.name(issue), fence=fence)
    assert late.code == "not_holder"


async def test_status_answers_with_a_comment_and_help_lists_every_command(town: Town) -> None:
    issue = await town.task()
    town.person.comment(issue, "/status")
    await town.settle()
    assert said_by_hubbub(issue.comments[-1]) == "This task is **waiting for an agent**."
    town.person.comment(issue, "/help")
    await town.settle()
    for verb in ("/claim", "/release", "/status", "/help"):
        assert f"`{verb}" in issue.comments[-1].body


async def test_commands_work_in_reviews_and_review_comments_of_a_pull_request(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    fence = (await agent.call("claim_task", task=town.name(issue)))["fence"]
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    await agent.call(
        "github_create_pr", task=town.name(issue), fence=fence, head="fix", title="Mend"
    )
    await town.settle()
    (pull,) = town.repository.pulls.values()
    town.person.review(pull, "commented", "/help")
    await town.settle()
    assert "/claim" in pull.comments[-1].body
    inline = town.person.review_comment(pull, "a.py", 1, "/help")
    await town.settle()
    assert reactions_of(inline) == ["+1"]


def reactions_of(comment: object) -> list[str]:
    return [each.content for each in comment.reactions]  # type: ignore[attr-defined]


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
async def test_what_is_no_command_is_left_alone(town: Town, body: str) -> None:
    issue = await town.task()
    comment = town.person.comment(issue, body)
    await town.settle()
    assert (reactions(comment), issue.comments) == ([], [comment])


async def test_a_stranger_is_told_once_why_nothing_was_done(town: Town) -> None:
    issue = await town.task()
    reader = town.github.person("monalisa", permissions={"acme/rocket": "read"})
    comment = reader.comment(issue, "/claim")
    await town.settle()
    assert reactions(comment) == ["confused"]
    (_, reply) = issue.comments
    assert said_by_hubbub(reply) == (
        "@monalisa, Hubbub did not run `/claim`: you need the permission write on this "
        "repository, and you have read."
    )
    assert (await (await town.agent("scout")).call("claim_task"))["task"]["holder"] == "scout"


async def test_an_unknown_command_that_names_us_is_taught(town: Town) -> None:
    issue = await town.task()
    town.person.comment(issue, "/hubbub explode")
    await town.settle()
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
async def test_a_person_who_mistypes_a_word_reads_what_to_write(
    town: Town, command: str, why: str
) -> None:
    issue = await town.task()
    town.person.comment(issue, command)
    await town.settle()
    said = said_by_hubbub(issue.comments[-1])
    assert said == f"@octocat, Hubbub did not run `{command}`: {why}"


async def test_a_command_runs_once_however_often_its_delivery_comes(town: Town) -> None:
    issue = await town.task()
    comment = town.person.comment(issue, "/status")
    await town.settle()
    sent = next(d for d in town.github.deliveries if d.event == "issue_comment")
    for _ in range(3):
        await town.github.post(sent)
    town.github.redeliver(sent)
    await town.settle()
    assert len(issue.comments) == 2
    assert reactions(comment) == ["+1"]


async def test_an_edit_runs_the_commands_it_adds_and_none_again(town: Town) -> None:
    issue = await town.task()
    comment = town.person.comment(issue, "/status")
    await town.settle()
    town.clock.forward(2)
    town.person.edit_comment(comment, "One line more.\n\n/status\n\n/claim")
    await town.settle()
    replies = [c for c in issue.comments if "This task is" in c.body]
    assert len(replies) == 1
    agent = await town.agent("scout")
    assert (await agent.refused("claim_task", task=town.name(issue))).details[
        "holder"
    ] == "@octocat"


async def test_ten_thousand_commands_in_a_comment_run_none_and_get_one_reply(town: Town) -> None:
    issue = await town.task()
    town.person.comment(issue, "/claim\n" * 9_000)
    await town.settle()
    (_, reply) = issue.comments
    assert said_by_hubbub(reply) == (
        "@octocat, this comment has 9000 commands, and a comment may have at most 10. Hubbub ran "
        "none of them. Split them over several comments."
    )
    agent = await town.agent("scout")
    assert (await agent.call("claim_task", task=town.name(issue)))["fence"] == 1


async def test_the_bot_does_not_obey_itself_or_another_bot(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    await agent.call("github_comment_issue", issue=town.name(issue), body="/claim")
    await town.settle()
    assert len(issue.comments) == 1
    task = (await agent.call("get_task", task=town.name(issue)))["task"]
    assert task["state"] == "pending"


async def test_a_permission_is_asked_for_once_and_kept_for_five_minutes(town: Town) -> None:
    issue = await town.task()
    for _ in range(4):
        town.person.comment(issue, "/status")
        town.clock.forward(1)
        await town.settle()
    asked = [r for r in town.github.requests if r.path.endswith("/permission")]
    assert len(asked) == 1
    town.github.set_permission("acme/rocket", "octocat", "read")
    await town.time_passes(301)
    town.person.comment(issue, "/claim")
    await town.settle()
    assert "you need the permission write" in issue.comments[-1].body


async def test_the_login_counts_in_any_letter_case(town: Town) -> None:
    person = town.github.person("MonaLisa", permissions={"acme/rocket": "write"})
    issue = await town.task()
    comment = person.comment(issue, "/claim")
    await town.settle()
    assert reactions(comment) == ["+1"]
    keys = await town.rows("SELECT login_key FROM permissions WHERE installation_id = :i")
    assert {row["login_key"] for row in keys} == {"monalisa"}


async def test_a_command_that_comes_in_a_day_late_is_not_run(town: Town) -> None:
    issue = await town.task()
    town.github.hold_deliveries()
    town.person.comment(issue, "/claim")
    town.clock.forward(25 * 3600)
    town.github.release_deliveries()
    await town.settle()
    agent = await town.agent("scout")
    assert (await agent.call("claim_task", task=town.name(issue)))["task"]["holder"] == "scout"


async def test_no_word_of_a_person_is_taken_for_our_own(town: Town) -> None:
    issue = await town.task()
    town.person.comment(issue, "/hubbub too-many")
    town.person.comment(issue, '/hubbub "too many"')
    await town.settle()
    rows = await town.rows("SELECT state FROM commands WHERE installation_id = :i")
    assert {row["state"] for row in rows} == {"refused"}


async def is_held(town: Town, issue: Issue) -> bool:
    (row,) = await town.rows(
        "SELECT held FROM tasks WHERE installation_id = :i AND number = :n", n=issue.number
    )
    return bool(row["held"])


async def states(town: Town) -> dict[str, str]:
    """How each command of the town ended, by its text."""
    rows = await town.rows("SELECT text, state FROM commands WHERE installation_id = :i")
    return {row["text"]: row["state"] for row in rows}


def deliveries_of(town: Town, event: str = "issue_comment") -> list[Delivery]:
    return [each for each in town.github.deliveries if each.event == event]


async def test_a_command_waits_for_an_older_one_whose_author_is_not_known_yet(town: Town) -> None:
    issue, other = await town.task(), await town.task("Another")
    town.person.comment(issue, "/status")
    await town.settle()
    newcomer = town.github.person("newbie", permissions={"acme/rocket": "write"})
    newcomer.comment(issue, "/hold")
    await town.heard()
    town.clock.forward(2)
    town.person.comment(issue, "/resume")
    town.person.comment(other, "/hold elsewhere")
    while await town.heard():
        pass
    ended = {"/status": "done", "/hold elsewhere": "done"}
    assert await states(town) == {**ended, "/hold": "waiting", "/resume": "waiting"}
    assert await is_held(town, other)
    await town.settle()
    assert not await is_held(town, issue)
    assert await states(town) == {**ended, "/hold": "done", "/resume": "done"}


@pytest.mark.parametrize(
    ("first", "second"), [("/hold", "/resume"), ("/priority low", "/priority high")]
)
async def test_of_a_backlog_the_last_word_written_counts_in_any_order_of_deliveries(
    town: Town, first: str, second: str
) -> None:
    issue = await town.task()
    town.github.hold_deliveries()
    town.person.comment(issue, first)
    town.clock.forward(5)
    town.person.comment(issue, second)
    older, newer = (each for each in town.github.held_deliveries if each.event == "issue_comment")
    for each in (newer, older):
        await town.github.post(each)
    await town.settle()
    (task,) = await town.rows("SELECT held, priority FROM tasks WHERE installation_id = :i")
    assert (task["held"], task["priority"]) == (0, 1 if "hold" in first else 2)


async def test_a_command_waits_for_a_delivery_of_its_issue_that_has_an_older_text(
    town: Town,
) -> None:
    """As if another server processed it, or had failed to."""
    issue, other = await town.task(), await town.task("Another")
    town.person.comment(issue, "/help")
    await town.settle()
    town.github.hold_deliveries()
    town.person.comment(issue, "/hold")
    town.clock.forward(5)
    town.person.comment(issue, "/resume")
    town.person.comment(other, "/hold elsewhere")
    await post_all(town)
    older = next(each for each in deliveries_of(town) if each.payload["comment"]["body"] == "/hold")
    await fail(town, older)
    while await town.heard():
        pass
    ended = {"/help": "done", "/hold elsewhere": "done"}
    assert await states(town) == {**ended, "/resume": "waiting"}
    town.clock.forward(60)
    await town.settle()
    assert await states(town) == {**ended, "/hold": "done", "/resume": "done"}
    assert not await is_held(town, issue)


async def post_all(town: Town) -> None:
    town.github.release_deliveries()
    await town.github.wait_for_deliveries()


async def fail(town: Town, sent: Delivery) -> None:
    await town.store.write(
        lambda tx: deliveries.mark_failed(tx, town.installation.id, sent.guid, "an error")
    )


async def test_comments_of_one_second_run_in_the_order_of_their_ids_and_lines(town: Town) -> None:
    issue = await town.task()
    town.github.hold_deliveries()
    town.person.comment(issue, "/priority high\n/hold first")
    town.person.comment(issue, "/resume\n/priority low\n/hold second")
    await post_all(town)
    await town.settle()
    rows = await town.rows(
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
    town: Town,
) -> None:
    issue = await town.task()
    town.person.comment(issue, "/status")
    await town.settle()
    newcomer = town.github.person("newbie", permissions={"acme/rocket": "write"})
    town.github.fault("GET", r".*/collaborators/newbie/permission", "500", times=70)
    held = newcomer.comment(issue, "/hold")
    town.clock.forward(2)
    resumed = town.person.comment(issue, "/priority high")
    await town.settle()
    for _ in range(5):
        await town.time_passes(150)
    assert (reactions(held), reactions(resumed)) == (["confused"], ["+1"])
    assert said_by_hubbub(issue.comments[-1]) == (
        "@newbie, Hubbub did not run `/hold`: GitHub did not tell Hubbub your permission on this "
        "repository within ten minutes. Write the command again."
    )


async def test_a_command_that_comes_late_does_not_undo_one_that_was_written_later(
    town: Town,
) -> None:
    issue = await town.task()
    town.github.hold_deliveries()
    late = town.person.comment(issue, "/hold\n/priority high")
    (lost,) = (each for each in town.github.held_deliveries if each.event == "issue_comment")
    town.clock.forward(5)
    town.person.comment(issue, "/resume")
    (sent,) = (
        each
        for each in town.github.held_deliveries
        if each.event == "issue_comment" and each != lost
    )
    await town.github.post(sent)
    await town.settle()
    await town.github.post(lost)
    await town.settle()
    (task,) = await town.rows("SELECT held, priority FROM tasks WHERE installation_id = :i")
    assert (task["held"], task["priority"]) == (0, 2)
    assert sorted(reactions(late)) == ["+1", "confused"]
    assert said_by_hubbub(issue.comments[-1]) == (
        "@octocat, Hubbub did not run `/hold`: it reached Hubbub late, and `/resume`, which was "
        "written after it, has run. Write the command again if you still want it."
    )


async def waiting_command(town: Town, body: str) -> tuple[Issue, Person, Comment]:
    """A comment with a command that waits for its author's permission."""
    issue = await town.task()
    newcomer = town.github.person("newbie", permissions={"acme/rocket": "write"})
    comment = newcomer.comment(issue, body)
    await town.heard()
    town.clock.forward(2)
    return issue, newcomer, comment


async def test_a_command_whose_comment_is_deleted_before_its_turn_does_not_run(town: Town) -> None:
    issue, newcomer, comment = await waiting_command(town, "/cancel")
    newcomer.delete_comment(comment)
    await town.settle()
    assert await states(town) == {"/cancel": "withdrawn"}
    assert (issue.state, issue.comments) == ("open", [])


async def test_a_command_whose_line_is_gone_before_its_turn_does_not_run(town: Town) -> None:
    issue, newcomer, comment = await waiting_command(town, "/cancel\n/hold")
    newcomer.edit_comment(comment, "`/cancel` was wrong.\n/hold")
    await town.settle()
    assert await states(town) == {"/cancel": "withdrawn", "/hold": "done"}
    assert issue.state == "open"


async def test_a_line_that_was_removed_and_is_written_again_runs_again(town: Town) -> None:
    issue = await town.task()
    comment = town.person.comment(issue, "/hold")
    await town.settle()
    for body in ("/resume", "/hold"):
        town.clock.forward(2)
        town.person.edit_comment(comment, body)
        await town.settle()
    assert await is_held(town, issue)


async def test_of_two_texts_of_one_second_a_command_runs_if_github_shows_it(town: Town) -> None:
    issue = await town.task()
    for before, after in (("/hold a", "/hold b"), ("/hold d", "/hold c")):
        comment = town.person.comment(issue, before)
        town.person.edit_comment(comment, after)
        await town.settle()
        await town.time_passes(31)
    assert await states(town) == {
        "/hold a": "withdrawn",
        "/hold b": "done",
        "/hold c": "done",
        "/hold d": "withdrawn",
    }


async def test_a_command_that_hubbub_cannot_run_ends_and_not_the_later_ones(town: Town) -> None:
    issue = await town.task()
    broken = town.person.comment(issue, "/hold")
    town.clock.forward(2)
    fine = town.person.comment(issue, "/priority high")
    await town.github.wait_for_deliveries()
    for each in await town.store.read(lambda tx: deliveries.due(tx, 10)):
        await worker.process(
            town.store, town.dispatcher.shared.keys, each["installation_id"], each["guid"]
        )
    await town.store.write(
        lambda tx: tx.run(
            "UPDATE commands SET words = '[[1]]' WHERE installation_id = :i AND verb = 'hold'",
            i=town.installation.id,
        )
    )
    for _ in range(6):
        await town.time_passes(300)
    assert (reactions(broken), reactions(fine)) == (["confused"], ["+1"])
