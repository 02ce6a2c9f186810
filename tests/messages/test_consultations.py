"""Consultations: who is asked, which answer counts, how votes are counted, what ends them."""

import asyncio
from typing import Any

import pytest

from bot.background.retention import DAY, RetentionTimes
from bot.background.retention import step as forget
from tests.support.engines import ON_SQLITE
from tests.support.office import Office, bodies, leaves
from tests.support.story import Agent


async def ask(agent: Agent, question: str = "which?", **more: Any) -> dict[str, Any]:
    return await agent.call("consult_agents", question=question, **more)


async def look(agent: Agent, consultation: str, **more: Any) -> dict[str, Any]:
    return await agent.call("consult_agents", consultation=consultation, **more)


async def reply(agent: Agent, to: str, consultation: str, body: str = "this") -> dict[str, Any]:
    return await agent.call("send_message", to=to, body=body, reply_to=consultation)


async def notices(agent: Agent) -> list[tuple[str, str]]:
    found = await agent.call("get_messages", state="notices")
    return [(each["kind"], each["message"]) for each in found["past_notices"]]


async def team(office: Office) -> tuple[Agent, Agent, Agent]:
    ada = await office.agent("ada", "developer", "python")
    bob = await office.agent("bob", "developer", "rust")
    cyd = await office.agent("cyd", "tester", "rust:3")
    return ada, bob, cyd


async def test_the_first_answer_counts_and_the_question_disappears_for_the_others(
    office: Office,
) -> None:
    ada, bob, cyd = await team(office)
    dan = await office.agent("dan", "tester", "rust")
    asked = await ask(ada, capability="rust")
    question = asked["consultation"]
    assert (asked["state"], asked["asked"]) == ("open", ["bob", "cyd", "dan"])
    (got,) = (await bob.call("get_messages"))["messages"]
    assert got["hint"] == (
        f"send_message with `to` ada and `reply_to` {question} answers; the first answer counts"
    )
    assert await bodies(cyd) == ["which?"]
    answered = await reply(bob, "ada", question, "use tokio")
    assert answered["hint"] == "Your answer is the first, so ada takes it."
    found = await look(ada, question)
    assert (found["state"], found["outcome"]) == ("answered", "bob")
    assert [(each["agent"], each["text"]) for each in found["answers"]] == [("bob", "use tokio")]
    # Who had read it is told; who had not finds nothing.
    assert await notices(cyd) == [("consultation", f"bob answered the question {question} of ada.")]
    assert await notices(dan) == []
    assert await bodies(dan) == []
    assert await bodies(await office.agent("eve", "tester", "rust")) == []


async def test_a_late_answer_is_refused_in_words(office: Office) -> None:
    ada, bob, cyd = await team(office)
    question = (await ask(ada, capability="rust"))["consultation"]
    await reply(bob, "ada", question)
    refused = await cyd.refusal("send_message", to="ada", body="mine", reply_to=question)
    assert refused.code == "too_late"
    assert refused.message == (
        f"bob answered the question {question} of ada. Nothing was sent, and nothing more is "
        "needed. To write to ada anyway, send a message without `reply_to`."
    )
    # The winner, and messages that answer no question, go on as usual.
    more = await reply(bob, "ada", question, "one more thing")
    await ada.call("send_message", to="bob", body="thanks", reply_to=more["message_id"])
    assert await bodies(ada) == ["this", "one more thing"]


async def test_an_asker_that_waits_gets_the_first_answer(office: Office) -> None:
    ada, bob, _ = await team(office)
    asking = asyncio.create_task(ask(ada, agents=["bob"], wait_s=30))
    (message,) = (await bob.call("get_messages", wait_s=30))["messages"]
    await reply(bob, "ada", message["id"], "yes")
    found = await asking
    assert (found["state"], found["outcome"]) == ("answered", "bob")
    assert found["answers"][0]["text"] == "yes"
    # The answer is in the result, so it is not handed out again.
    assert await bodies(ada) == []


async def test_an_asker_that_judges_accepts_one_of_the_answers(office: Office) -> None:
    ada, bob, cyd = await team(office)
    question = (await ask(ada, agents=["bob", "cyd"], judge=True))["consultation"]
    assert (await reply(bob, "ada", question, "bad"))["hint"] == (
        "ada decides whether to take your answer."
    )
    found = await look(ada, question, wait_s=30)
    assert [(each["agent"], each["text"]) for each in found["answers"]] == [("bob", "bad")]
    await reply(cyd, "ada", question, "good")
    assert (await ada.refusal("consult_agents", consultation=question, accept="eve")).code == (
        "invalid_arguments"
    )
    assert (await bob.refusal("consult_agents", consultation=question, accept="bob")).code == (
        "invalid_arguments"
    )
    for _ in range(2):
        found = await look(ada, question, accept="cyd")
        assert (found["state"], found["outcome"]) == ("answered", "cyd")
    assert await notices(bob) == [("consultation", f"cyd answered the question {question} of ada.")]
    assert await notices(cyd) == []
    refused = await ada.refusal("consult_agents", consultation=question, accept="bob")
    assert refused.code == "too_late"


async def test_a_vote_is_decided_when_as_many_agree_as_are_needed(office: Office) -> None:
    ada, bob, cyd = await team(office)
    dan = await office.agent("dan", "tester", "rust")
    eve = await office.agent("eve", "tester", "rust")
    asked = await ask(ada, capability="rust", options=["tokio", "smol"], quorum=3)
    question = asked["consultation"]
    (message,) = (await bob.call("get_messages"))["messages"]
    assert message["hint"].endswith("begins with one of these votes: tokio, smol")
    assert (await reply(bob, "ada", question, "Tokio: all use it"))["hint"] == (
        "So far: tokio 1, smol 0; 3 must agree. Vote again to change your vote."
    )
    refused = await cyd.refusal("send_message", to="ada", body="tokio rocks", reply_to=question)
    assert refused.message == (
        "`body` must begin with the option that you vote for: tokio, smol. Reasons may follow "
        "after a colon."
    )
    await reply(cyd, "ada", question, "tokio")
    await reply(bob, "ada", question, "smol")
    assert (await look(dan, question))["votes"] == {"tokio": 1, "smol": 1}
    await reply(dan, "ada", question, "smol")
    assert (await reply(eve, "ada", question, "smol:\nit is small"))["hint"] == (
        "Your vote decided it: tokio 1, smol 3."
    )
    for each in (ada, bob, cyd, dan, eve):
        found = await look(each, question)
        assert (found["state"], found["outcome"]) == ("decided", "smol")
        assert found["votes"] == {"tokio": 1, "smol": 3}
    said = f"The vote {question} of ada is decided for smol: tokio 1, smol 3."
    assert ("consultation", said) in await notices(cyd)
    assert await notices(ada) == [("consultation", said)]
    # The asker has the result, and no message for each vote.
    assert await bodies(ada) == []
    assert (await cyd.refusal("send_message", to="ada", body="smol", reply_to=question)).code == (
        "too_late"
    )


async def test_a_tie_and_a_time_out_give_the_partial_count(office: Office) -> None:
    ada, bob, cyd = await team(office)
    tie = (await ask(ada, capability="rust", options=["a", "b"]))["consultation"]
    late = (await ask(ada, capability="rust", options=["a", "b"], expires_s=60))["consultation"]
    await reply(bob, "ada", tie, "a")
    assert (await reply(cyd, "ada", tie, "b"))["hint"] == (
        "All have voted, and no option has 2 votes: a 1, b 1."
    )
    await reply(bob, "ada", late, "a")
    office.clock.forward(60)
    assert (await cyd.refusal("send_message", to="ada", body="a", reply_to=late)).code == "too_late"
    await office.time_passes(0)
    for question, votes in ((tie, {"a": 1, "b": 1}), (late, {"a": 1, "b": 0})):
        found = await look(ada, question)
        assert (found["state"], found["outcome"], found["votes"]) == ("undecided", None, votes)
    assert ("consultation", f"The vote {late} of ada ended without a decision: a 1, b 0.") in (
        await notices(ada)
    )


async def test_nobody_answers_in_time(office: Office) -> None:
    ada, bob, _ = await team(office)
    question = (await ask(ada, agents=["bob"], expires_s=60))["consultation"]
    assert await bodies(bob) == ["which?"]
    office.clock.forward(61)
    found = await look(ada, question, wait_s=30)
    assert found["state"] == "expired"
    assert await bodies(bob) == []
    said = f"The time for the question {question} of ada is over."
    assert ("consultation", said) in await notices(bob)


async def test_a_question_ends_when_its_asker_or_the_only_one_asked_leaves(office: Office) -> None:
    ada, bob, cyd = await team(office)
    of_ada = (await ask(ada, agents=["bob", "cyd"]))["consultation"]
    of_bob = (await ask(bob, agents=["cyd"]))["consultation"]
    of_cyd = (await ask(cyd, agents=["ada"]))["consultation"]
    await bodies(bob)
    await leaves(office, "ada")
    await office.time_passes(0)
    assert (await look(bob, of_ada))["state"] == "ended"
    assert (await look(cyd, of_cyd))["state"] == "ended"
    assert (await look(bob, of_bob))["state"] == "open"
    said = f"The question {of_ada} of ada ended, because an agent that it needs has left."
    assert ("consultation", said) in await notices(bob)
    assert await bodies(cyd) == ["which?"]  # that of bob


async def test_an_asker_takes_its_question_back(office: Office) -> None:
    ada, bob, cyd = await team(office)
    question = (await ask(ada, capability="rust"))["consultation"]
    await bodies(bob)
    await ada.call("delete_message", message_id=question)
    assert (await look(ada, question))["state"] == "withdrawn"
    assert await bodies(cyd) == []
    assert await notices(bob) == [("consultation", f"ada took the question {question} back.")]


async def test_an_agent_that_comes_while_the_question_is_open_is_asked_too(office: Office) -> None:
    ada, _, _ = await team(office)
    question = (await ask(ada, capability="rust"))["consultation"]
    eve = await office.agent("eve", "tester", "rust:2")
    await reply(eve, "ada", question)
    assert (await look(ada, question))["outcome"] == "eve"


async def test_only_present_agents_of_a_group_are_asked(office: Office) -> None:
    ada, *_ = await team(office)
    await office.run(
        "UPDATE agents SET last_active_at = 1 WHERE installation_id = :i AND id = 'cyd'"
    )
    assert (await ask(ada, capability="rust"))["asked"] == ["bob"]
    await office.run("UPDATE agents SET paused_at = 1 WHERE installation_id = :i AND id = 'bob'")
    refused = await ada.refusal("consult_agents", question="?", capability="rust")
    assert refused.code == "unknown_agent"
    assert (await ask(ada, agents=["cyd"]))["asked"] == ["cyd"]


async def test_agents_that_cannot_answer_are_not_asked(office: Office) -> None:
    ada, *_ = await team(office)
    await office.agent("dan", "observer", "rust")
    assert (await ask(ada, capability="rust"))["asked"] == ["bob", "cyd"]
    assert (await ada.refusal("consult_agents", question="?", agents=["dan"])).code == "forbidden"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Pass `question` to ask, or `consultation` to look at one that was asked."),
        ({"role": "developer", "agents": ["bob"]}, "Pass only one of"),
        ({"agents": ["ada"]}, "you cannot ask yourself"),
        ({"options": ["a", "A "]}, "give each option once"),
        ({"options": ["a"]}, "`options` must have at least 2 entries"),
        ({"options": ["a", "b"], "judge": True}, "not both"),
        ({"quorum": 2}, "`quorum` needs `options`"),
        ({"options": ["a", "b"], "quorum": 3}, "only 2 agents are asked"),
        ({"agents": ["nobody"]}, "'nobody' has not registered"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    office: Office, given: dict[str, Any], words: str
) -> None:
    ada, bob, _ = await team(office)
    refused = await ada.refusal("consult_agents", **({"question": "?"} if given else {}), **given)
    assert words in refused.message
    assert await bodies(bob) == []


async def test_others_see_nothing_of_a_consultation(office: Office) -> None:
    ada, _, _ = await team(office)
    question = (await ask(ada, agents=["bob"]))["consultation"]
    dan = await office.agent("dan")
    assert (await dan.refusal("consult_agents", consultation=question)).code == "unknown_message"


async def test_of_two_answers_at_once_one_wins(office: Office) -> None:
    ada, bob, cyd = await team(office)
    for _ in range(5):
        question = (await ask(ada, capability="rust"))["consultation"]
        both = await asyncio.gather(
            *(reply(each, "ada", question) for each in (bob, cyd)), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in both) == ["Refused", "dict"]
        winner = "bob" if isinstance(both[0], dict) else "cyd"
        found = await look(ada, question)
        assert (found["outcome"], len(found["answers"])) == (winner, 1)


async def test_a_vote_at_the_moment_of_the_end_counts_or_is_refused(office: Office) -> None:
    ada, bob, cyd = await team(office)
    for _ in range(5):
        asked = await ask(ada, agents=["bob", "cyd"], options=["a", "b"], expires_s=60)
        question = asked["consultation"]
        office.clock.forward(60)
        voted, _ = await asyncio.gather(
            reply(bob, "ada", question, "a"), office.time_passes(0), return_exceptions=True
        )
        found = await look(cyd, question)
        assert found["state"] == "undecided"
        assert found["votes"] == {"a": int(isinstance(voted, dict)), "b": 0}


# Retention steps through all installations of a database, which the tests on MariaDB share.
@ON_SQLITE
async def test_a_consultation_is_dropped_with_its_question(office: Office) -> None:
    await office.run(
        "INSERT INTO installations (installation_id, account, account_id, account_type, "
        "repository_selection, permissions, version) "
        "VALUES (:i, 'acme', 1, 'Organization', 'all', '{}', '')"
    )
    ada, bob, _ = await team(office)
    question = (await ask(ada, agents=["bob"]))["consultation"]
    await reply(bob, "ada", question)
    await office.time_passes(100 * DAY / 1_000_000)
    keeping = RetentionTimes(deliveries=DAY, history=90 * DAY, grace=DAY)
    while await forget(office.store, office.dispatcher.shared.keys, keeping, {}):
        pass
    for table in ("messages", "receipts", "consultations", "consultation_answers"):
        assert await office.rows(f"SELECT * FROM {table} WHERE installation_id = :i") == [], table
