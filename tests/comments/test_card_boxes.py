"""Checkboxes on the card: a person ticks one, and the command runs once."""

import re

from bot.comments import card_boxes
from fixtures.github import Comment, Issue, Person
from tests.outbox.test_own_writes import edits
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
    assert "the card had changed before the tick" in card_of(issue).body
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
