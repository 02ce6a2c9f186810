"""A delivery by A2A, and what is known of it between two steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from bot.protocols.a2a import errors, remote_tasks, requests
from bot.protocols.a2a.remote import Interface, Problem, Remote
from bot.protocols.a2a.remote_tasks import RemoteTask
from bot.protocols.link import Delivery, Link
from bot.protocols.outcomes import Later
from bot.times import SECOND, stamp

# Seconds between two looks at a task that does not change.
EVERY_S = (2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
# Where to look for a message that may have arrived: pages of so many tasks.
MOST_PAGES, PAGE = 5, 50
# Texts of a task in which the message is looked for.
HISTORY = 20
HOUR = 3600 * SECOND


class Known(BaseModel):
    """Kept in the row. `send_at`: the attempt that sends what is to be sent for the first time."""

    url: str = ""
    tenant: str = ""
    version: str = requests.LATEST
    began: int = 0
    send_at: int = 0
    fence: int = 0
    # How the remote task stood at the last look, and how many looks ago that changed.
    state: str = ""
    said: str = ""
    looks: int = 0
    context: str = ""
    # The remote task that a message continues.
    task: str = ""
    thread: str = ""
    # How many questions people were asked, and the answer that is to be sent.
    asked: int = 0
    answer: str = ""


@dataclass
class Exchange:
    link: Link
    delivery: Delivery
    remote: Remote
    known: Known
    most_hours: int

    @classmethod
    def of(cls, link: Link, delivery: Delivery, header: str | None, hours: int) -> "Exchange":
        remote = Remote(link.outgoing, delivery.address, delivery.now, header)
        return cls(link, delivery, remote, Known.model_validate(delivery.row["data"] or {}), hours)

    @property
    def where(self) -> Interface:
        return Interface(self.known.url, self.known.tenant, self.known.version)

    @property
    def is_overdue(self) -> bool:
        return self.delivery.now > self.known.began + self.most_hours * HOUR

    def later(self, after_s: float = 0, remote_id: str | None = None, **known: Any) -> Later:
        return Later(after_s, remote_id, self.data(**known))

    def data(self, **known: Any) -> dict[str, Any]:
        return self.known.model_copy(update=known).model_dump(exclude_defaults=True)

    @property
    def next_attempt(self) -> int:
        return self.delivery.row["attempts"] + 1

    @property
    def is_first(self) -> bool:
        """Whether this is the attempt that sends for the first time."""
        return self.delivery.row["attempts"] == self.known.send_at

    def after_failure(self, *, sent: bool) -> dict[str, Any]:
        """What nobody got is sent by the next attempt without a look."""
        if self.is_first and not sent:
            return self.data(send_at=self.next_attempt)
        return self.data()

    def wait(self, task: RemoteTask) -> float:
        """Seconds until the next look, after one that found no change."""
        has_changed = (task.state, task.said) != (self.known.state, self.known.said)
        self.known.looks = 0 if has_changed else self.known.looks + 1
        self.known.state, self.known.said = task.state, task.said
        return EVERY_S[min(self.known.looks, len(EVERY_S) - 1)]

    async def call(
        self, operation: str, arguments: Mapping[str, Any], key: str | None = None
    ) -> dict[str, Any]:
        """Call an operation as the agent. Raise Refused."""
        return await self.link.calls.call(
            self.delivery.actor, operation, dict(arguments), key and f"{self.delivery.key}-{key}"
        )

    async def begin(self, **known: Any) -> Later:
        """Read the card. The next attempt sends. Raise Problem."""
        found = await self.remote.read_card()
        began = self.known.began or self.delivery.now
        return self.later(
            url=found.url,
            tenant=found.tenant,
            version=found.version,
            began=began,
            send_at=self.next_attempt,
            **known,
        )

    async def send(
        self, message_id: str, parts: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any]
    ) -> RemoteTask | str:
        """Send a message, unless the agent has it. Return the task, or the text that answers.

        Raise Problem.
        """
        if not self.is_first and (found := await self._find(message_id)) is not None:
            return found
        message: dict[str, Any] = {
            "messageId": message_id,
            "role": "ROLE_USER",
            "parts": list(parts),
            "metadata": {"hubbub": dict(metadata)},
        }
        if self.known.task:
            message["taskId"] = self.known.task
        if self.known.context:
            message["contextId"] = self.known.context
        params = {"message": message, "configuration": {"returnImmediately": True}}
        result = await self.remote.call(self.where, "SendMessage", params, sends=True)
        return remote_tasks.read_answer(result)

    async def _find(self, message_id: str) -> RemoteTask | None:
        """The task that has the message, if an earlier attempt sent it. Raise Problem."""
        if self.known.task:
            task = await self.get(self.known.task, HISTORY)
            return remote_tasks.read_task(task) if _has(task, message_id) else None
        token = ""
        for _ in range(MOST_PAGES):
            page = await self._list(token)
            for each in page.get("tasks") or ():
                if _has(each, message_id):
                    return remote_tasks.read_task(each)
            token = page.get("nextPageToken") or ""
            if not token:
                return None
        raise Problem("it is not known whether it has the message: it has too many tasks")

    async def _list(self, token: str) -> dict[str, Any]:
        since = stamp(self.known.began - HOUR)  # clocks differ
        params: dict[str, Any] = {
            "pageSize": PAGE,
            "historyLength": HISTORY,
            "statusTimestampAfter": since,
        }
        if token:
            params["pageToken"] = token
        try:
            found = await self.remote.call(self.where, "ListTasks", params)
        except Problem as exc:
            if exc.code in (errors.NO_METHOD, errors.UNSUPPORTED):
                raise Problem(
                    "it is not known whether it has the message, because it cannot list its tasks",
                    is_final=True,
                ) from exc
            raise
        if not isinstance(found, dict) or not isinstance(found.get("tasks", []), list):
            raise Problem("its list of tasks is not one")
        return found

    async def get(self, remote_id: str, history: int = 0) -> Any:
        """Raise Problem."""
        params = {"id": remote_id, "historyLength": history}
        return await self.remote.call(self.where, "GetTask", params)


def _has(task: Any, message_id: str) -> bool:
    return remote_tasks.has_message(task, message_id)
