"""Each kind of write, with each fault of GitHub's, and the sender's death after each of its steps.

Either the effect is there once and the write is sent, or it is not there and its author is told
why. No webhook tells of the effect: it has to be looked for.
"""

from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import pytest

from bot.background.request_scheduler import Sender
from bot.github.channel import Timing
from bot.github.client import GitHub
from bot.outbox.kinds import KINDS, Kind
from bot.times import SECOND
from store.engine.transaction import Row, Store, Tx
from store.outbox import sender_leases, writes
from tests.support.crash_points import Crash, CrashPlan, crashing_sender
from tests.support.sampling import sample
from tests.support.story import Clock, Workspace, open_workspace
from tests.support.write_scenarios import SCENARIOS, Scenario, Stage, set_up

# Of real time: only where GitHub keeps silent is it waited for.
TIME_OUT_S = 0.05
# More than any write takes.
MOST_STEPS = 100
ALWAYS = 1000
# What only the dead one was told must be over when the next one begins: it cannot know.
LIMIT_S = 40


@dataclass(frozen=True)
class Trouble:
    """`strikes`: what fails in which way how often: the write itself, or the reads about it."""

    strikes: tuple[tuple[str, str, int], ...] = ()
    refused: bool = False
    renamed: bool = False

    @property
    def silent(self) -> bool:
        return any("timeout" in fault for _, fault, _ in self.strikes)


def once(*faults: str) -> Trouble:
    return Trouble(tuple(("WRITE", each, 1) for each in faults))


def refusal(fault: str) -> Trouble:
    return Trouble((("WRITE", fault, ALWAYS),), refused=True)


TROUBLES = {
    "none": Trouble(),
    # GitHub says no.
    "403": refusal("403"),
    "404": refusal("404"),
    "410": refusal("410"),
    "422": refusal("422"),
    "locked": refusal("locked"),
    "too long": refusal("too_long"),
    # It says wait.
    "secondary": once("secondary"),
    "secondary, without retry-after": once("secondary_no_retry_after"),
    "secondary, twice": once("secondary_no_retry_after", "secondary_no_retry_after"),
    "429": once("429"),
    "graphql's points are spent": once("graphql_spent"),
    # It says nothing that helps.
    "500": once("500"),
    "502": once("502"),
    "502 after the effect": once("502_after"),
    "closed": once("close"),
    "closed after the effect": once("close_after"),
    "time-out": once("timeout"),
    "time-out after the effect": once("timeout_after"),
    "closed, then closed after the effect": once("close", "close_after"),
    # Its token, its lag, its other name.
    "401": once("401"),
    "the token is revoked": once("revoked"),
    "404 at first": once("404"),
    "502 after the effect, which is not seen at first": Trouble(
        (("WRITE", "502_after", 1), ("GET", "unseen", 1))
    ),
    "renamed": Trouble(renamed=True),
    "renamed, closed after the effect": Trouble((("WRITE", "close_after", 1),), renamed=True),
    # What is read before, or looked for after it, fails as well.
    "502 after the effect, then 500 twice": Trouble((("WRITE", "502_after", 1), ("GET", "500", 2))),
    "closed after the effect, then told to wait": Trouble(
        (("WRITE", "close_after", 1), ("GET", "secondary", 1))
    ),
    "the first read is closed": Trouble((("GET", "close", 1),)),
    "the first read is told to wait": Trouble((("GET", "secondary", 1),)),
    "the first read gets 404": Trouble((("GET", "404", 1),)),
}


def concerns(kind: Kind, trouble: Trouble) -> bool:
    """Whether it can befall the kind: some have no reads, and to some a 404 says that it is so."""
    reads = kind.prepare is not Kind.prepare or kind.look is not Kind.look
    for what, fault, _ in trouble.strikes:
        if what == "GET" and not reads:
            return False
        if what == "GET" and len(trouble.strikes) == 1 and kind.prepare is Kind.prepare:
            return False
        if fault == "graphql_spent" and kind.resource != "graphql":
            return False
        if fault.isdecimal() and int(fault) in kind.done:
            return False
    return True


@dataclass(frozen=True)
class Matrix:
    stage: Stage
    patient: GitHub
    hasty: GitHub

    @property
    def workspace(self) -> Workspace:
        return self.stage.workspace

    async def cell(self, kind: str, trouble: Trouble, after: int | None = None) -> list[Hashable]:
        """Play it, and hold it to what it must come to.

        Without a death, say what a death after each step would leave to a successor.
        """
        scene = await SCENARIOS[kind](self.stage)
        write_id = await self.queue(kind, scene)
        self.strike(scene, trouble)
        github = self.hasty if trouble.silent else self.patient
        look = partial(self.remains, scene, trouble, write_id) if after is None else None
        crash_plan = CrashPlan(after, look)
        sender = crashing_sender(self.workspace.dispatcher, github, crash_plan)
        try:
            await self.live(sender, write_id)
        except Crash:
            sender = Sender(
                self.workspace.store, github, keys=self.workspace.dispatcher.shared.keys
            )
            await self.succeed(sender, write_id)
        await self.workspace.store.write(lambda tx: sender_leases.release(tx, sender.me))
        self.workspace.github._site.faults._asked.clear()
        if trouble.renamed:
            self.workspace.person.rename(self.stage.repository, "rocket")
        await self.judge(scene, trouble, write_id)
        return crash_plan.left

    async def remains(self, scene: Scenario, trouble: Trouble, write_id: str) -> Hashable:
        """All that a successor's work depends on: what is stored, what GitHub has, what fails."""
        write, github = await self.write(write_id), self.workspace.github
        budgets = await self.workspace.rows("SELECT * FROM budgets WHERE installation_id = :i")
        return (
            *(write[name] for name in ("state", "attempts", "looks", "failures")),
            (write["result"] is None, self.wait_s(write["not_before"])),
            tuple(
                (each["resource"], self.wait_s(each["blocked_until"]), each["failures"])
                for each in budgets
            ),
            tuple(self.wait_s(until * SECOND) for until in github.limits.blocked_until.values()),
            scene.effects(),
            tuple((each.kind, each.left) for each in github._site.faults._asked if each.left),
            trouble.renamed,
        )

    def wait_s(self, until: float) -> int:
        return max(0, round((until - self.workspace.clock.at) / SECOND))

    async def queue(self, kind: str, scene: Scenario) -> str:
        async def work(tx: Tx) -> str:
            return await writes.queue(
                tx,
                self.workspace.installation.id,
                kind=kind,
                repository_id=self.stage.repository.id,
                target=scene.target,
                arguments=scene.arguments,
                author="scout",
                task_id=scene.task_id,
            )

        return await self.workspace.store.write(work)

    def strike(self, scene: Scenario, trouble: Trouble) -> None:
        for what, fault, times in trouble.strikes:
            asked = ("GET", "") if what == "GET" else (scene.method, scene.path)
            self.workspace.github.fault(*asked, fault, times, seconds=LIMIT_S)
        if trouble.renamed:
            self.workspace.person.rename(self.stage.repository, "missile")

    async def live(self, sender: Sender, write_id: str) -> None:
        """Step by step until the write has come to its end."""
        for _ in range(MOST_STEPS):
            wait = await sender.step(self.workspace.installation.id)
            write = await self.write(write_id)
            if write["state"] in writes.FINAL:
                return
            if wait is None:
                wait = max(0, write["not_before"] - self.workspace.clock()) / 1_000_000
            self.workspace.clock.forward(wait)
        raise AssertionError(f"it does not come to its end: {await self.write(write_id)}")

    async def succeed(self, sender: Sender, write_id: str) -> None:
        """Another takes over, not before the dead one's last request has surely ended."""
        # There may be nothing left to do.
        is_over = (await self.write(write_id))["state"] in writes.FINAL
        assert await sender.step(self.workspace.installation.id) == 1 or is_over
        timing = Timing()
        self.workspace.clock.forward((timing.lease + timing.grace) / 1_000_000)
        await self.live(sender, write_id)

    async def write(self, write_id: str) -> Row:
        q = "SELECT * FROM writes WHERE installation_id = :i AND id = :w"
        (row,) = await self.workspace.rows(q, w=write_id)
        return row

    async def judge(self, scene: Scenario, trouble: Trouble, write_id: str) -> None:
        write = await self.write(write_id)
        came_to = (write["state"], scene.effects(), write["error"] is None)
        assert came_to == (("refused", 0, False) if trouble.refused else ("sent", 1, True)), write


@pytest.fixture
async def matrix(store: Store, clock: Clock) -> AsyncIterator[Matrix]:
    """Other tests compare all these exchanges with GitHub's description: it takes a while."""
    async with open_workspace(store, clock, None) as workspace, aiohttp.ClientSession() as session:
        stage = set_up(workspace)
        await workspace.settle()
        await workspace.sender.release()
        workspace.github.hold_deliveries()
        given: dict[str, Any] = {
            "api_url": workspace.github.url,
            "app_id": str(workspace.github.app.id),
            "private_key": workspace.github.app.private_key,
            "now": workspace.clock,
        }
        patient = GitHub(session, **given)
        yield Matrix(stage, patient, GitHub(session, **given, time_out=TIME_OUT_S))
        assert workspace.github.limits.exceeded == []
        assert workspace.github.limits.too_fast == []


# For each kind: how many troubles concern it, and how many deaths that leave something different
# behind there are in them. Deaths in silence are not counted: they go by real time.
CELLS = {
    "comment": (27, 151),
    "comment_edit": (24, 121),
    "comment_delete": (21, 105),
    "comment_minimize": (31, 152),
    "card": (27, 151),
    "reply": (27, 151),
    "reaction": (24, 121),
    "reaction_removal": (22, 109),
    "review_reaction": (31, 152),
    "review_reaction_removal": (31, 152),
    "issue": (27, 151),
    "issue_update": (30, 150),
    "sub_issue": (27, 151),
    "sub_issue_removal": (21, 105),
    "blocked_by": (27, 151),
    "blocked_by_removal": (21, 105),
    "pull": (27, 151),
    "pull_update": (24, 121),
    "pull_draft": (31, 143),
    "reviewers": (24, 121),
    "merge": (27, 148),
    "review": (27, 151),
    "review_reply": (27, 151),
    "resolve_threads": (31, 139),
    "branch": (30, 146),
    "commit": (28, 148),
    "board_item": (24, 120),
    "board_status": (24, 120),
    "check_run": (27, 151),
    "workflow_dispatch": (27, 151),
    "workflow_cancel": (24, 121),
    "workflow_force_cancel": (24, 121),
}


# What Hubbub's own check shows depends on a task and its pull request, so tests/pulls plays it.
PLAYED_ELSEWHERE = {"pull_check"}


def test_each_kind_of_write_has_its_scene_in_the_matrix() -> None:
    assert set(SCENARIOS) == set(CELLS) == set(KINDS) - PLAYED_ELSEWHERE


@pytest.mark.parametrize("kind", [each for each in KINDS if each not in PLAYED_ELSEWHERE])
async def test_a_write_takes_effect_once_or_is_refused_whatever_fails_and_whoever_dies(
    matrix: Matrix, kind: str
) -> None:
    """Deaths that leave the same behind are one: a successor cannot tell them apart.

    Each kind is played a fifth of its deaths, and over the wire a sixth of its troubles: others
    than the kinds beside it, because all kinds go through the same steps.
    """
    place, is_near = list(KINDS).index(kind), matrix.workspace.store.dialect == "sqlite"
    concerning = {name: each for name, each in TROUBLES.items() if concerns(KINDS[kind], each)}
    troubles = dict(sample(concerning.items(), 1 if is_near else 6, place))
    deaths: dict[Hashable, tuple[str, int]] = {}
    # The silent ones last: what they have in common with others counts for those.
    for name, trouble in sorted(troubles.items(), key=lambda item: item[1].silent):
        for after, left in enumerate(await matrix.cell(kind, trouble), 1):
            deaths.setdefault(left, (name, after))
    failed = []
    for name, after in sample(deaths.values(), 5, place):
        try:
            await matrix.cell(kind, troubles[name], after)
        except AssertionError as exc:
            failed.append((name, after, str(exc)))
    assert failed == []
    counted = [name for name, _ in deaths.values() if not TROUBLES[name].silent]
    if troubles == concerning:
        assert (len(troubles), len(counted)) == CELLS[kind]
