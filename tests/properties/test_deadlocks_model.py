"""A circle of agents that wait for each other is listed if and only if there is one.

Hypothesis tells the story: agents ask each other and answer, claim and give back tasks, and tasks
get blockers, and the reaper looks after each of these.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.messages import deadlocks
from store.engine.transaction import Store
from store.messages import wait_circles
from tests.support.engines import ON_MYSQL, ON_SQLITE
from tests.support.office import Office
from tests.support.sampling import examples
from tests.support.story import Agent, Clock

AGENTS = ("ada", "bob", "cyd")
TASKS = range(6)
ACTS = ("ask", "ask", "ask", "ask", "answer", "answer", "take back", "claim", "block", "release")
STEPS = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 59)), min_size=12, max_size=40)
Wait = tuple[str, str]


@dataclass
class Model:
    """Who waits for whom, in plain Python."""

    asked: dict[str, Wait] = field(default_factory=dict)
    holders: dict[int, str] = field(default_factory=dict)
    blocked: set[tuple[int, int]] = field(default_factory=set)

    def waits(self) -> set[Wait]:
        held = {
            (self.holders[a], self.holders[b])
            for a, b in self.blocked
            if a in self.holders and b in self.holders
        }
        return {(a, b) for a, b in {*self.asked.values(), *held} if a != b}

    def knots(self) -> list[set[str]]:
        """Groups of agents that all wait for each other, directly or not: Warshall's closure."""
        reach = self.waits()
        for middle in AGENTS:
            reach |= {(a, b) for a in AGENTS for b in AGENTS if {(a, middle), (middle, b)} <= reach}
        found = [{b for b in AGENTS if {(a, b), (b, a)} <= reach} for a in AGENTS]
        return [each for each in found if each]


class Story:
    def __init__(self, office: Office, agents: dict[str, Agent]) -> None:
        self.office = office
        self.agents = agents
        self.model = Model()

    async def step(self, act: str, n: int) -> None:
        model, i = self.model, self.office.installation_id
        who, other = AGENTS[n % 3], AGENTS[(n + 1 + n // 3 % 2) % 3]
        task, blocker = sorted((n % 6, (n + 1 + n // 6 % 5) % 6))
        if act == "ask":
            found = await self.agents[who].call("consult_agents", question="?", agents=[other])
            model.asked[found["consultation"]] = (who, other)
        elif act in ("answer", "take back") and model.asked:
            question = sorted(model.asked)[n % len(model.asked)]
            asker, awaited = model.asked.pop(question)
            if act == "take back":
                await self.agents[asker].call("delete_message", message_id=question)
            else:
                given = {"to": asker, "body": "Yes", "reply_to": question}
                await self.agents[awaited].call("send_message", **given)
        elif act == "claim" and task not in model.holders:
            model.holders[task] = who
            await self._hold(task, who)
            await self.office.store.write(
                partial(deadlocks.check_agent, installation_id=i, agent_id=who)
            )
        elif act == "release" and task in model.holders:
            del model.holders[task]
            await self._hold(task, None)
        elif act == "block" and (task, blocker) not in model.blocked:
            model.blocked.add((task, blocker))
            await self.office.run(
                "INSERT INTO relations (installation_id, kind, source_id, target_id, source_name, "
                "target_name, source_state, target_state) VALUES (:i, 'blocked_by', :a, :b, '', "
                "'', 'open', 'open')",
                a=task,
                b=blocker,
            )
            await self.office.store.write(
                partial(deadlocks.check_issues, installation_id=i, issue_ids=[task])
            )

    async def _hold(self, task: int, who: str | None) -> None:
        q = "UPDATE tasks SET holder = :who, state = :s WHERE installation_id = :i AND issue_id = "
        await self.office.run(f"{q}:t", who=who, s="in_progress" if who else "pending", t=task)

    async def check(self) -> None:
        """Each circle that is listed exists, and each knot has one."""
        i = self.office.installation_id
        rows = await self.office.store.read(lambda tx: wait_circles.living(tx, i, 500))
        waits, knots = self.model.waits(), self.model.knots()
        assert {(row["waiter"], row["awaited"]) for row in rows} <= waits
        for circle in {row["circle_id"] for row in rows}:
            of_one = [row for row in rows if row["circle_id"] == circle]
            assert [row["awaited"] for row in of_one] == [
                row["waiter"] for row in (*of_one[1:], of_one[0])
            ]
        listed: Collection[str] = {row["waiter"] for row in rows}
        assert all(knot & set(listed) for knot in knots)
        assert bool(listed) == bool(knots)


async def begin(office: Office) -> Story:
    for table in ("consultations", "wait_circles", "relations", "tasks"):
        await office.run(f"DELETE FROM {table} WHERE installation_id = :i")
    for task in TASKS:
        await office.run(
            "INSERT INTO tasks (installation_id, id, repository_id, issue_id, title, state, "
            "priority, capabilities, created_at, updated_at) "
            "VALUES (:i, :id, 1, :n, 'x', 'pending', 1, '[]', 0, 0)",
            id=f"t_{office.installation_id}_{task}",
            n=task,
        )
    office.clock.forward(3600)
    return Story(office, {each: await office.agent(each) for each in AGENTS})


@pytest.fixture
def office(store: Store, clock: Clock, installation_id: int) -> Office:
    return Office(store, clock, installation_id)


STORIES = settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@ON_SQLITE
@STORIES
@given(steps=STEPS)
async def test_a_circle_is_listed_if_and_only_if_there_is_one(
    office: Office, steps: list[tuple[str, int]]
) -> None:
    await play(office, steps)


@ON_MYSQL
@settings(STORIES, max_examples=examples(6))
@given(steps=STEPS)
async def test_a_circle_is_listed_if_and_only_if_there_is_one_on_mysql(
    office: Office, steps: list[tuple[str, int]]
) -> None:
    await play(office, steps)


async def play(office: Office, steps: list[tuple[str, int]]) -> None:
    story = await begin(office)
    for act, n in steps:
        await story.step(act, n)
        refresh = partial(deadlocks.refresh, installation_id=office.installation_id)
        await office.store.write(refresh)
        await story.check()
