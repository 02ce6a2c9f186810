"""Several writes of the bot in one request: a GraphQL document with a mutation for each.

GitHub carries the mutations out one after another, and answers each for itself. Each write stays a
row of its own: it is stored as sending before the request, and gets its own outcome. A write shares
a request only at its first attempt. What GitHub did not clearly do is sent again alone, where the
rules for its kind decide, such as the look for its effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from bot.github import error_entries, rate_limits
from bot.github.channel import Channel
from bot.github.error_entries import TROUBLE
from bot.github.outcomes import Meaning, Outcome
from bot.github.payloads import at
from bot.github.rate_limits import Limits
from bot.github.requests import GRAPHQL, Request
from bot.github.token_buckets import Cost
from bot.identity.actors import BOT
from bot.identity.keyring import Keys
from bot.outbox import effects, fairness, outcomes, send_spans, sending
from bot.outbox.kinds import KINDS, Sending
from bot.outbox.kinds.kind import Kind, Mutation
from bot.outbox.outcomes import Dead, Final, PutOff, Sent
from bot.times import SECOND
from store.engine.transaction import Tx
from store.outbox import sender_leases, write_order
from store.tables.outbox import WriteRow

# One request carries at most so many mutations, because GitHub gives it ten seconds.
MOST = 8
# An edit of a card for a note alone goes along when it is due within this time.
SOON = 300 * SECOND
JOINABLE = tuple(name for name, kind in KINDS.items() if kind.mutation is not Kind.mutation)
# Agents commit by GraphQL too, so the bot leaves them their part of its limit.
COST = Cost("graphql", mutates=True, reserve=fairness.OWN_RESERVE)
# The request was not carried out, or it is not known whether it was. This holds for all its parts.
OF_ALL = (
    Meaning.MALFORMED,
    Meaning.LIMITED,
    Meaning.UNKNOWN,
    Meaning.NO_TOKEN,
    Meaning.AWAY,
    Meaning.NO_TURN,
)


@dataclass(frozen=True)
class Part:
    """A write of a request, with its mutation."""

    sending: Sending
    mutation: Mutation

    @property
    def write(self) -> WriteRow:
        return self.sending.write

    def of(self, write: WriteRow) -> "Part":
        """The part after its write was marked as sending."""
        return replace(self, sending=replace(self.sending, write=write))


@dataclass(frozen=True)
class Done:
    """What follows for each part, and whether GitHub refused the whole request."""

    decisions: tuple[Final, ...] = ()
    # As an older Enterprise Server does that lacks a mutation.
    is_refused: bool = False


def is_first_attempt(write: WriteRow) -> bool:
    """Whether this attempt of a write, which is marked as sending, could share its request."""
    return write["author"] == BOT and write["kind"] in JOINABLE and write["attempts"] == 1


def may_share(write: WriteRow, limits: Limits, now: int) -> bool:
    """Whether other writes may go out in the request of this one, before its first attempt."""
    return (
        write["author"] == BOT
        and write["kind"] in JOINABLE
        and write["attempts"] == 0
        and rate_limits.ready_at(limits, COST, now) <= now
    )


async def candidates(tx: Tx, installation_id: int, now: int) -> list[WriteRow]:
    """The writes that may go along, the most urgent first."""
    found = await write_order.first_attempts(tx, installation_id, BOT, JOINABLE, now + SOON)
    return [each for each in found if each["not_before"] <= now or "every" in each["arguments"]]


async def part(tx: Tx, keys: Keys, write: WriteRow) -> Part | None:
    """The write as a part of a request, or None if it has to go out by REST."""
    loaded = await sending.of(tx, keys, write)
    mutation = await KINDS[write["kind"]].mutation(tx, loaded)
    return Part(loaded, mutation) if mutation else None


def document(parts: Sequence[Part]) -> Request:
    """The request, in which the mutation at place n has the alias `write<n>`."""
    declared = ", ".join(f"$write{n}: {each.mutation.input_type}!" for n, each in enumerate(parts))
    fields = "\n".join(
        f"  write{n}: {each.mutation.name}(input: $write{n}) {{ {each.mutation.selection} }}"
        for n, each in enumerate(parts)
    )
    variables = {f"write{n}": each.mutation.input for n, each in enumerate(parts)}
    query = f"mutation Together({declared}) {{\n{fields}\n}}"
    return Request("POST", GRAPHQL, {"query": query, "variables": variables})


async def carry_out(channel: Channel, parts: Sequence[Part]) -> Done:
    """Send the request, and store what follows for each write."""
    installation_id = parts[0].write["installation_id"]
    holds = await channel.store.read(
        lambda tx: sender_leases.holds(tx, installation_id, channel.me, channel.timing.send_within)
    )
    if not holds:
        return Done()
    with send_spans.of_writes([each.write for each in parts]) as span:
        outcome = await channel.ask(installation_id, document(parts))
        decisions = [decide(each, f"write{n}", outcome) for n, each in enumerate(parts)]
        send_spans.add_outcomes(span, decisions)
        await channel.store.write(partial(_store, parts=parts, decisions=decisions))
    is_refused = outcome.meaning is not Meaning.DONE and outcome.meaning not in OF_ALL
    return Done(tuple(decisions), is_refused)


async def _store(tx: Tx, parts: Sequence[Part], decisions: Sequence[Final]) -> None:
    for each, decision in zip(parts, decisions, strict=True):
        await effects.apply(tx, each.write, decision)


def decide(part: Part, alias: str, outcome: Outcome) -> Final:
    """What follows for one write from the answer to the request. Pure."""
    kind = KINDS[part.write["kind"]]
    if outcome.meaning in OF_ALL:
        unclear = outcomes.decide(kind, part.sending, outcome)
        assert isinstance(unclear, PutOff | Dead)
        return unclear
    result = part.mutation.result(at(outcome.data, "data", alias))
    if outcomes.is_complete(result):
        return Sent(result | kind.keeps(part.sending))
    return outcomes.fail(
        part.write, "queued" if _is_refused(outcome, alias) else "unknown", outcome.words
    )


def _is_refused(outcome: Outcome, alias: str) -> bool:
    """Whether GitHub said no to this mutation. Otherwise it may have carried it out."""
    if outcome.meaning is not Meaning.DONE and at(outcome.data, "data") is None:
        return True
    found = [each for each in error_entries.entries(outcome.data) if each.field == alias]
    return any(each.status != TROUBLE for each in found)
