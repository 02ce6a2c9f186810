"""Checkboxes on the card: a person ticks one, and the command runs once."""

import itertools
import re
import string
from dataclasses import replace

from bot.comments import card_boxes
from fixtures.github import Comment, Issue, Person
from tests.outbox.test_copied_marks import other_app
from tests.outbox.test_own_writes import edits
from tests.support.agent_runs import begin, set_templates, stored_runs
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


def card_of(issue: Issue) -> Comment:
    (found,) = [each for each in issue.comments if "**Hubbub** ·" in each.body]
    return found


def labels(issue: Issue) -> list[str]:
    return re.findall(r"^- \[ \] (.*)$", card_of(issue).body, re.MULTILINE)


def verbs(issue: Issue) -> list[str]:
    return [each.split("`")[1] for each in labels(issue)]


async def claimed_task(workspace: Workspace, agent_id: str = "scout") -> tuple[Issue, Agent]:
    issue, agent = await workspace.task(), await workspace.agent(agent_id)
    await agent.call("claim_task", task=workspace.name(issue), lease_s=86_400)
    await workspace.settle()
    return issue, agent


def somebody(workspace: Workspace, login: str, permission: str) -> Person:
    return workspace.github.person(login, permissions={"acme/rocket": permission})


async def state_of(workspace: Workspace, issue: Issue) -> dict[str, object]:
    (row,) = await workspace.rows(
        "SELECT state, held, holder FROM tasks WHERE installation_id = :i AND number = :n",
        n=issue.number,
    )
    return row


async def commands(workspace: Workspace) -> list[tuple[str, str, str]]:
    rows = await workspace.rows(
        "SELECT text, state, asker FROM commands WHERE installation_id = :i "
        "AND source_kind = 'card' ORDER BY received_at, line"
    )
    return [(row["text"], row["state"], row["asker"]) for row in rows]


async def test_a_tick_is_a_command_of_the_person_and_the_card_is_drawn_again(
    workspace: Workspace,
) -> None:
    issue, _ = await claimed_task(workspace)
    assert verbs(issue) == ["/release", "/hold", "/done", "/cancel"]
    before = len(edits(workspace))
    workspace.person.tick(card_of(issue), "/hold")
    await workspace.settle()
    assert (await state_of(workspace, issue))["held"] == 1
    assert await commands(workspace) == [("/hold", "done", "octocat")]
    assert "**On hold** by `@octocat`" in card_of(issue).body
    assert re.search(r"`@octocat` ran `/hold` on [-\d]{10} \d\d:\d\d UTC\.", card_of(issue).body)
    assert "[x]" not in card_of(issue).body
    assert verbs(issue) == ["/resume", "/release", "/done", "/cancel"]
    assert len(edits(workspace)) == before + 1, "one edit shows the hold and the answer"
    assert len(issue.comments) == 1, "no reply beside the card"


async def test_a_person_without_permission_reads_why_on_the_card(workspace: Workspace) -> None:
    issue, _ = await claimed_task(workspace)
    text = card_of(issue).body
    somebody(workspace, "triager", "triage").tick(card_of(issue), "/release")
    await workspace.settle()
    assert (await state_of(workspace, issue))["holder"] == "scout"
    wanted = (
        r"\*\*Not done:\*\* `/release` by `@triager` on [-\d]{10} \d\d:\d\d UTC: "
        r"you need the permission write on this repository, and you have triage\."
    )
    assert re.search(wanted, card_of(issue).body)
    assert "[x]" not in card_of(issue).body
    assert labels(issue) == re.findall(r"^- \[ \] (.*)$", text, re.MULTILINE)
    (row,) = await workspace.rows(
        "SELECT outcome, code FROM audit WHERE installation_id = :i AND actor = '@triager'"
    )
    assert row == {"outcome": "refused", "code": "forbidden"}


@ON_SQLITE
async def test_a_tick_on_an_outdated_card_runs_nothing(workspace: Workspace) -> None:
    issue, _ = await claimed_task(workspace)
    old = card_of(issue).body
    workspace.person.comment(issue, "/hold")
    await workspace.settle()
    # A client of the API or of mail sends the whole text as it was.
    ticked = old.replace("- [ ] `/cancel`", "- [x] `/cancel`")
    workspace.person.edit_comment(card_of(issue), ticked)
    await workspace.settle()
    assert (await state_of(workspace, issue))["state"] == "in_progress"
    assert await commands(workspace) == [("/cancel", "refused", "octocat")]
    assert "the task or its card had changed before the tick" in card_of(issue).body
    assert "**On hold**" in card_of(issue).body
    assert "[x]" not in card_of(issue).body


@ON_SQLITE
async def test_what_a_person_writes_into_the_card_is_undone_once(workspace: Workspace) -> None:
    issue, _ = await claimed_task(workspace)
    text = card_of(issue).body
    before = len(edits(workspace))
    workspace.person.edit_comment(card_of(issue), f"{text}\n/cancel\n\n- [x] `/done` by me")
    await workspace.settle()
    assert card_of(issue).body.splitlines()[1:-1] == text.splitlines()[1:-1]
    assert await commands(workspace) == []
    assert len(edits(workspace)) == before + 1
    await workspace.settle()
    assert len(edits(workspace)) == before + 1, "Hubbub's own edit starts nothing"


@ON_SQLITE
async def test_thousands_of_boxes_that_somebody_wrote_into_the_card_cost_little(
    workspace: Workspace,
) -> None:
    issue, _ = await claimed_task(workspace)
    head, _, rest = card_of(issue).body.partition("\n")
    names = itertools.islice(itertools.product(string.ascii_lowercase, repeat=3), 3000)
    boxes = "\n".join(f"- [ ] `/{''.join(each)}` x" for each in names)
    workspace.person.edit_comment(card_of(issue), f"{head}\n{boxes}\n{rest}")
    ticked = card_of(issue).body.replace("[ ]", "[x]", 3000).replace("[ ] `/hold`", "[x] `/hold`")
    workspace.person.edit_comment(card_of(issue), ticked)
    await workspace.settle()
    ended = [state for _, state, _ in await commands(workspace)]
    assert (ended.count("refused"), ended.count("done")) == (10, 1)
    assert verbs(issue) == ["/resume", "/release", "/done", "/cancel"]


def test_only_a_box_that_was_empty_before_counts() -> None:
    before = "- [ ] `/hold` a\r\n- [x] `/done` b\r\n> - [ ] `/cancel` c\r\n"
    after = "- [X] `/hold` a\r\n- [x] `/done` b\r\n- [x] `/cancel` c\r\n- [x] `/retry` d\r\n"
    assert card_boxes.new_ticks(before, after) == ["`/hold` a"]
    assert card_boxes.new_ticks(after, before) == []
    assert card_boxes.removed_ticks(after, before.replace("[x] `/done`", "[ ] `/done`")) == [
        "`/hold` a",
        "`/done` b",
    ]
    assert card_boxes.command_of("`/hold` a") == "/hold"
    assert card_boxes.command_of("hold it") is None


async def test_a_tick_from_a_mail_client_or_the_api_works_the_same(workspace: Workspace) -> None:
    issue, _ = await claimed_task(workspace)
    writer = somebody(workspace, "writer", "write")
    # The text with other ends of lines, and without spaces at its end.
    text = card_of(issue).body.replace("- [ ] `/hold`", "* [X] `/hold`").strip()
    writer.edit_comment(card_of(issue), text.replace("\n", "\r\n"))
    await workspace.settle()
    assert await commands(workspace) == [("/hold", "done", "writer")]
    assert "**On hold** by `@writer`" in card_of(issue).body
    assert "\r" not in card_of(issue).body


@ON_SQLITE
async def test_two_ticks_in_one_edit_run_from_top_to_bottom(workspace: Workspace) -> None:
    issue, _ = await claimed_task(workspace)
    text = card_of(issue).body
    for verb in ("/release", "/cancel"):
        text = text.replace(f"- [ ] `{verb}`", f"- [x] `{verb}`")
    workspace.person.edit_comment(card_of(issue), text)
    await workspace.settle()
    assert await commands(workspace) == [
        ("/release", "done", "octocat"),
        ("/cancel", "done", "octocat"),
    ]
    assert issue.state == "closed"
    assert "ran `/release`" in card_of(issue).body
    assert "ran `/cancel`" in card_of(issue).body
    assert verbs(issue) == ["/retry"]
    workspace.person.tick(card_of(issue), "/retry")
    await workspace.settle()
    assert issue.state == "open"
    assert verbs(issue) == ["/claim", "/hold", "/done", "/cancel"]
    workspace.person.tick(card_of(issue), "/claim")
    await workspace.settle()
    assert (await state_of(workspace, issue))["holder"] == "@octocat"


@ON_SQLITE
async def test_who_removes_the_tick_in_time_takes_it_back(workspace: Workspace) -> None:
    issue, _ = await claimed_task(workspace)
    text = card_of(issue).body
    workspace.person.tick(card_of(issue), "/cancel")
    workspace.clock.forward(1)
    workspace.person.edit_comment(card_of(issue), text)
    await workspace.settle()
    assert await commands(workspace) == [("/cancel", "withdrawn", "octocat")]
    assert issue.state == "open"
    assert verbs(issue) == ["/release", "/hold", "/done", "/cancel"]


@ON_SQLITE
async def test_a_tick_never_ends_the_claim_of_another_holder(workspace: Workspace) -> None:
    issue, scout = await claimed_task(workspace)
    other = await workspace.agent("other")
    await scout.call("release_task", task=workspace.name(issue), fence=1)
    await other.call("claim_task", task=workspace.name(issue))
    # GitHub still shows the claim of scout: the edit of the card waits some seconds.
    workspace.person.tick(card_of(issue), "/release")
    await workspace.settle()
    assert (await state_of(workspace, issue))["holder"] == "other"
    assert await commands(workspace) == [("/release", "refused", "octocat")]
    assert "- [ ] `/release` end the claim of `other`" in card_of(issue).body


@ON_SQLITE
async def test_edits_by_bots_start_nothing(workspace: Workspace) -> None:
    issue, _ = await claimed_task(workspace)
    before = len(edits(workspace))
    other_app(workspace).edit_comment(card_of(issue), card_of(issue).body.replace("- [ ]", "- [x]"))
    await workspace.settle()
    assert await commands(workspace) == []
    assert len(edits(workspace)) == before


@ON_SQLITE
async def test_the_same_tick_delivered_twice_runs_once(workspace: Workspace) -> None:
    issue, _ = await claimed_task(workspace)
    workspace.person.tick(card_of(issue), "/hold")
    await workspace.settle()
    tick = next(
        each
        for each in reversed(workspace.github.deliveries)
        if each.event == "issue_comment" and "- [x] `/hold`" in each.payload["comment"]["body"]
    )
    workspace.person.tick(card_of(issue), "/resume")
    await workspace.settle()
    await workspace.github.post(tick)
    await workspace.github.post(replace(tick, guid="00000000-0000-4000-8000-000000000001"))
    await workspace.settle()
    assert (await state_of(workspace, issue))["held"] == 0
    assert len(await commands(workspace)) == 2


@ON_SQLITE
async def test_a_program_that_always_changes_the_card_back_is_not_answered_for_long(
    workspace: Workspace,
) -> None:
    issue, _ = await claimed_task(workspace)
    before = len(edits(workspace))
    for n in range(33):
        workspace.person.edit_comment(card_of(issue), f"{card_of(issue).body}\nround {n}")
        await workspace.settle()
        assert "round" not in card_of(issue).body
    times = [each.at for each in edits(workspace)[before:]]
    assert times[28] - times[0] < 120
    # The card's first text counts too.
    assert [b - a > 550 for a, b in itertools.pairwise(times)] == [False] * 28 + [True] * 4


@ON_SQLITE
async def test_a_deleted_card_is_written_again_at_the_next_change(workspace: Workspace) -> None:
    issue, _ = await claimed_task(workspace)
    workspace.person.delete_comment(card_of(issue))
    await workspace.settle()
    assert issue.comments == []
    workspace.person.comment(issue, "/hold")
    await workspace.settle()
    workspace.person.tick(card_of(issue), "/resume")
    await workspace.settle()
    assert (await state_of(workspace, issue))["held"] == 0


@ON_SQLITE
async def test_a_tick_starts_an_agent_in_github_actions_and_the_card_shows_its_run(
    workspace: Workspace,
) -> None:
    await set_templates(workspace)
    issue = await workspace.task()
    workspace.person.comment(issue, "/hold")
    workspace.person.comment(issue, "/resume")
    await workspace.settle()
    assert verbs(issue) == ["/claim", "/hold", "/assign fixer", "/done", "/cancel"]
    workspace.person.tick(card_of(issue), "/assign fixer")
    await workspace.settle()
    (run,) = await stored_runs(workspace, "id", "agent_id", "asked_by", "workflow_run_id")
    run_id, agent_id, asked_by, on_github = run
    assert asked_by == "@octocat"
    page = f"[in GitHub Actions](https://github.com/acme/rocket/actions/runs/{on_github})"
    text = card_of(issue).body
    assert f"Reserved for `{agent_id}`.\n\n**Next:** the run starts and claims it." in text
    assert f"- The run of `fixer` {page} is starting." in text
    assert re.search(r"`@octocat` ran `/assign fixer` on .* Hubbub is starting `fixer`: run", text)
    agent = await begin(workspace, {"run_id": run_id})
    await agent.call("claim_task", task=workspace.name(issue))
    await workspace.settle()
    assert f"- The run of `fixer` {page} is running." in card_of(issue).body
    assert verbs(issue) == ["/release", "/hold", "/done", "/cancel"]


@ON_SQLITE
async def test_a_tick_that_arrives_a_day_late_does_not_run(workspace: Workspace) -> None:
    issue, _ = await claimed_task(workspace)
    workspace.github.hold_deliveries()
    workspace.person.tick(card_of(issue), "/cancel")
    workspace.clock.forward(25 * 3600)
    workspace.github.release_deliveries()
    await workspace.settle()
    assert issue.state == "open"
    assert await commands(workspace) == [("/cancel", "expired", "octocat")]
    assert "the tick reached Hubbub more than a day late." in card_of(issue).body
    assert "[x]" not in card_of(issue).body


@ON_SQLITE
async def test_a_tick_is_answered_within_two_seconds_of_its_delivery(workspace: Workspace) -> None:
    issue, _ = await claimed_task(workspace)
    # The permission is not in the cache: Hubbub reads it first.
    writer = somebody(workspace, "writer", "write")
    workspace.clock.forward(3600)
    at = workspace.clock.now()
    writer.tick(card_of(issue), "/hold")
    await workspace.settle()
    assert "`@writer` ran `/hold`" in card_of(issue).body
    assert edits(workspace)[-1].at <= at + 2
