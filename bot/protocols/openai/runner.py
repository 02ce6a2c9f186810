"""Runs a task, or answers a message, as a loop of a model's turns and the calls that it asks for.

Each step is stored before the next one begins. So a run whose process was killed goes on, and the
calls have keys by turn and place, so that none is done twice.
"""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bot.errors import Refused
from bot.protocols import payloads
from bot.protocols.link import Delivery, Link
from bot.protocols.openai import prompts, run_limits, tool_calls
from bot.protocols.openai.options import Options
from bot.protocols.openai.requests import Dialect, ask
from bot.protocols.openai.tool_calls import Held
from bot.protocols.openai.turns import Conversation, Step, calls_of, load, step_of
from bot.protocols.outcomes import Delivered, Dropped, Failed, Later, Outcome, Rejected
from bot.quotas.money import amount
from store.tasks import tasks
from store.tasks.tasks import FullTask

__all__ = ["Options", "deliver"]

# How often the run says that it lives, and looks whether the agent still has the task.
KEEP_S = 20.0
# How often a run looks whether people answered.
LOOK_S = 60.0
LONGEST_NOTE = 500
# Turns without a call before the run ends, and with the same calls before it is told and ends.
MOST_HINTS, TOLD_AFTER, MOST_SAME = 3, 3, 6


async def deliver(link: Link, delivery: Delivery) -> Outcome:
    options = Options.model_validate(delivery.endpoint["options"])
    if delivery.row["kind"] == "test":
        return await _test(link, delivery, options)
    return await Run(link, delivery, options).go()


async def _test(link: Link, delivery: Delivery, options: Options) -> Outcome:
    messages = [{"role": "user", "content": "Answer with the word ready."}]
    small = options.model_copy(update={"max_output_tokens": 16})
    found = await ask(link, delivery, small, messages, [])
    return found if isinstance(found, Failed | Rejected) else Delivered()


@dataclass
class Run:
    link: Link
    delivery: Delivery
    options: Options
    tools: list[dict[str, Any]] = field(default_factory=list)
    held: Held = field(default_factory=Held)
    dialect: Dialect = field(default_factory=Dialect)
    # Replies that this attempt got.
    progress: int = 0
    _lost: bool = False

    @property
    def is_task(self) -> bool:
        return self.delivery.row["kind"] == "task"

    async def go(self) -> Outcome:
        """Run, as long as the delivery and the task belong to this process and agent."""
        run = asyncio.ensure_future(self._run())
        keeper = asyncio.create_task(self._keep(run))
        try:
            return await run
        except asyncio.CancelledError:
            if self._lost:
                return Dropped("the task was taken away while it ran")
            raise
        finally:
            for each in (run, keeper):
                each.cancel()
            await asyncio.gather(run, keeper, return_exceptions=True)

    async def _keep(self, run: asyncio.Future[Outcome]) -> None:
        """Renew the endpoint and the lease. End the run when either belongs to somebody else."""
        while not run.done():
            await asyncio.sleep(KEEP_S)
            if not await self.delivery.keep() or await self._taken_away():
                self._lost = True
                run.cancel()
                return
            with suppress(Refused):
                # Any call of the holder renews the lease.
                await self._call("get_messages", {"state": "peek", "limit": 1})

    async def _taken_away(self) -> bool:
        task = await self._task()
        return task is not None and task["holder"] != self.delivery.actor.name

    async def _run(self) -> Outcome:
        self.tools = tool_calls.tools_of(self.link, self.delivery, self.options)
        row = self.delivery.row
        talk = await load(self.link.store, row["installation_id"], row["id"])
        try:
            about = await self._begin()
        except Refused as exc:
            return Failed(exc.message)
        if not talk.steps:
            agent = self.delivery.actor.name
            opening = prompts.opening(agent, self.options, row["kind"], about)
            await talk.add(Step("opening", opening))
        if await self._waits_for_people(talk):
            return Later(LOOK_S, data=self._data(talk, asked=True))
        while True:
            if (outcome := await self._step(talk)) is not None:
                return outcome

    async def _begin(self) -> dict[str, Any]:
        """Claim the task, again if the run goes on; or read the message. Raise Refused."""
        if not self.is_task:
            return await payloads.message(self.link, self.delivery)
        key = f"{self.delivery.key}:claim:{self.delivery.row['attempts']}"
        given = {"task": self.delivery.row["subject"]}
        answer = await self.link.calls.answer(self.delivery.actor, "claim_task", given, key)
        found: dict[str, Any] = json.loads(answer)
        names = frozenset({found["task"]["task"], self.delivery.row["subject"]})
        self.held = Held(names, found["fence"])
        return found

    async def _waits_for_people(self, talk: Conversation) -> bool:
        """Whether the agent's question is open. If it was answered, tell the model."""
        if not (self.delivery.row["data"] or {}).get("asked"):
            return False
        task = await self._task()
        if task is not None and task["question"]:
            return True
        await talk.add(Step("pause", [{"role": "user", "content": prompts.ANSWERED}]))
        return False

    async def _step(self, talk: Conversation) -> Outcome | None:
        """One turn of the model, or what follows from it. None: the run goes on."""
        last = talk.steps[-1]
        if last.kind == "reply":
            await self._report(talk, last)
            return await self._follow(talk, last)
        if why := run_limits.limit_reason(self.options, talk, await self._now()):
            return await self._end(talk, why)
        messages = talk.messages(self.options.context_tokens)
        found = await ask(
            self.link, self.delivery, self.options, messages, self.tools, self.dialect
        )
        if isinstance(found, Rejected):
            return Rejected(found.why, self._data(talk, end=found.why))
        if isinstance(found, Failed):
            data = self._data(talk)
            if self.progress:
                return Later(max(found.wait_s, run_limits.PAUSE_S), data=data)
            return Failed(found.why, found.wait_s, data)
        await talk.add(step_of(found))
        self.progress += 1
        return None

    async def _follow(self, talk: Conversation, reply: Step) -> Outcome | None:
        """Do what a reply asks for."""
        text = reply.messages[0]["content"]
        if reply.finish == "refusal":
            return await self._end(talk, f"the model refused: {text}")
        if calls := calls_of(reply):
            same = talk.same_calls()
            if same >= MOST_SAME:
                return await self._end(talk, f"it made the same calls {same} times")
            turn = len(talk.steps) - 1
            about = (self.link, self.delivery, calls, self.tools, turn, self.held)
            made = await tool_calls.results(*about)
            made += prompts.hints(reply.finish, same if same >= TOLD_AFTER else 0)
            await talk.add(Step("results", made))
            return await self._look(talk)
        if reply.finish == "stop" and not self.is_task:
            return await self._reply(talk, text)
        if sum(each.kind == "hint" for each in talk.steps) >= MOST_HINTS:
            return await self._end(talk, f"it did not end the task: {text}")
        hint = prompts.CUT_OFF if reply.finish == "length" else prompts.NOT_ENDED
        await talk.add(Step("hint", [{"role": "user", "content": hint}]))
        return None

    async def _look(self, talk: Conversation) -> Outcome | None:
        """Look at the task after calls: whether it is over, or waits for people."""
        task = await self._task()
        if task is None:
            return None
        if task["holder"] != self.delivery.actor.name or task["state"] != "in_progress":
            return Delivered(data=self._data(talk, end=task["state"]))
        if task["question"]:
            return Later(LOOK_S, data=self._data(talk, asked=True))
        return None

    async def _reply(self, talk: Conversation, text: str) -> Outcome:
        """Send the last text to who wrote, unless the model has written by itself."""
        wrote = any(each.name == "send_message" for step in talk.replies for each in calls_of(step))
        if text.strip() and not wrote:
            message = await payloads.message(self.link, self.delivery)
            given = {"to": message["sender"], "body": text, "reply_to": message["id"]}
            with suppress(Refused):  # its sender may be gone, or take no answers
                await self._call("send_message", given, f"{self.delivery.key}:reply")
        return Delivered(data=self._data(talk, end="answered"))

    async def _end(self, talk: Conversation, why: str) -> Outcome:
        """Give the task back, with the reason for who goes on."""
        note = f"The run of {self.delivery.actor.name} ended: {why}"[:LONGEST_NOTE]
        if self.is_task:
            subject = self.delivery.row["subject"]
            given = {"task": subject, "note": note, "fence": self.held.fence}
            with suppress(Refused):  # it is not the holder any more
                await self._call("release_task", given, f"{self.delivery.key}:release")
        return Delivered(data=self._data(talk, end=note))

    async def _report(self, talk: Conversation, reply: Step) -> None:
        """Report what the turn used, once."""
        tokens = talk.used_by(reply)
        if not tokens.total:
            return
        given: dict[str, Any] = {
            "model": self.options.model,
            "input_tokens": tokens.fresh,
            "cached_tokens": tokens.cached,
            "output_tokens": tokens.output,
            "cost": amount(self.options.cost(tokens.fresh, tokens.cached, tokens.output)),
        }
        if self.is_task:
            given["task"] = self.delivery.row["subject"]
        with suppress(Refused):  # caps are applied by Hubbub
            await self._call("report_usage", given, f"{self.delivery.key}:{len(talk.steps)}:usage")

    async def _call(self, operation: str, given: dict[str, Any], key: str | None = None) -> None:
        await self.link.calls.call(self.delivery.actor, operation, given, key)

    async def _task(self) -> FullTask | None:
        row = self.delivery.row
        if not self.is_task:
            return None
        return await self.link.store.read(
            lambda tx: tasks.get(tx, row["installation_id"], row["subject"])
        )

    async def _now(self) -> int:
        return await self.link.store.read(lambda tx: tx.now())

    def _data(self, talk: Conversation, *, asked: bool = False, end: str = "") -> dict[str, Any]:
        """What people see of the run."""
        tokens = talk.total_use
        spent = self.options.cost(tokens.fresh, tokens.cached, tokens.output)
        return {
            "turns": len(talk.replies),
            "input_tokens": tokens.fresh,
            "cached_tokens": tokens.cached,
            "output_tokens": tokens.output,
            "cost": amount(spent),
            "asked": asked,
            "end": end,
        }
