"""Where every surface calls operations: which one, may the actor call it, and its answer."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

from bot import tracing
from bot.agents import tech_leads
from bot.dispatch import previews
from bot.dispatch.activity import Activity, Touched
from bot.dispatch.callers import Caller
from bot.dispatch.effects import Effects
from bot.dispatch.execution import Call, digest
from bot.dispatch.executor import Executor
from bot.dispatch.handovers import Handovers
from bot.dispatch.metrics import CallMetrics
from bot.dispatch.refusals import Refusals
from bot.dispatch.replies import Reply
from bot.dispatch.waiting import LOOK_EVERY_S, LongPoll
from bot.errors import Refused
from bot.events.waiters import Waiters
from bot.identity import permissions
from bot.identity.actors import Actor
from bot.kernel import argument_errors
from bot.kernel.operation import Answer, Operation, Shared
from bot.operations import OPERATIONS
from bot.plugins import added
from bot.plugins.running import plugins_of
from bot.tools.tool_names import named_call
from bot.tracing import Span
from store.engine.origins import Origin
from store.engine.transaction import Store
from store.tables.agents import Role


class Dispatcher:
    def __init__(
        self,
        store: Store,
        shared: Shared,
        *,
        touched: Touched | None = None,
        look_every_s: float = LOOK_EVERY_S,
        refusals: Refusals | None = None,
    ) -> None:
        """`touched` and `look_every_s`: see `Activity` and `LongPoll`."""
        self.store = store
        self.refusals = Refusals(store) if refusals is None else refusals
        self.shared = shared
        self.metrics = CallMetrics(OPERATIONS)
        self.waiters = Waiters(store)
        # Whether the actor's token was revoked; a server sets it.
        self.is_revoked: Callable[[Actor], bool] = lambda _: False
        self.activity = Activity(store, shared.rates, touched)
        self.executor = Executor(store, self.activity)
        self._handovers = Handovers(store)
        self._long_poll = LongPoll(self.executor, self.waiters, look_every_s)
        self._plugins = plugins_of(shared.outside)
        if self._plugins is not None:
            self._plugins.call_operation = self._call_for_plugin

    async def call(
        self,
        actor: Actor,
        name: str,
        given: Any,
        request_key: str | None = None,
        caller: Caller | None = None,
    ) -> dict[str, Any]:
        """Call an operation, as `reply` does. Return values of JSON. Raise Refused."""
        return (await self.reply(actor, name, given, request_key, caller)).values()

    async def reply(
        self,
        actor: Actor,
        name: str,
        given: Any,
        request_key: str | None = None,
        caller: Caller | None = None,
        agreed: str | None = None,
    ) -> Reply:
        """Call an operation. Raise Refused.

        A second call with the same `request_key` gets the answer of the first one. A call whose
        `caller` is gone does not begin. `agreed`: the digest of a preview; a call that would now
        have another effect is refused.
        """
        name, given = await self._meaning(name, given)
        caller = caller or Caller()
        with self.metrics.measure(name), _span(actor, name, caller):
            await self._count_call(actor, name, given, caller)
            sent, known = self.executor.sent_notices, False
            try:
                operation = await self._find(actor, name)
                call = self._parse(actor, operation, given, request_key, caller)
                call = replace(call, agreed=agreed)
                known = True
                self.activity.count_call(actor)
                self._count_content(call, given)
                await sent.confirm(actor, lambda: call.digest)
                await self._handovers.confirm(actor)
                answer = await self._answer(call)
            except Refused as exc:
                await tech_leads.add_names(exc, self.executor.store, actor)
                same = call.digest if known else digest(name, exc.message)
                await sent.add_to(exc, actor, same)
                await self._record_refusal(actor, name, given, exc, caller)
                raise
            if answer.notices:
                shown = sent.select_and_remember(actor, call.digest, answer.notices)
                answer = answer.model_copy(update={"notices": shown})
            return Reply(call.operation, answer)

    async def _meaning(self, name: str, given: Any) -> tuple[str, Any]:
        """A tool of another server has its own name too, unless an operation is called so."""
        if self._plugins is None:
            return named_call(name, given)
        if await added.find(self._plugins, name) is not None:
            return name, given
        return await added.meaning(self._plugins, *named_call(name, given))

    async def preview(self, actor: Actor, name: str, given: Any, caller: Caller) -> Effects:
        """What the call would do. Nothing is changed or sent. Raise Refused as the call would."""
        operation = await self._find(actor, name)
        call = self._parse(actor, operation, given, None, caller)
        return await previews.preview(self.store, call)

    async def _find(self, actor: Actor, name: str) -> Operation:
        """The operation, also of a plug-in. Raise Refused unless the actor may call it."""
        if name not in OPERATIONS and self._plugins is not None:
            found = await added.find(self._plugins, name)
            if found is not None:
                added.check_role(actor, found.operation)
                return found.operation
        return _operation(actor, name)

    async def _call_for_plugin(self, actor: Actor, name: str, given: Any) -> dict[str, Any]:
        """Call an operation as a plug-in. Raise Refused."""
        return await self.call(actor, name, given, None, Caller(origin=Origin("plugin")))

    def _parse(
        self,
        actor: Actor,
        operation: Operation,
        given: Any,
        request_key: str | None,
        caller: Caller,
    ) -> Call:
        """The call. Raise Refused."""
        arguments = operation.parse(given)
        key = vars(arguments).get("key") or request_key
        return Call(
            operation,
            actor.for_role(_lowest_role(actor, operation)),
            arguments,
            key or secrets.token_hex(16),
            self.shared,
            is_keyed=bool(key),
            caller=replace(caller, is_revoked=partial(self.is_revoked, actor)),
        )

    async def _count_call(self, actor: Actor, name: str, given: Any, caller: Caller) -> None:
        """Count a call of an agent. Raise Refused if it calls too often: it pays no read more."""
        if actor.is_person:
            return
        try:
            self.shared.rates.take(actor.key, "calls_a_minute")
        except Refused as exc:
            await self._record_refusal(actor, name, given, exc, caller)
            raise

    async def _record_refusal(
        self, actor: Actor, name: str, given: Any, exc: Refused, caller: Caller
    ) -> None:
        which = name if name in OPERATIONS else "unknown operation"
        await self.refusals.record_call(actor, which, given, exc, caller.origin)

    def _count_content(self, call: Call, given: Any) -> None:
        """Count what an agent sends to be kept. Raise Refused if that is too much."""
        if call.operation.reads_only or call.actor.is_person:
            return
        size = content_size(given)
        rates = self.shared.rates
        rates.take(call.actor.key, "bytes_a_day", size)
        self.activity.count_bytes(call.actor, size)
        if call.operation.name in SENDS_MESSAGES:
            # How many the agent itself sends is counted in the database.
            rates.take(call.actor.key, "messages_a_minute", of_agent=False)

    async def _answer(self, call: Call) -> Answer:
        """The answer. What it hands over is taken back if nobody waits for it any more."""
        try:
            answer = await self._answer_or_wait(call)
        except asyncio.CancelledError:
            call.caller.cancelled = True
            await self._handovers.end(call.actor, call.caller, call.handovers)
            raise
        await self._handovers.end(call.actor, call.caller, call.handovers)
        return answer

    async def _answer_or_wait(self, call: Call) -> Answer:
        waitable = call.operation.waitable
        if waitable and (wait_s := vars(call.arguments).get("wait_s", 0)):
            return await self._long_poll.wait(call, waitable, wait_s)
        return await self.executor.execute(call)


def _span(actor: Actor, name: str, caller: Caller) -> AbstractContextManager[Span]:
    """The span of a call. Unknown names have one, as anybody can send any."""
    known = name if name in OPERATIONS else "unknown"
    return tracing.span(
        known,
        "internal" if caller.origin.surface in ("mcp", "stdio", "server") else "server",
        rpc__system="hubbub",
        rpc__method=known,
        hubbub__surface=caller.origin.surface,
        hubbub__installation__id=actor.installation_id,
        hubbub__actor=actor.name,
        hubbub__request__id=caller.origin.request or None,
    )


SENDS_MESSAGES = frozenset({"send_message", "resend_message"})


def content_size(given: Any) -> int:
    """About the bytes of the arguments as JSON; a text that is not ASCII has a few more."""
    if isinstance(given, str):
        return len(given) + 2
    if isinstance(given, dict):
        return sum(len(name) + 4 + content_size(value) for name, value in given.items())
    if isinstance(given, list | tuple):
        return sum(map(content_size, given)) + len(given) + 2
    return 8


def operations_of(actor: Actor) -> list[Operation]:
    """The operations that the actor's role may call, in the registry's order."""
    return [each for each in OPERATIONS.values() if permissions.may_call(actor, each.name)]


def _lowest_role(actor: Actor, operation: Operation) -> Role:
    """Operations of plug-ins are not in the table."""
    if operation.name not in OPERATIONS:
        return operation.role
    return permissions.lowest_role(operation.name, person=actor.is_person)


def _operation(actor: Actor, name: str) -> Operation:
    """Raise Refused if it does not exist or the actor may not call it."""
    operation = OPERATIONS.get(name)
    if operation is None:
        known = [each.name for each in operations_of(actor)]
        raise Refused(
            "unknown_operation",
            f"There is no operation {name!r}{argument_errors.nearest(name, known)}. "
            "`details.operations` lists those you may call.",
            operations=known,
        )
    if permissions.is_for_people(name) and not actor.is_person:
        raise Refused(
            "forbidden",
            f"Only people may call {name}. Ask one on the pull request or the issue.",
            **permissions.missing(actor, name),
        )
    if not permissions.may_call(actor, name):
        role = permissions.lowest_role(name, person=actor.is_person)
        raise Refused(
            "forbidden",
            f"{name} needs the role {role}; {actor.name} has {actor.role}.",
            **permissions.missing(actor, name) | {"needs": role},
        )
    return operation
