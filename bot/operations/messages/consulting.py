"""Consulting other agents: a question of which the first answer counts, or a vote."""

from collections.abc import Sequence
from typing import Annotated, Self, TypeAlias

from pydantic import BaseModel, Field

from bot import secret_formats
from bot.errors import Refused
from bot.identity import permissions
from bot.identity.actors import EVERYBODY, ROLES, Actor
from bot.kernel import remedies
from bot.kernel.event_stream import NamedEvent
from bot.kernel.operation import Answer, Context, TaskRef, operation
from bot.kernel.patterns import AGENT
from bot.kernel.waitable import EventFilter, Look, Waitable
from bot.messages import consultations as rules
from bot.messages import deadlocks, delivery
from bot.operations.messages import access
from bot.operations.messages.arguments import MessageId
from bot.operations.tasks.access import visible_task
from bot.tasks.capabilities import Capability
from bot.tasks.priorities import PRIORITIES
from bot.times import SECOND, stamp
from store.agents import agents as stored_agents
from store.engine import ids
from store.engine.transaction import Tx
from store.identity import credentials
from store.messages import consultations, mailbox, messages
from store.tables.agents import Role
from store.tables.consultations import ConsultationRow, ConsultationState
from store.tables.messages import MessageRow
from store.tasks.tasks import FullTask

# Open questions of one agent.
MOST_OPEN = 20
HOUR_S, WEEK_S = 3600, 7 * 24 * 3600
MOST_OPTIONS = 10
Judge: TypeAlias = Annotated[bool, Field(description="you accept one; else the first counts")]
# Characters of all answers together.
ROOM = 100_000


class Given(BaseModel):
    """An answer, or a vote with its reasons."""

    agent: str
    choice: str | None = Field(None, exclude_if=lambda choice: choice is None)
    text: str
    message_id: str
    at: str


class Consultation(Answer):
    """`outcome`: whose answer counts, or which option won."""

    of_mirror = False

    consultation: str = Field(description="its id")
    state: ConsultationState
    outcome: str | None = None
    asker: str = ""
    asked: list[str] = Field([])
    options: list[str] = Field([], exclude_if=lambda options: not options)
    votes: dict[str, int] = Field({}, exclude_if=lambda votes: not votes)
    quorum: int = Field(1, exclude_if=lambda quorum: quorum == 1)
    answers: list[Given] = Field([])
    unseen: int = Field(0, exclude=True)
    expires_at: str = ""
    hint: str | None = Field(None, exclude_if=lambda hint: hint is None)

    def lean(self) -> Self:
        """For an agent that follows its own consultation."""
        expires = self.expires_at if self.state == "open" else ""
        return self.model_copy(update={"asker": "", "expires_at": expires})

    async def as_it_is(self, tx: Tx, installation_id: int) -> Self:
        row = await consultations.get(tx, installation_id, self.consultation)
        return self if row is None else self.model_copy(update=await _fields(tx, row))


class _Outcome(Waitable[Consultation]):
    """Waits for the end, or for an answer about which the asker decides."""

    def is_final(self, answer: Consultation) -> bool:
        return answer.state != "open" or answer.unseen > 0

    def wanted_events(self, answer: Consultation, _actor: Actor) -> EventFilter:
        def is_about_it(event: NamedEvent) -> bool:
            about = event["data"].get("thread") or event["subject"]
            is_kind = event["kind"] in ("message.answered", "message.decided")
            return is_kind and about == answer.consultation

        return is_about_it

    async def look_again(self, look: Look, answer: Consultation) -> Consultation | None:
        """A look writes to the database, so a waiting caller first checks with a read."""
        here = (look.actor.installation_id, answer.consultation)
        if not await look.check(lambda tx: _has_changed(tx, *here)):
            return None
        found: Consultation = await look.run(
            **{**UNASKED, "consultation": answer.consultation, "accept": None}
        )
        return found


# The arguments of a call that only looks.
UNASKED = {
    "question": None,
    "capability": None,
    "role": None,
    "agents": None,
    "options": None,
    "quorum": None,
    "task": None,
    "judge": False,
}


async def _has_changed(tx: Tx, installation_id: int, consultation_id: str) -> bool:
    row = await consultations.get(tx, installation_id, consultation_id)
    if row is None or row["state"] != "open" or row["expires_at"] <= await tx.now():
        return True
    unseen = not row["options"]
    return unseen and await consultations.has_unseen(tx, installation_id, consultation_id)


@operation(waitable=_Outcome())
async def consult_agents(
    ctx: Context,
    question: Annotated[
        str | None, Field(min_length=1, max_length=20_000, description="what to ask")
    ] = None,
    capability: Annotated[Capability | None, Field(description="whom")] = None,
    role: Annotated[Role | None, Field(description="whom")] = None,
    agents: Annotated[
        list[Annotated[str, AGENT]] | None,
        Field(min_length=1, max_length=rules.MOST_ASKED, description="whom"),
    ] = None,
    options: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100)]] | None,
        Field(min_length=2, max_length=MOST_OPTIONS, description="makes it a vote"),
    ] = None,
    quorum: Annotated[
        int | None, Field(ge=1, le=rules.MOST_ASKED, description="votes needed")
    ] = None,
    task: TaskRef | None = None,
    judge: Judge = False,  # noqa: FBT002 - an argument by name on every surface
    expires_s: Annotated[int, Field(ge=10, le=WEEK_S, description="time to answer")] = HOUR_S,
    consultation: Annotated[MessageId | None, Field(description="its id: look, do not ask")] = None,
    accept: Annotated[str | None, Field(max_length=64, description="whose answer you take")] = None,
) -> Consultation:
    """Ask several agents: the first answer counts, or they vote. Or look at one."""
    if ctx.actor.is_person:
        raise Refused(
            "forbidden",
            "Only agents consult agents, because the answers go to a mailbox. "
            + remedies.by(
                ctx.actor, person="Comment `/ask` on the task to ask its agent.", agent=""
            ),
        )
    if (question is None) == (consultation is None):
        raise Refused(
            "invalid_arguments",
            "Pass `question` to ask, or `consultation` to look at one that was asked.",
        )
    if consultation is not None:
        return await _look(ctx, consultation, accept)
    about = await visible_task(ctx, task) if task else None
    to = _recipient(capability, role, agents)
    chosen = await _to_ask(ctx, to, agents, about)
    chosen, _ = await delivery.split_by_free_space(ctx.tx, ctx.installation_id, chosen)
    options = _checked_options(options, judge=judge)
    needed = _checked_quorum(quorum, options, len(chosen))
    row = await _ask(ctx, question or "", to, chosen, about, expires_s)
    stored = ConsultationRow(
        installation_id=ctx.installation_id,
        id=row["id"],
        asker=ctx.actor.name,
        sole=agents[0] if agents and len(chosen) == 1 else None,
        options=options,
        quorum=needed,
        judged=int(judge),
        state="open",
        outcome=None,
        created_at=ctx.now,
        expires_at=row["expires_at"] or 0,
        ended_at=None,
    )
    await consultations.add(ctx.tx, stored)
    if stored["sole"]:
        await deadlocks.check_agent(ctx.tx, ctx.installation_id, ctx.actor.name)
    return await _view(ctx, stored)


def _recipient(capability: str | None, role: str | None, agents: Sequence[str] | None) -> str:
    """The recipient of the message, in the words of send_message. Raise Refused."""
    given = [each for each in (capability, role, agents) if each]
    if len(given) > 1:
        raise Refused("invalid_arguments", "Pass only one of `capability`, `role` and `agents`.")
    if capability:
        return f"capability:{capability}"
    if agents:
        return agents[0] if len(agents) == 1 else f"{len(agents)} agents"
    return f"role:{role}" if role else EVERYBODY


async def _to_ask(
    ctx: Context, to: str, named: Sequence[str] | None, task: FullTask | None
) -> list[str]:
    """The agents to ask: all that are named, or those of a group that are present."""
    await delivery.check_may_send(ctx.tx, ctx.actor, ctx.quotas)
    here = (ctx.tx, ctx.installation_id)
    if await consultations.open_of(*here, ctx.actor.name) >= MOST_OPEN:
        raise Refused(
            "too_large",
            f"You have {MOST_OPEN} open questions, which is the limit. Wait for answers, or take "
            "some back with delete_message.",
            most=MOST_OPEN,
        )
    if named:
        return await _check_named(ctx, list(dict.fromkeys(named)), task)
    fitting = await delivery.recipients(ctx.tx, ctx.actor, to)
    since = ctx.now - ctx.shared.inactive_after
    found = await stored_agents.present_among(*here, fitting, _answering_roles(), since)
    if task is not None:
        found = await credentials.that_reach(*here, found, task["repository_id"])
    if not found:
        raise Refused(
            "unknown_agent",
            f"{len(fitting)} agents fit, but none of them can be asked: each was silent for too "
            "long, or may not see the task. send_message reaches agents that come later.",
        )
    if len(found) > rules.MOST_ASKED:
        raise Refused(
            "too_large",
            f"{len(found)} agents fit, and a question asks at most {rules.MOST_ASKED}. Pass a "
            "narrower `capability`, or `agents`.",
            most=rules.MOST_ASKED,
        )
    return found


def _answering_roles() -> tuple[Role, ...]:
    """The roles that may answer."""
    return ROLES[ROLES.index(permissions.lowest_role("send_message")) :]


async def _check_named(ctx: Context, named: list[str], task: FullTask | None) -> list[str]:
    """Raise Refused unless all can be asked."""
    if ctx.actor.name in named:
        raise Refused("invalid_arguments", "`agents`: you cannot ask yourself.")
    for each in named:
        await delivery.recipients(ctx.tx, ctx.actor, each)
    here = (ctx.tx, ctx.installation_id)
    able = await stored_agents.with_roles(*here, named, _answering_roles())
    if unable := [each for each in named if each not in able]:
        raise Refused(
            "forbidden", f"{', '.join(unable)} cannot answer: their roles may not send messages."
        )
    if task is None:
        return named
    found = await credentials.that_reach(*here, named, task["repository_id"])
    if beyond := [each for each in named if each not in found]:
        raise Refused(
            "forbidden",
            f"{', '.join(beyond)} may not see the task. Ask others, or leave `task` out.",
        )
    return named


def _checked_options(options: Sequence[str] | None, *, judge: bool) -> list[str] | None:
    if options is None:
        return None
    found = [" ".join(each.split()) for each in options]
    if not all(found) or len({each.casefold() for each in found}) < len(found):
        raise Refused(
            "invalid_arguments", "`options`: give each option once, and none that is blank."
        )
    if judge:
        raise Refused(
            "invalid_arguments", "Pass `options` or `judge`, not both: votes are counted."
        )
    return found


def _checked_quorum(quorum: int | None, options: Sequence[str] | None, asked: int) -> int:
    """How many votes must agree: more than half of those asked, if the asker says nothing."""
    if options is None:
        if quorum is not None:
            raise Refused(
                "invalid_arguments", "`quorum` needs `options`, from which agents choose."
            )
        return 1
    if quorum is not None and quorum > asked:
        raise Refused(
            "invalid_arguments", f"`quorum`: only {asked} agents are asked. Pass at most {asked}."
        )
    return quorum or asked // 2 + 1


async def _ask(
    ctx: Context,
    question: str,
    to: str,
    chosen: Sequence[str],
    task: FullTask | None,
    expires_s: int,
) -> MessageRow:
    """Send the question as a message."""
    message_id = ids.new("m", ctx.now)
    text, _ = secret_formats.mask(question)
    row: MessageRow = {
        "installation_id": ctx.installation_id,
        "id": message_id,
        "seq": ctx.now,
        "thread_id": message_id,
        "sender": ctx.actor.name,
        "recipient": to,
        "task_id": task and task["id"],
        "priority": PRIORITIES.index("high"),
        "body": text,
        "sent_at": ctx.now,
        "expires_at": ctx.now + expires_s * SECOND,
        "on_card": 0,
        "deleted_at": None,
        "asked_in": None,
    }
    await messages.send(ctx.tx, ctx.installation_id, row, chosen)
    await delivery.notify(ctx.tx, row, chosen, task["repository_id"] if task else None)
    return row


async def _look(ctx: Context, consultation_id: str, accept: str | None) -> Consultation:
    here = (ctx.tx, ctx.installation_id)
    row = await consultations.get(*here, consultation_id, lock=True)
    me = ctx.actor.name
    asked = await consultations.was_asked(*here, consultation_id, me)
    if row is None or not (asked or row["asker"] == me):
        raise access.unknown_error(f"You asked no question {consultation_id!r}, and got none.")
    if await rules.end_if_over(ctx.tx, row):
        row = await consultations.get(*here, consultation_id) or row
    if accept is not None:
        row = await _accept(ctx, row, accept)
    return await _view(ctx, row)


async def _accept(ctx: Context, row: ConsultationRow, agent: str) -> ConsultationRow:
    here = (ctx.tx, ctx.installation_id)
    if row["asker"] != ctx.actor.name or row["options"] or not row["judged"]:
        raise Refused(
            "invalid_arguments",
            "`accept` is for the asker of a question that was asked with `judge`.",
        )
    if row["state"] == "answered" and row["outcome"] == agent:
        return row
    answers = await consultations.answers(*here, row["id"])
    if row["state"] != "open":
        raise Refused("too_late", rules.over(row, answers), state=row["state"])
    if agent not in [each["agent_id"] for each in answers]:
        raise Refused("invalid_arguments", f"`accept`: {agent} has not answered {row['id']}.")
    await rules.finish(ctx.tx, row, "answered", agent, ctx.actor.name)
    return await consultations.get(*here, row["id"]) or row


async def _view(ctx: Context, row: ConsultationRow) -> Consultation:
    """What the actor sees. The asker has then read the answers."""
    fields = await _fields(ctx.tx, row)
    found = Consultation(consultation=row["id"], **fields)
    if row["asker"] != ctx.actor.name:
        return found
    here = (ctx.tx, ctx.installation_id)
    if found.unseen or found.answers:
        await consultations.mark_seen(*here, row["id"])
        read = [each.message_id for each in found.answers]
        await mailbox.mark_read(*here, ctx.actor.name, read)
    if row["state"] == "open":
        hint = f"Call consult_agents with `consultation` {row['id']} and `wait_s` for the outcome."
        if row["judged"] and found.answers:
            hint = f"{hint} `accept` takes the answer of an agent."
        return found.model_copy(update={"hint": hint})
    return found


async def _fields(tx: Tx, row: ConsultationRow) -> dict[str, object]:
    here = (tx, row["installation_id"])
    answers = await consultations.answers(*here, row["id"])
    texts = {
        each["id"]: each["body"]
        for each in await messages.several(*here, [each["message_id"] for each in answers])
    }
    room = ROOM // max(1, len(answers))
    unseen = 0 if row["options"] else sum(each["seen_at"] is None for each in answers)
    return {
        "state": row["state"],
        "outcome": row["outcome"],
        "asker": row["asker"],
        "asked": await consultations.askees(*here, row["id"]),
        "options": row["options"] or [],
        "votes": rules.count(row, answers),
        "quorum": row["quorum"],
        "answers": [
            Given(
                agent=each["agent_id"],
                choice=each["choice"],
                text=texts.get(each["message_id"], "")[:room],
                message_id=each["message_id"],
                at=stamp(each["at"]),
            )
            for each in answers
        ],
        "unseen": unseen,
        "expires_at": stamp(row["expires_at"]),
    }
