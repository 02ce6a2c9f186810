"""The size of a claim's answer: which parts of it are shortened or left out to fit. Pure."""

from collections.abc import Sequence
from typing import Any, TypeVar

from bot.operations.github.texts import Text
from bot.operations.tasks.views import Task
from bot.operations.token_sizes import BYTES, fit, size
from bot.operations.workflows.step_blocks import StepBlock
from bot.tasks.handoff import HandOff, Said
from bot.tasks.path_overlap import Overlap

T = TypeVar("T")

# For notices and freshness, which are added last, and for the list of what was left out.
SLACK = 2800
# What small parts may take of the room: notes, the result, lists of files.
SMALL = 16
# The shortest text of a message that is worth its place.
LEAST = 80


class Room:
    """The bytes that are left, and what did not fit."""

    def __init__(self, max_tokens: int) -> None:
        self.all = max(0, max_tokens * BYTES - SLACK)
        self.left = self.all
        self.left_out: list[str] = []

    def note(self, name: str, text: str | None) -> str | None:
        """A short text, shortened to a small share of the room."""
        if text is None:
            return None
        kept = fit(text, self.all // SMALL)
        return self._take(name, text, kept)

    def text(self, name: str, text: str, share: float) -> str:
        """A text, shortened to a share of what is left."""
        return self._take(name, text, fit(text, max(0, int(self.left * share))))

    def _take(self, name: str, text: str, kept: str) -> str:
        self.left -= size(kept)
        if len(kept) < len(text):
            self.left_out.append(f"{name}: {len(text) - len(kept)} characters")
        return kept

    def first(self, name: str, each_of: Sequence[T], shown: Sequence[Any]) -> list[T]:
        """The first of a list, within a small share of the room. `shown` has them as JSON."""
        kept, room = 0, self.all // SMALL
        for each in shown:
            room -= size(each) + 1
            if room < 0:
                break
            kept += 1
        self.left -= size(list(shown[:kept]))
        if kept < len(each_of):
            self.left_out.append(f"{name}: {len(each_of) - kept}")
        return list(each_of[:kept])

    def whole(self, name: str, value: Any, share: float) -> bool:
        """Whether a value that cannot be shortened fits into a share of what is left."""
        if (n := size(value)) <= self.left * share:
            self.left -= n
            return True
        self.left_out.append(f"{name}: {n} bytes")
        return False


def fit_step(room: Room, step: StepBlock | None) -> StepBlock | None:
    """The step's values, if they fit: get_context has them too."""
    if step is None or room.whole("step.needs", [step.inputs, step.needs], 0.25):
        return step
    return step.model_copy(update={"inputs": {}, "needs": {}})


def fit_task(room: Room, task: Task) -> Task:
    kept = task.model_copy(
        update={
            "note": room.note("task.note", task.note),
            "result": room.note("task.result", task.result),
        }
    )
    room.left -= size(kept.model_dump(mode="json", exclude={"note", "result"}))
    return kept


def fit_body(room: Room, body: Text | None, share: float) -> Text | None:
    if body is None:
        return None
    room.left -= size(body.model_dump(mode="json", exclude={"text"}))
    text = room.text("body", body.text, share)
    shortened = body.shortened or len(text) < len(body.text)
    return body.model_copy(update={"text": text, "shortened": shortened})


def fit_overlaps(room: Room, overlaps: list[Overlap]) -> list[Overlap]:
    shown = [each.model_dump(mode="json") for each in overlaps]
    return room.first("overlaps", overlaps, shown)


def fit_handoff(room: Room, left: HandOff | None) -> HandOff | None:
    """The hand-off without its messages: they come last."""
    if left is None:
        return None
    small = {
        "note": room.note("handoff.note", left.note),
        "why": room.note("handoff.why", left.why),
        "files": room.first("handoff.files", left.files, left.files),
        "checks_failed": room.first(
            "handoff.checks_failed", left.checks_failed, left.checks_failed
        ),
        "requested_changes": room.first(
            "handoff.requested_changes",
            left.requested_changes,
            [each.model_dump(mode="json") for each in left.requested_changes],
        ),
        "messages": [],
    }
    rest = {*small, "checkpoint"}
    room.left -= size(left.model_dump(mode="json", exclude=rest)) + 100
    fits = left.checkpoint is None or room.whole("handoff.checkpoint", left.checkpoint, 0.5)
    return left.model_copy(update={**small, "checkpoint": left.checkpoint if fits else None})


def fit_messages(room: Room, messages: list[Said]) -> list[Said]:
    """The newest messages, each shortened to half of what is left; in the order of time."""
    kept: list[Said] = []
    for each in reversed(messages):
        frame = size(each.model_dump(mode="json", exclude={"body"})) + 12
        if room.left - frame < LEAST:
            break
        room.left -= frame
        body = fit(each.body, room.left // 2)
        room.left -= size(body)
        shortened = len(body) < len(each.body)
        kept.append(each.model_copy(update={"body": body, "shortened": shortened}))
    cut = sum(each.shortened for each in kept)
    if cut:
        room.left_out.append(f"handoff.messages: {cut} shortened")
    if len(kept) < len(messages):
        room.left_out.append(f"handoff.messages: {len(messages) - len(kept)}")
    return kept[::-1]
