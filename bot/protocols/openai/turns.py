"""The steps of a run, as they are stored. A run that was killed goes on from them."""

import json
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from bot.protocols.openai.replies import Call, Reply, Used
from store.engine.transaction import Store
from store.protocols import endpoint_turns

# More than a run can have: each turn has two steps.
MOST = 1000
LEFT_OUT = "(left out, because the conversation became too long)"
# Characters of a token, as a cautious guess.
PER_TOKEN = 3


@dataclass(frozen=True)
class Step:
    """`pause`: people answered what the model asked them."""

    kind: Literal["opening", "reply", "results", "hint", "pause"]
    messages: list[dict[str, Any]]
    used: dict[str, int] = field(default_factory=dict)
    finish: str = "stop"
    at: int = 0


@dataclass
class Conversation:
    store: Store
    installation_id: int
    delivery_id: str
    steps: list[Step]

    @property
    def replies(self) -> list[Step]:
        return [each for each in self.steps if each.kind == "reply"]

    def used_by(self, reply: Step) -> Used:
        """The tokens of one turn."""
        return Used(**reply.used)

    @property
    def total_use(self) -> Used:
        """The tokens of all turns."""
        found = [self.used_by(each) for each in self.replies]
        return Used(
            sum(each.fresh for each in found),
            sum(each.cached for each in found),
            sum(each.output for each in found),
        )

    async def add(self, step: Step) -> None:
        """Store a step, and then have it."""
        content = {
            "kind": step.kind,
            "messages": step.messages,
            "used": step.used,
            "finish": step.finish,
        }
        seq = len(self.steps)
        here = (self.installation_id, self.delivery_id)
        await self.store.write(lambda tx: endpoint_turns.add(tx, *here, seq, content))
        now = await self.store.read(lambda tx: tx.now())
        self.steps.append(replace(step, at=now))

    def messages(self, context_tokens: int) -> list[dict[str, Any]]:
        """All messages. The oldest results are left out if they are too long together."""
        found = [message for step in self.steps for message in step.messages]
        room = context_tokens * PER_TOKEN
        size = sum(_size(each) for each in found)
        for n, each in enumerate(found):
            if size <= room:
                break
            if each["role"] == "tool" and len(each["content"]) > len(LEFT_OUT):
                size -= len(each["content"]) - len(LEFT_OUT)
                found[n] = each | {"content": LEFT_OUT}
        return found

    def same_calls(self) -> int:
        """How many of the last turns made the same calls."""
        made = [_calls_text(each) for each in self.replies]
        count = 0
        for each in reversed(made):
            if not each or each != made[-1]:
                break
            count += 1
        return count


async def load(store: Store, installation_id: int, delivery_id: str) -> Conversation:
    here = (installation_id, delivery_id)
    rows = await store.read(
        partial(endpoint_turns.of, installation_id=here[0], delivery_id=here[1], limit=MOST)
    )
    return Conversation(store, *here, [Step(**row["content"], at=row["at"]) for row in rows])


def step_of(reply: Reply) -> Step:
    """A reply as a step, in the form of Chat Completions."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": each.id,
                "type": "function",
                "function": {"name": each.name, "arguments": each.arguments},
                **({"extra_content": each.extra} if each.extra else {}),
            }
            for each in reply.calls
        ]
        if reply.thought is not None:
            message["reasoning_content"] = reply.thought
    tokens = reply.used
    counts = {"fresh": tokens.fresh, "cached": tokens.cached, "output": tokens.output}
    return Step("reply", [message], counts, "too_many" if reply.left_out else reply.finish)


def calls_of(step: Step) -> list[Call]:
    return [
        Call(each["id"], each["function"]["name"], each["function"]["arguments"])
        for message in step.messages
        for each in message.get("tool_calls", ())
    ]


def _calls_text(step: Step) -> str:
    return json.dumps([(each.name, each.arguments) for each in calls_of(step)]) * bool(
        calls_of(step)
    )


def _size(message: dict[str, Any]) -> int:
    calls = message.get("tool_calls", ())
    thought = len(message.get("reasoning_content", ""))
    return len(message["content"]) + thought + sum(map(_size_of_call, calls))


def _size_of_call(call: dict[str, Any]) -> int:
    extra = len(json.dumps(call["extra_content"])) if "extra_content" in call else 0
    return len(call["function"]["arguments"]) + extra
