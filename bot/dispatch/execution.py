"""Executes a call: once for its request key, with an audit row, presence, freshness and notices."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from pydantic import BaseModel

from bot.agents import presence
from bot.audit import contents
from bot.dispatch.callers import Caller, with_actor
from bot.dispatch.effects import effects_of
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.kernel import freshness
from bot.kernel.operation import Answer, Context, Handover, Operation, Shared
from bot.kernel.outside import OutsideCall
from bot.messages import notices, unconfirmed_claims
from bot.messages.notice_parts import Asker
from store.agents.call_state import CallState
from store.audit import records
from store.engine import idempotency
from store.engine.origins import Origin
from store.engine.transaction import Row, Tx, Work, settle
from store.tasks import leases, tasks


@dataclass(frozen=True)
class Call:
    """A call with parsed arguments. Two calls with the same `key` are the same call."""

    operation: Operation
    actor: Actor
    arguments: BaseModel
    key: str
    shared: Shared
    # The caller gave the key, and repeats the call with it if the answer is lost.
    is_keyed: bool = False
    caller: Caller = field(default_factory=Caller)
    # What the operation wants written after it, also if it only reads or is refused.
    later: list[Work[None]] = field(default_factory=list)
    # When the text of a command was written.
    written_at: int | None = None
    # It is a command in a comment.
    in_comment: bool = False
    # The repository and the number of the issue or pull request on which it stands.
    commented_on: tuple[int, int] | None = None
    # The task that pays for it, if it is not the one that the caller holds.
    for_task: str | None = None
    # What the answer hands over.
    handovers: list[Handover] = field(default_factory=list)
    # The digest of the effects that the caller agreed to. With others, the call changes nothing.
    agreed: str | None = None

    @property
    def request_key(self) -> str:
        """Another one for each reach: the answer to one token may name what another cannot see."""
        _, name = self.actor.key_in_reach
        return digest("request key", name, self.key)

    @property
    def origin(self) -> Origin:
        """Where the call comes from, for the audit."""
        found = with_actor(self.caller.origin, self.actor)
        return found if found.request else replace(found, request=self.request_key[:16])

    @cached_property
    def digest(self) -> str:
        """The same for a repeat of the call, which may wait for another time."""
        given = self.arguments.model_dump(mode="json", exclude={"key", "wait_s"})
        return digest(self.operation.name, self.actor.name, given)

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments of the operation's function, which gets neither `wait_s` nor `key`."""
        others = {"wait_s"} if self.operation.waitable else set()
        others |= set() if self.operation.reads_only else {"key"}
        return {name: value for name, value in vars(self.arguments).items() if name not in others}

    def with_arguments(self, **changed: Any) -> "Call":
        """The call with some arguments changed, which makes it another call."""
        if not changed:
            return self
        arguments = self.arguments.model_copy(update=changed)
        return replace(self, arguments=arguments, key=secrets.token_hex(16))


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


async def execute(tx: Tx, call: Call) -> Answer:
    """Execute a call of an operation that calls nobody outside, as `begin` does."""
    answer = await begin(tx, call)
    assert not isinstance(answer, OutsideCall)
    return answer


async def execute_unrecorded(tx: Tx, call: Call) -> Answer | OutsideCall[Any]:
    """Execute a call that is rolled back afterwards: it has no audit row and no request key."""
    call.caller.check()
    tx.origin = call.origin
    return await _run(tx, call)


async def begin(tx: Tx, call: Call) -> Answer | OutsideCall[Any]:
    """Execute the call, or its first half if it calls out.

    One that writes is executed once for its request key.
    """
    call.caller.check()
    tx.origin = call.origin
    if call.operation.reads_only:
        return await _run(tx, call)
    if call.operation.quiet and not call.is_keyed:
        answer = await _run(tx, call)
        # Roll back if the caller left in the meantime: it would not get what is handed over.
        call.caller.check()
        return answer
    return await _execute_once(tx, call)


async def finish(
    tx: Tx, call: Call, outside: OutsideCall[Any], result: Any
) -> Answer | OutsideCall[Any]:
    """The second half of a call that called out, or what is called out next."""
    tx.origin = call.origin
    _forget_last_try(call)
    state = await notices.call_state_of(tx, call.actor, await tx.now())
    made = await outside.finish(await _context(tx, call, state), result)
    if isinstance(made, OutsideCall):
        return made
    answer: Answer = await _with_state(tx, call, made, state)
    if not call.operation.reads_only and not (call.operation.quiet and not call.is_keyed):
        await _keep(tx, call, answer)
    return answer


def _forget_last_try(call: Call) -> None:
    """The transaction may be repeated after a deadlock: what the first one left is done once."""
    call.handovers.clear()
    call.later.clear()


async def free_key(tx: Tx, call: Call) -> None:
    """A call that called out was refused afterwards: it may be repeated with its key."""
    await idempotency.free(tx, call.actor.installation_id, call.request_key)


async def _execute_once(tx: Tx, call: Call) -> Answer | OutsideCall[Any]:
    now, key, i = await tx.now(), call.request_key, call.actor.installation_id
    if before := await idempotency.begin(tx, i, key, now):
        if before["digest"] != call.digest:
            raise Refused(
                "key_reused",
                "This idempotency key was used for another call. Use a new key for a new call.",
            )
        if "answer" not in before:
            raise outcome_unknown(call.operation.name)
        return await _repeat_answer(tx, call, before["answer"])
    answer = await _run(tx, call)
    if isinstance(answer, OutsideCall):
        await idempotency.store_result(tx, i, key, {"digest": call.digest})
        return answer
    await _check_agreed(tx, call, answer)
    waitable = call.operation.waitable
    if waitable is not None and not waitable.has_effect(answer):
        return answer
    await _keep(tx, call, answer)
    return answer


def outcome_unknown(name: str) -> Refused:
    return Refused(
        "outcome_unknown",
        f"This {name} began, and what came of it is not known: it still runs, or it was cut off. "
        "Nothing is sent a second time. Look at the other side before you repeat it with a new "
        "key.",
    )


async def _keep(tx: Tx, call: Call, answer: Answer) -> None:
    """Keep the answer for a repeat of the call, and record the call in the audit."""
    i = call.actor.installation_id
    kept: Row = {
        "digest": call.digest,
        "answer": answer.model_dump(mode="json", exclude=dict(answer.sealed)),
    }
    await idempotency.store_result(tx, i, call.request_key, kept)
    if not call.operation.quiet:
        await _record(tx, call, answer)
        tx.rings.add(f"installation {i}")


async def _check_agreed(tx: Tx, call: Call, answer: Answer) -> None:
    if call.agreed is None:
        return
    await settle(tx)
    if (await effects_of(tx, call.actor.installation_id, answer)).digest != call.agreed:
        raise Refused(
            "effect_changed",
            "Something changed meanwhile, so the effect would be another one. Nothing was done: "
            "look at the effect again.",
        )


async def _repeat_answer(tx: Tx, call: Call, kept: Row) -> Answer:
    """The answer of the first call. Raise Refused if the agent may no longer see its task."""
    task = kept.get("task")
    here, reach = call.actor.installation_id, call.actor.repositories
    if task is not None and await tasks.visible(tx, here, task["id"], reach) is None:
        raise Refused("unknown_task", f"You can no longer see {task['task']}.")
    answer = call.operation.result.model_validate(kept)
    return await with_freshness(tx, call, await answer.as_it_is(tx, here))


async def _run(tx: Tx, call: Call) -> Answer | OutsideCall[Any]:
    _forget_last_try(call)
    state = await notices.call_state_of(tx, call.actor, await tx.now())
    if not call.operation.reads_only:
        await presence.check_presence(tx, call.actor, call.operation.presence, state)
    context = await _context(tx, call, state)
    answer = await call.operation.run(context, **call.parameters)
    if isinstance(answer, OutsideCall):
        return answer
    if call.operation.reads_only and not call.actor.is_person:
        await _confirm_named_leases_later(context, call)
    return await _with_state(tx, call, answer, state)


async def _context(tx: Tx, call: Call, state: CallState) -> Context:
    waits = call.operation.waitable is not None and vars(call.arguments).get("wait_s", 0) > 0
    return Context(
        tx,
        call.actor,
        await tx.now(),
        call.shared,
        state,
        operation=call.operation.name,
        verbs=_verbs(call),
        later=call.later,
        handovers=call.handovers,
        waits=waits,
        written_at=call.written_at,
        in_comment=call.in_comment,
        commented_on=call.commented_on,
        for_task=call.for_task,
    )


def _verbs(call: Call) -> frozenset[str]:
    """The slash commands with which a person could do the same. A repository may restrict them."""
    if call.operation.reads_only or not call.actor.is_person:
        return frozenset()
    return call.operation.verbs_of(call.arguments)


async def _confirm_named_leases_later(ctx: Context, call: Call) -> None:
    """A holder that reads about its task knows of its lease, so `also_held` stops."""
    named = _named_in_arguments(call)
    if not named or "also_held" not in ctx.state["due"]:
        return
    for lease_id in await unconfirmed_claims.leases_of(ctx.tx, ctx.actor, ctx.now, named):
        confirm = partial(leases.confirm, installation_id=ctx.installation_id, lease_id=lease_id)
        ctx.later.append(confirm)


async def with_freshness(tx: Tx, call: Call, answer: Answer) -> Answer:
    """The answer with the freshness of the mirror and the notices of this moment."""
    state = await notices.call_state_of(tx, call.actor, await tx.now())
    return await _with_state(tx, call, answer, state)


async def _with_state(tx: Tx, call: Call, answer: Answer, state: CallState) -> Answer:
    """The answer with freshness and notices by `state`, which was read before the call began.

    Without a snapshot of the database, what is read first is the older: what the answer shows is
    then at least as new as it says.
    """
    now, actor = await tx.now(), call.actor
    fresh = await freshness.explain(tx, actor.installation_id, state, now, actor.repositories)
    asker = Asker(tx, actor, now, named_tasks(call, answer))
    found = await notices.of_kinds(asker, state["due"])
    return answer.model_copy(update={**fresh.fields(now), "notices": found})


def named_tasks(call: Call, answer: Answer) -> set[str]:
    """The task that the call or its answer is about, by id and by name in small letters."""
    # By `vars`, because a model takes long to say that it has no such field.
    task = vars(answer).get("task")
    words = {getattr(task, name, None) for name in ("id", "task")} if task is not None else set()
    return _named_in_arguments(call) | {each.lower() for each in words if isinstance(each, str)}


def _named_in_arguments(call: Call) -> set[str]:
    words = (vars(call.arguments).get(name) for name in ("task", "issue"))
    return {each.lower() for each in words if isinstance(each, str)}


async def _record(tx: Tx, call: Call, answer: Answer) -> None:
    """Record the call in the audit, without texts that somebody wrote."""
    given = vars(call.arguments)
    subject, data = contents.subject_of(given, answer), contents.visible(given)
    name, who = call.operation.name, call.actor
    await records.append(tx, who.installation_id, who.name, name, subject, data=data)
