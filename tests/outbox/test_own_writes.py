"""The bot's own writes: what it shows unasked, and how little of GitHub's limits that takes."""

import re
from itertools import pairwise

from bot.github.token_buckets import CONTENT
from bot.identity.actors import BOT, Actor
from bot.outbox import forecast, usage
from bot.outbox.fairness import must_wait
from bot.times import SECOND, stamp
from fixtures.github import Issue, Request
from store.outbox import budgets
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace
from tests.support.workflows import start

CARD = "**Hubbub** ·"


async def shorten_budget(workspace: Workspace) -> None:
    """Leave less than half of the allowance for content, and more than what is for people."""
    full_at = workspace.clock() + 1200 * SECOND
    here = workspace.installation.id
    await workspace.store.write(lambda tx: budgets.put_allowances(tx, here, {"content": full_at}))


def reader(workspace: Workspace) -> Agent:
    return Agent(workspace.dispatcher, Actor(workspace.installation.id, "@boss", "tech-lead"))


async def leave_content(workspace: Workspace, left: int) -> None:
    """Leave so much of the allowance for content."""
    lacks = CONTENT.most - left
    full_at = workspace.clock() + lacks * CONTENT.span // CONTENT.inflow
    here = workspace.installation.id
    await workspace.store.write(lambda tx: budgets.put_allowances(tx, here, {"content": full_at}))


async def spend(workspace: Workspace, author: str) -> None:
    here = workspace.installation.id
    await workspace.store.write(lambda tx: budgets.spend(tx, here, author))


def card(issue: Issue) -> str:
    (found,) = [each.body for each in issue.comments if CARD in each.body]
    return found


def edits(workspace: Workspace) -> list[Request]:
    return [
        each
        for each in workspace.github.requests
        if each.method == "PATCH" and "/issues/comments/" in each.path
    ]


def mutations(workspace: Workspace) -> list[Request]:
    return [
        each
        for each in workspace.github.requests
        if each.method != "GET" and "access_tokens" not in each.path
    ]


async def work_for(workspace: Workspace, seconds: float) -> None:
    """Let the server work, and so much time pass."""
    until = workspace.clock.now() + seconds
    while workspace.clock.now() < until:
        if not await workspace.process_delivery():
            wait = await workspace.sender.step(workspace.installation.id)
            if wait != 0:
                workspace.clock.forward(min(wait or 1, 1))


async def claim(workspace: Workspace, agent: Agent, issue: Issue) -> dict[str, object]:
    claimed = await agent.call("claim_task", task=workspace.name(issue), lease_s=86_400)
    return {"task": workspace.name(issue), "fence": claimed["fence"]}


@ON_SQLITE
async def test_a_claim_and_what_follows_at_once_are_one_request(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    first = len(mutations(workspace))
    mine = await claim(workspace, agent, issue)
    await agent.call("update_task_status", **mine, status="in_progress", note="I begin")
    workspace.clock.forward(5)
    await agent.call("update_task_status", **mine, status="in_review", note="Please look")
    await workspace.settle()
    assert len(mutations(workspace)) == first + 1
    assert "in review" in card(issue)
    assert "Please look" in card(issue)


@ON_SQLITE
async def test_a_hold_that_ends_before_its_turn_edits_no_card(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    lead = await workspace.agent("lead", "tech-lead")
    await claim(workspace, agent, issue)
    await workspace.settle()
    await lead.call("change_task", task=workspace.name(issue), hold=True)
    await lead.call("change_task", task=workspace.name(issue), hold=False)
    await workspace.settle()
    assert edits(workspace) == []
    assert "On hold" not in card(issue)


@ON_SQLITE
async def test_a_note_alone_edits_no_card_while_the_budget_is_short(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    mine = await claim(workspace, agent, issue)
    await workspace.settle()
    await shorten_budget(workspace)
    await agent.call("update_task_status", **mine, status="in_progress", note="Half of it")
    await workspace.settle()
    assert edits(workspace) == []
    workspace.clock.forward(3600)
    await agent.call("update_task_status", **mine, status="in_progress", progress=60)
    await workspace.settle()
    assert len(edits(workspace)) == 1
    assert "Half of it" in card(issue)
    assert "Progress: 60%." in card(issue)


@ON_SQLITE
async def test_while_the_budget_is_short_a_card_is_edited_once_a_minute(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    mine = await claim(workspace, agent, issue)
    await workspace.settle()
    await shorten_budget(workspace)
    for n in range(8):
        status = "in_review" if n % 2 else "in_progress"
        await agent.call("update_task_status", **mine, status=status, note="No code is needed")
        await work_for(workspace, 15)
    times = [each.at for each in edits(workspace)]
    assert 1 <= len(times) <= 2
    assert all(later - earlier >= 60 for earlier, later in pairwise(times))


@ON_SQLITE
async def test_a_result_is_shown_within_15_seconds_however_short_the_budget_is(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    mine = await claim(workspace, agent, issue)
    await workspace.settle()
    await shorten_budget(workspace)
    for n in range(25):
        other = workspace.name(issue)
        await agent.call("github_comment_issue", issue=other, body=f"Note {n}")
    at = workspace.clock.now()
    await agent.call("update_task_status", **mine, status="completed", result="It is there")
    await workspace.settle()
    assert "It is there" in card(issue)
    assert edits(workspace)[-1].at <= at + 15


@ON_SQLITE
async def test_while_others_wait_the_bot_takes_at_most_a_fifth(workspace: Workspace) -> None:
    agents = [await workspace.agent(f"agent-{n}") for n in range(5)]
    issues = [await workspace.task(f"Mend {n}") for n in range(15)]
    first = len(mutations(workspace))
    for n, issue in enumerate(issues):
        agent = agents[n % 5]
        await claim(workspace, agent, issue)
        for k in range(4):
            await agent.call(
                "github_comment_issue", issue=workspace.name(issue), body=f"Note {n} {k}"
            )
    await workspace.settle()
    sent = mutations(workspace)[first:]
    own = [is_card(each) for each in sent]
    until_all_were_sent = own[: 1 + max(n for n, each in enumerate(own) if not each)]
    assert sum(until_all_were_sent) <= len(until_all_were_sent) / 5
    assert all(card(each) for each in issues), "each task has its card in the end"


def is_card(request: Request) -> bool:
    return CARD in str(request.body)


def test_the_bot_waits_when_a_fifth_of_a_busy_hour_is_used_up() -> None:
    calm = {"others_wait": False, "is_short": False}
    assert not must_wait(9, 9, **calm)
    assert not must_wait(3, 10, others_wait=False, is_short=True)
    assert must_wait(3, 13, others_wait=False, is_short=True)
    for own, total, waits in ((0, 0, True), (0, 4, False), (1, 8, True), (1, 9, False)):
        assert must_wait(own, total, others_wait=True, is_short=False) is waits, (own, total)


@ON_SQLITE
async def test_the_last_third_of_the_budget_is_left_to_others(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    full_at = workspace.clock() + 1400 * SECOND  # 55 of 180 are left
    here = workspace.installation.id
    await workspace.store.write(lambda tx: budgets.put_allowances(tx, here, {"content": full_at}))
    await claim(workspace, agent, issue)
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="Hello")
    await work_for(workspace, 75)
    assert [CARD in each.body for each in issue.comments] == [False], "only the agent's comment"
    await work_for(workspace, 60)
    assert "Claimed by `scout`." in card(issue), "some have flowed in"


@ON_SQLITE
async def test_the_outbox_says_why_a_card_waits_for_the_budget(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    await leave_content(workspace, 55)
    await claim(workspace, agent, issue)
    await work_for(workspace, 30)
    page = await reader(workspace).call("get_outbox")
    shown = [each for each in page["writes"] if each["kind"] == "card"]
    assert [each["why"] for each in shown] == [forecast.LEFT_TO_OTHERS]
    assert shown[0]["expected_at"] > stamp(workspace.clock() + 30 * SECOND)
    here = workspace.installation.id
    report = await workspace.store.read(lambda tx: usage.of(tx, here))
    assert report.empty_in_s > 30


@ON_SQLITE
async def test_the_outbox_says_when_a_card_had_its_share(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    for author in [BOT] * 5 + ["scout"] * 12:
        await spend(workspace, author)
    await leave_content(workspace, 67)
    await claim(workspace, agent, issue)
    await work_for(workspace, 30)
    page = await reader(workspace).call("get_outbox")
    shown = [each for each in page["writes"] if each["kind"] == "card"]
    assert [each["why"] for each in shown] == [forecast.OTHERS_FIRST]
    assert shown[0]["expected_at"] > stamp(workspace.clock() + 30 * SECOND)


@ON_SQLITE
async def test_a_plan_that_waits_for_a_person_is_shown_however_short_the_budget_is(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    await leave_content(workspace, 20)
    mine = await claim(workspace, agent, issue)
    steps = [{"id": "a", "title": "Do A", "body": "Work."}]
    await agent.call("propose_plan", **mine, steps=steps)
    await work_for(workspace, 30)
    assert "proposes a plan" in card(issue)


@ON_SQLITE
async def test_the_failure_of_a_workflow_is_shown_before_boards_and_other_cards(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    text = "steps:\n- {id: a, title: Do A, body: Work.}\n- {id: b, title: Do B, body: Work.}\n"
    flow = await start(workspace, text)
    await flow.claim(agent, "a")
    await work_for(workspace, 90)
    await leave_content(workspace, 20)
    await flow.report(agent, "a", "failed")
    await work_for(workspace, 30)
    assert ", failed:" in card(await flow.issue("parent"))


@ON_SQLITE
async def test_a_waiting_task_has_a_card_when_a_person_did_something_to_it(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    assert not [each for each in issue.comments if CARD in each.body]
    workspace.person.comment(issue, "/hold the plan changes")
    await workspace.settle()
    assert "**On hold** by `@octocat`: `the plan changes`" in card(issue)
    workspace.person.comment(issue, "/resume")
    await workspace.settle()
    assert "Any agent can claim this task." in card(issue)


@ON_SQLITE
async def test_a_reserved_task_has_a_card(workspace: Workspace) -> None:
    issue = await workspace.task()
    await workspace.agent("scout")
    workspace.person.comment(issue, "/assign @scout")
    await workspace.settle()
    assert "Reserved for `scout`." in card(issue)


@ON_SQLITE
async def test_the_card_of_a_finished_task_shows_the_result_only(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    mine = await claim(workspace, agent, issue)
    await agent.call(
        "update_task_status", **mine, status="in_progress", progress=40, note="The tank leaks"
    )
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await agent.call("github_create_pr", **mine, head="fix", title="Mend it")
    await agent.call("update_task_status", **mine, status="in_review", note="It waits for a review")
    await workspace.settle()
    assert "It waits for a review" in card(issue)
    (pull,) = workspace.repository.pulls.values()
    workspace.person.merge(pull)
    await workspace.settle()
    text, _, _ = card(issue).partition("**Tick to act:**")
    _, *lines = [each for each in text.splitlines() if each]
    at = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
    wanted = [
        r"\*\*Hubbub\*\* · completed",
        rf"Completed by `@octocat` on {at}: `pull request #{pull.number} was merged`\.",
        r"`scout` held it last\.",
        rf"Pull request: #{pull.number}, merged\.",
        r"\*\*Next:\*\* nothing\. `/retry` opens the task again\.",
    ]
    assert len(lines) == len(wanted), lines
    for line, pattern in zip(lines, wanted, strict=True):
        assert re.fullmatch(pattern, line), line


@ON_SQLITE
async def test_what_one_holder_reported_is_not_on_the_card_of_the_next(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    mine = await claim(workspace, agent, issue)
    await agent.call(
        "update_task_status", **mine, status="in_progress", progress=40, note="The tank leaks"
    )
    await workspace.settle()
    assert "The tank leaks" in card(issue)
    await agent.call("release_task", **mine, note="Begin with the tank")
    await workspace.settle()
    other = await workspace.agent("other")
    claimed = await other.call("claim_task", task=workspace.name(issue))
    await workspace.settle()
    assert "Claimed by `other`." in card(issue)
    for old in ("The tank leaks", "Begin with the tank", "Progress"):
        assert old not in card(issue), old
    assert claimed["handoff"]["note"] == "Begin with the tank"


@ON_SQLITE
async def test_a_long_wait_for_githubs_allowance_says_so(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    here = workspace.installation.id
    full_at = workspace.clock() + 2000 * SECOND
    await workspace.store.write(lambda tx: budgets.put_allowances(tx, here, {"content": full_at}))
    body = {"issue": workspace.name(issue), "body": "Hello"}
    queued = await agent.write("github_comment_issue", **body)
    again = await agent.write("get_write", write_id=queued["write_id"])
    for each in (queued, again):
        assert "allowance of GitHub" in each["waits_because"]
