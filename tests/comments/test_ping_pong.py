"""Two bots that answer each other: however often they try, the issue gets only a few comments."""

from bot.comments.limits import EXCHANGES, MOST_OF_ONE
from bot.errors import Refused
from fixtures.github import Comment, Issue, Person
from tests.support.story import Agent, Workspace

# Rounds, and the seconds between them. The engines have the same queries: one plays all rounds, the
# other passes the same time in fewer.
ROUNDS, FASTER = (1000, 10), (100, 100)
# Where each round is the same.
FEWER = 200


def other_bot(workspace: Workspace, login: str) -> Person:
    """The bot of another App, which may write here."""
    found = workspace.github.person(login, permissions={"acme/rocket": "write"})
    found.account.type = "Bot"
    return found


def comments_of(issue: Issue, login: str) -> list[Comment]:
    """Its comments, without the card."""
    return [
        each
        for each in issue.comments
        if each.user.login == login and "**Hubbub** ·" not in each.body
    ]


async def offer(agent: Agent, task: str, body: str) -> str | None:
    """Try to comment. Return the code of the refusal, if it was refused."""
    try:
        await agent.call("github_comment_issue", issue=task, body=body)
    except Refused as exc:
        return exc.code
    return None


async def test_two_agents_who_offer_a_thousand_rounds_get_six_exchanges_through(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    task = workspace.name(issue)
    talkers = (await workspace.agent("one"), await workspace.agent("two"))
    outcomes = []
    rounds, pause_s = ROUNDS if workspace.store.dialect == "sqlite" else FASTER
    for n in range(rounds):
        outcomes += [await offer(each, task, f"No, you are wrong, {n}.") for each in talkers]
        workspace.clock.forward(pause_s)
    assert outcomes == [None] * 2 * EXCHANGES + ["loop_stopped"] * 2 * (rounds - EXCHANGES)
    await workspace.settle()
    assert len(comments_of(issue, "hubbub[bot]")) == 2 * EXCHANGES


async def test_an_agent_and_the_bot_of_another_app_are_stopped_after_six_exchanges(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    task, agent = workspace.name(issue), await workspace.agent("one")
    reviewer = other_bot(workspace, "reviewer[bot]")
    outcomes = []
    rounds, pause_s = ROUNDS if workspace.store.dialect == "sqlite" else FASTER
    for n in range(rounds):
        workspace.clock.forward(pause_s)
        outcomes.append(await offer(agent, task, f"Fixed, {n}."))
        # The other bot answers what it sees, and only that.
        if outcomes[-1] is None:
            await workspace.settle()
            reviewer.comment(issue, f"I found one more problem, {n}.")
            await workspace.settle()
    assert outcomes == [None] * EXCHANGES + ["loop_stopped"] * (rounds - EXCHANGES)


async def test_hubbub_answers_no_command_of_another_bot(workspace: Workspace) -> None:
    issue = await workspace.task()
    echo = other_bot(workspace, "echo[bot]")
    before = len(workspace.github.requests)
    for n in range(FEWER):
        echo.comment(issue, f"/status\n\n/hubbub help {n}")
    await workspace.settle()
    assert comments_of(issue, "hubbub[bot]") == []
    assert workspace.github.requests[before:] == []


async def test_an_agent_that_answers_every_comment_of_a_script_stays_below_its_ceiling(
    workspace: Workspace,
) -> None:
    """The script has an account of a person, so GitHub does not call it a bot."""
    issue = await workspace.task()
    task, agent = workspace.name(issue), await workspace.agent("one")
    script = workspace.github.person("cron-job", permissions={"acme/rocket": "write"})
    outcomes = []
    for n in range(MOST_OF_ONE + 5):
        script.comment(issue, f"Still broken, {n}.")
        await workspace.settle()
        outcomes.append(await offer(agent, task, f"I look, {n}."))
    outcomes += [await offer(agent, task, f"Again, {n}.") for n in range(FEWER)]
    assert outcomes.count(None) == MOST_OF_ONE
    assert set(outcomes[MOST_OF_ONE:]) == {"too_many_comments"}
