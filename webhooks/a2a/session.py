"""Who calls a method of A2A, and the operations that it calls for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.dispatch.callers import Caller
from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.files import links
from bot.identity.actors import Actor
from bot.protocols.a2a import errors
from bot.protocols.a2a.errors import RpcError
from store.engine.transaction import Tx
from store.files import attachments
from store.files.attachments import FullAttachment
from store.protocols import protocol_contexts
from store.tasks import listing
from webhooks.addresses import ADDRESSES
from webhooks.app_keys import ACTOR, DISPATCHER
from webhooks.disconnects import is_gone
from webhooks.origins import caller_of

# Its newest tasks, which a list has.
MOST_OF_CONTEXT = 1000


@dataclass(frozen=True)
class Session:
    """`base`: the server's address, as the caller named it."""

    dispatcher: Dispatcher
    actor: Actor
    caller: Caller
    base: str
    request: web.Request

    @classmethod
    def of(cls, request: web.Request) -> "Session":
        return cls(
            request.app[DISPATCHER],
            request[ACTOR],
            caller_of(request),
            request.app[ADDRESSES].base(request),
            request,
        )

    async def call(
        self, operation: str, arguments: Mapping[str, Any], key: str | None = None
    ) -> dict[str, Any]:
        """The answer. Raise RpcError."""
        try:
            return await self.dispatcher.call(
                self.actor, operation, dict(arguments), key, self.caller
            )
        except Refused as exc:
            raise errors.of_refusal(exc) from exc

    async def task(self, ref: str) -> dict[str, Any]:
        """The answer of `get_task`. Raise RpcError."""
        try:
            found = await self.call("get_task", {"task": ref})
        except RpcError as exc:
            if exc.code != errors.INVALID_PARAMS:
                raise
            # An id of another shape is of no task.
            raise RpcError(errors.TASK_NOT_FOUND, exc.message, exc.fields) from exc
        task_id = found["task"]["id"]
        context = (await self.contexts([task_id])).get(task_id)
        more = {"outputs": await self._outputs(found), "files": await self._files(found)}
        return {**found, "context": context, **more}

    async def known_task(self, ref: str) -> dict[str, Any] | None:
        """None if there is no such task, or the caller may not see it. Raise RpcError."""
        try:
            return await self.task(ref)
        except RpcError as exc:
            if exc.code == errors.TASK_NOT_FOUND:
                return None
            raise

    async def _outputs(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """What a completed step of a workflow gave, if the caller may read it."""
        step = found.get("step")
        if found["task"]["state"] != "completed" or not step or not step.get("context"):
            return {}
        try:
            read = await self.call("get_context", {"context_id": step["context"]})
        except RpcError:
            return {}
        match read["content"]:
            case {"outputs": dict(outputs)}:
                return dict(outputs.get(step["step"]) or {})
        return {}

    async def _files(self, found: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The files of a task that others attached, each with its address for some minutes."""
        ids = [each["id"] for each in found.get("attachments", ())]
        if not ids:
            return []
        here, shared = self.actor.installation_id, self.dispatcher.shared

        async def work(tx: Tx) -> tuple[int, list[FullAttachment]]:
            return await tx.now(), await attachments.several(tx, here, ids)

        now, rows = await self.dispatcher.store.read(work)
        root = shared.files.address or self.base
        return [
            {**row, "url": f"{root}{links.download(shared.keys, here, row['id'], now)}"}
            for row in rows
            if row["owner"] != self.actor.name
        ]

    async def contexts(self, task_ids: Sequence[str]) -> dict[str, str]:
        """The contexts in which the caller made some of the tasks."""
        here = (self.actor.installation_id, self.actor.name, task_ids)
        return await self.dispatcher.store.read(lambda tx: protocol_contexts.of_tasks(tx, *here))

    async def tasks_of(self, context: str, limit: int) -> list[tuple[str, str]]:
        """The tasks that the caller made in a context, the newest first, with their messages."""
        here = (self.actor.installation_id, self.actor.name, context, limit)
        return await self.dispatcher.store.read(lambda tx: protocol_contexts.newest(tx, *here))

    async def changed_tasks_of(self, context: str) -> list[tuple[int, str]]:
        """When the tasks of a context changed, the last one first.

        The context may be named after its first task, which the caller made without one.
        """
        ids = [task_id for task_id, _ in await self.tasks_of(context, MOST_OF_CONTEXT)]
        here = (self.actor.installation_id, [*ids, context])
        return await self.dispatcher.store.read(lambda tx: listing.changes(tx, *here))

    async def add_to(self, context: str, message: str, task_id: str) -> None:
        here = (self.actor.installation_id, self.actor.name, context, message, task_id)
        await self.dispatcher.store.write(lambda tx: protocol_contexts.add(tx, *here))

    @property
    def is_gone(self) -> bool:
        return is_gone(self.request)
