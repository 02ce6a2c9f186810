"""Whose write goes next, and how much may be said."""

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from bot.background.request_scheduler import Sender
from bot.comments.limits import EXCHANGES, exchange
from bot.inbox import worker
from bot.outbox.fairness import LONGEST_STREAK, Place, in_order, sent_before
from fixtures.github import Issue
from store.outbox.write_order import Line, NextWrite
from store.outbox.writes import AGENTS, PEOPLE
from tests.support.engines import ON_SQLITE
from tests.support.recording_store import RecordingStore
from tests.support.story import Agent, Workspace


@ON_SQLITE
async def test_a_turn_without_work_is_one_statement_and_takes_no_lease(
    workspace: Workspace,
) -> None:
    recording = RecordingStore(workspace.store)
    idle = Sender(recording, workspace.sender.github, keys=workspace.dispatcher.shared.keys)
    assert await idle.step(workspace.installation.id) is None
    assert [each.partition(" FROM ")[0] for each in recording.statements] == [
        "SELECT EXISTS (SELECT 1"
    ]


@ON_SQLITE
async def test_while_another_process_sends_this_one_asks_again_only_if_there_is_work(
    workspace: Workspace,
) -> None:
    here = workspace.installation.id
    await workspace.task()
    other = Sender(workspace.store, workspace.sender.github, keys=workspace.dispatcher.shared.keys)
    assert await other.step(here) is None
    agent = await workspace.agent("scout")
    await agent.write("github_create_issue", repository="acme/rocket", title="Next")
    assert await other.step(here) == 1


def row(seq: int, author: str, lane: int = 1) -> NextWrite:
    return {"seq": seq, "author": author, "lane": lane, "apart": 0}


def authors(rows: list[NextWrite]) -> list[str]:
    return [each["author"] for each in rows]


def test_people_and_bookkeeping_go_first_in_the_order_in_which_they_asked() -> None:
    first = [row(9, "scout"), row(8, "bot", 0), row(7, "@octocat", 0)]
    assert authors(in_order(first, {}, 0)) == ["@octocat", "bot", "scout"]


def test_after_three_turns_in_a_row_an_agent_has_one() -> None:
    first = [row(9, "scout"), row(8, "bot", 0)]
    assert authors(in_order(first, {}, LONGEST_STREAK - 1)) == ["bot", "scout"]
    assert authors(in_order(first, {}, LONGEST_STREAK)) == ["scout", "bot"]


def test_the_agent_whose_last_turn_is_longest_ago_is_next() -> None:
    first = [row(1, "a"), row(2, "b"), row(3, "new")]
    assert authors(in_order(first, {"a": 20, "b": 10}, 0)) == ["new", "b", "a"]


@given(
    st.lists(st.tuples(st.integers(0, 99), st.sampled_from("abc"), st.sampled_from([0, 1]))),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 99)),
    st.integers(0, 9),
)
def test_nobody_is_left_out(
    given_rows: list[tuple[int, str, int]], last: dict[str, int], streak: int
) -> None:
    first = [row(*each) for each in given_rows]
    found = in_order(first, last, streak)
    assert sorted(map(repr, found)) == sorted(map(repr, first))


def test_two_are_stopped_when_they_only_answered_each_other() -> None:
    talk = ["b", "a"] * EXCHANGES
    assert exchange(talk) == ("a", "b")
    assert exchange(talk[1:]) is None
    assert exchange(["", *talk]) is None
    assert exchange([*talk[:3], "c", *talk[3:]]) is None
    assert exchange(["a"] * 2 * EXCHANGES) is None


async def comment_often(agent: Agent, issue: str, n: int) -> None:
    for each in range(n):
        await agent.write("github_comment_issue", issue=issue, body=f"{agent.actor.name} {each}")


def order(issue: Issue) -> list[str]:
    return [each.body.split()[-2] for each in issue.comments if each.user.type == "Bot"]


@ON_SQLITE
async def test_a_talkative_agent_does_not_hold_up_the_others(workspace: Workspace) -> None:
    issue = await workspace.task()
    loud, quiet = await workspace.agent("loud"), await workspace.agent("quiet")
    await comment_often(loud, workspace.name(issue), 20)
    await comment_often(quiet, workspace.name(issue), 2)
    await workspace.settle()
    # The issue is one target: there they keep the order in which they were asked for.
    assert order(issue) == ["loud"] * 20 + ["quiet"] * 2
    one, two = await workspace.task("One"), await workspace.task("Two")
    await comment_often(loud, workspace.name(one), 20)
    await comment_often(quiet, workspace.name(two), 2)
    posts = len(workspace.github.requests)
    await workspace.settle()
    said = [
        r.body["body"].split()[-2] for r in workspace.github.requests[posts:] if r.method == "POST"
    ]
    assert said[:4].count("quiet") == 2


@ON_SQLITE
async def test_an_agents_flood_leaves_people_their_share(workspace: Workspace) -> None:
    """What a person asks for goes out at once, however much agents have queued."""
    flooded, calm = await workspace.task("Flooded"), await workspace.task("Calm")
    agents = [await workspace.agent(f"agent-{n}") for n in range(5)]
    for each in agents:
        for n in range(50):
            await each.write(
                "github_create_issue", repository="acme/rocket", title=f"{each.actor.name} {n}"
            )
    # Until agents have spent what is theirs of the hour.
    while (
        wait := await workspace.sender.step(workspace.installation.id)
    ) is not None and wait < 10:
        workspace.clock.forward(wait)
    assert wait is not None
    workspace.person.comment(calm, "/status")
    began = workspace.clock()
    await workspace.github.wait_for_deliveries()
    while not any(each.user.type == "Bot" for each in calm.comments):
        while await worker.step(workspace.store, workspace.dispatcher.shared):
            pass
        workspace.clock.forward(await workspace.sender.step(workspace.installation.id) or 0)
    assert workspace.clock() - began < 10_000_000
    assert flooded.comments == []


async def test_an_answer_to_a_person_waits_for_no_agent_on_the_same_issue(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("chatty")
    for n in range(5):
        await agent.write("github_comment_issue", issue=workspace.name(issue), body=f"Thought {n}")
    workspace.person.comment(issue, "/status")
    while await workspace.process_delivery():
        pass
    await workspace.settle()
    said = [each.body for each in issue.comments[1:]]
    (answer,) = [n for n, body in enumerate(said) if "waiting for an agent" in body]
    assert answer < 2


def lines(queue: list[tuple[str, int]]) -> list[Line]:
    made: dict[tuple[str, int], Line] = {}
    for seq, (author, lane) in enumerate(queue):
        one: Line = {
            "author": author,
            "lane": lane,
            "kind": "issue",
            "sending": 0,
            "n": 0,
            "first_seq": seq,
        }
        made.setdefault((author, lane), one)["n"] += 1
    return list(made.values())


def played(queue: list[tuple[str, int]], last: dict[str, int], streak: int) -> list[int]:
    """The numbers of the writes in the order in which they are sent."""
    left, last, sent = list(enumerate(queue)), dict(last), list[int]()
    while left:
        first: dict[tuple[str, int], NextWrite] = {}
        for seq, (author, lane) in left:
            first.setdefault((author, lane), row(seq, author, lane))
        turn = in_order(list(first.values()), last, streak)[0]
        last[turn["author"]] = 1000 + len(sent)
        streak = streak + 1 if turn["lane"] == PEOPLE else 0
        sent.append(turn["seq"])
        left = [each for each in left if each[0] != turn["seq"]]
    return sent


@given(
    st.lists(
        st.sampled_from([("a", AGENTS), ("b", AGENTS), ("c", AGENTS), ("@p", PEOPLE)]), min_size=1
    ),
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 99)),
    st.integers(0, LONGEST_STREAK),
)
def test_what_is_told_to_go_before_a_write_goes_before_it(
    queue: list[tuple[str, int]], last: dict[str, int], streak: int
) -> None:
    order = played(queue, last, streak)
    for seq, (author, lane) in enumerate(queue):
        before = [each for each in queue[:seq] if each[1] == lane]
        own = before if lane == PEOPLE else [each for each in before if each[0] == author]
        first = next(n for n, each in enumerate(queue) if each == (author, lane))
        place = Place(author, lane, {"issue": len(own)}, first)
        assert sent_before(place, lines(queue), last, streak) == order.index(seq)


async def test_an_agent_is_told_when_its_fair_turn_comes(workspace: Workspace) -> None:
    """Not after all that a loud one queued before."""
    loud, quiet = await workspace.agent("loud"), await workspace.agent("quiet")
    for n in range(30):
        await loud.write("github_create_issue", repository="acme/rocket", title=f"Loud {n}")
    made = await quiet.write("github_create_issue", repository="acme/rocket", title="Quiet")
    again = await quiet.write("get_write", write_id=made["write_id"])
    assert [(each["ahead"], each["expected_at"]) for each in (made, again)] == [
        (1, made["expected_at"])
    ] * 2
    last = await loud.write("github_create_issue", repository="acme/rocket", title="Last")
    assert last["ahead"] == 31
    await workspace.settle()
    for each, who in ((made, quiet), (last, loud)):
        sent_at = await sent(workspace, each["write_id"])
        assert abs(sent_at - microseconds(each["expected_at"])) <= 4_000_000, who.actor.name


async def test_an_agent_is_told_of_what_goes_before_it_on_the_same_issue(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    loud, quiet = await workspace.agent("loud"), await workspace.agent("quiet")
    await comment_often(loud, workspace.name(issue), 10)
    here = {"issue": workspace.name(issue), "body": "quiet"}
    made = await quiet.write("github_comment_issue", **here)
    assert made["ahead"] == 10
    await workspace.settle()
    late = await sent(workspace, made["write_id"]) - microseconds(made["expected_at"])
    assert abs(late) <= 4_000_000


async def sent(workspace: Workspace, write_id: str) -> int:
    (found,) = await workspace.rows(
        "SELECT sending_at FROM writes WHERE installation_id = :i AND id = :w", w=write_id
    )
    at: int = found["sending_at"]
    return at


def microseconds(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).timestamp() * 1_000_000)
