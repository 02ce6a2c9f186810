"""When a write will be sent: how many go out before it, and at what time it has its turn."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.github import rate_limit_store, rate_limits
from bot.github.rate_limits import Limits
from bot.github.token_buckets import CONTENT
from bot.identity.actors import BOT
from bot.outbox import fairness
from bot.outbox.fairness import Place
from bot.times import SECOND
from store.engine.transaction import Tx
from store.outbox import budgets, sender_leases, write_order
from store.outbox.write_order import Line
from store.outbox.writes import AGENTS, PEOPLE
from store.tables.outbox import SenderRow, WriteRow

# Above every number of a write, also a provisional one.
NEXT = 2**63 - 1


@dataclass(frozen=True)
class Forecast:
    ahead: int
    at: int
    # Why it waits longer than its place in the queue explains.
    why: str | None = None


FEW_LEFT = (
    "The hour's allowance of GitHub for changes is nearly used up, so that about one write goes "
    "out every 11 s, and those of people go first. get_budget shows what is left."
)

LEFT_TO_OTHERS = (
    "It waits until more of GitHub's budget for content is left: the last third is for people and "
    "agents, so that cards and boards wait. get_budget shows what is left."
)
OTHERS_FIRST = (
    "It waits because cards and boards had their fifth of the hour's writes. It goes out when "
    "nobody else waits and more of GitHub's budget for content is left, or in the next hour. "
    "get_budget shows what is left."
)
HOUR = 3600 * SECOND
SHOWN = fairness.cost_of("card", AGENTS, BOT)
OF_AGENTS = fairness.cost_of("comment", AGENTS)


@dataclass(frozen=True)
class Queue:
    """What waits now."""

    tx: Tx
    installation_id: int
    lines: list[Line]
    last_turns: dict[str, int]
    sender: SenderRow | None

    async def place(self, author: str, lane: int, seq: int) -> Place:
        if lane == PEOPLE and seq == NEXT:
            people = [each for each in self.lines if each["lane"] == PEOPLE]
            return Place(author, lane, {"": sum(each["n"] for each in people)}, seq)
        own = author if lane == AGENTS else None
        kinds = await write_order.kinds_before(
            self.tx, self.installation_id, seq, lane=lane, author=own
        )
        firsts = [each["first_seq"] for each in self.lines if each["author"] == author]
        return Place(author, lane, kinds, min([seq, *firsts]))

    def ahead(self, place: Place, lines: list[Line] | None = None) -> int:
        shown = self.lines if lines is None else lines
        streak = self.sender["streak"] if self.sender else 0
        return fairness.sent_before(place, shown, self.last_turns, streak)


async def of_new(
    tx: Tx, installation_id: int, *, kind: str, author: str, lane: int, target: str
) -> Forecast:
    """For a write that is queued now."""
    return await _forecast(tx, installation_id, kind, author, lane, target, NEXT)


async def of(tx: Tx, write: WriteRow) -> Forecast:
    """For a write that has not ended."""
    here = (tx, write["installation_id"], write["kind"], write["author"], write["lane"])
    found = await _forecast(*here, write["target"], write["seq"])
    if write["state"] != "sending":
        return replace(found, at=max(found.at, write["not_before"]))
    return Forecast(0, await tx.now())


async def of_series(
    tx: Tx, installation_id: int, *, kinds: Sequence[str], author: str, lane: int
) -> list[Forecast]:
    """For writes that are queued now, in this order, to targets on which nothing else waits."""
    queue = await _queue(tx, installation_id, author)
    place = await queue.place(author, lane, NEXT)
    limits, now = await rate_limit_store.of(tx, installation_id, queue.sender), await tx.now()
    found: list[Forecast] = []
    for kind in kinds:
        found.append(_at_place(queue, place, kind, queue.ahead(place), limits, now))
        place = replace(place, kinds=Counter(place.kinds) + Counter([kind]))
    return found


async def _forecast(
    tx: Tx, installation_id: int, kind: str, author: str, lane: int, target: str, seq: int
) -> Forecast:
    queue = await _queue(tx, installation_id, author)
    place = await queue.place(author, lane, seq)
    ahead = max(queue.ahead(place), await _ahead_on_target(queue, place, target, seq))
    limits = await rate_limit_store.of(tx, installation_id, queue.sender)
    found = _at_place(queue, place, kind, ahead, limits, await tx.now())
    if not fairness.shows(author, lane, kind):
        return found
    others = sum(each["n"] for each in queue.lines if each["author"] != BOT)
    at, why = await shown_at(tx, installation_id, limits, others)
    return replace(found, at=max(found.at, at), why=why)


async def shown_at(
    tx: Tx, installation_id: int, limits: Limits, others: int
) -> tuple[int, str | None]:
    """From when the bot may show something unasked, and why it must wait until then.

    `others`: how many writes of others wait.
    """
    now = await tx.now()
    own, total = await budgets.spent_this_hour(tx, installation_id, BOT)
    is_short = rate_limits.is_short(limits, now)
    at = rate_limits.ready_at(limits, SHOWN, now)
    if fairness.must_wait(own, total, others_wait=others > 0, is_short=is_short):
        spent = rate_limits.expected_at(limits, OF_AGENTS, others - 1, now) if others else now
        calm = min(rate_limits.enough_at(limits, now), (now // HOUR + 1) * HOUR)
        return max(at, spent, calm if is_short else now), OTHERS_FIRST
    content = CONTENT.ready_at(limits.full_at.get(CONTENT.name, 0), now, 1, SHOWN.reserve)
    return at, LEFT_TO_OTHERS if content > now + rate_limits.LONG_WAIT else None


def _at_place(
    queue: Queue, place: Place, kind: str, ahead: int, limits: Limits, now: int
) -> Forecast:
    """When a write of this kind goes out in this place, after so many others."""
    others = [each for each in queue.lines if each["author"] != place.author]
    notifying = fairness.notifying(place.kinds) + round(
        (ahead - place.before) * fairness.notifying_share(others)
    )
    cost = fairness.cost_of(kind, place.lane, place.author)
    at = rate_limits.expected_at(limits, cost, ahead, now, notifying)
    is_short = rate_limits.waits_for_content(limits, cost, ahead, now)
    return Forecast(ahead, at, FEW_LEFT if is_short else None)


async def _queue(tx: Tx, installation_id: int, author: str) -> Queue:
    here = (tx, installation_id)
    lines = await write_order.lines(*here)
    authors = sorted({author, *(each["author"] for each in lines)})
    last = await budgets.last_turns(*here, authors)
    return Queue(*here, lines, last, await sender_leases.get(*here))


async def _ahead_on_target(queue: Queue, place: Place, target: str, seq: int) -> int:
    """How many go out before the write, because writes to one target keep their order."""
    if place.lane == PEOPLE:
        return 0
    here = (queue.tx, queue.installation_id)
    last = await write_order.last_before(*here, target, place.author, seq)
    if last is None:
        return 0
    others = [each for each in queue.lines if each["author"] != place.author]
    its_place = await queue.place(last["author"], last["lane"], last["seq"])
    return queue.ahead(its_place, others) + 1 + place.before
