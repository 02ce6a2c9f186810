"""Which notices were in the last answer to each agent. Its next call shows that it got them."""

from collections.abc import Callable, Sequence

from cachetools import Cache, TTLCache

from bot.errors import Refused
from bot.identity.actors import Actor, ActorKey
from bot.kernel.operation import Notice
from bot.messages import notices
from bot.messages.notices import Unconfirmed
from store.engine.transaction import Store, StoreError, Tx

# Errors that have no notices: the caller is gone, or the server has too much to do.
WITHOUT_NOTICES = frozenset({"cancelled", "rate_limited"})
# A notice that may be repeated comes again after so many seconds, if it is still true.
REPEAT_AFTER_S = 600


class SentNotices:
    def __init__(self, store: Store) -> None:
        self.store = store
        self._last: Cache[ActorKey, Unconfirmed] = TTLCache(10_000, 3600)
        # What was sent lately of the notices that no row remembers.
        self._repeated: Cache[tuple[ActorKey, str, str], Unconfirmed] = TTLCache(
            50_000, REPEAT_AFTER_S
        )

    async def confirm(self, actor: Actor, call: Callable[[], str]) -> None:
        """Mark the notices of the last answer as received, as the agent makes another call.

        `call`: makes the digest of the call, which may be a retry after a lost answer. It takes a
        while, and most answers had no notices.
        """
        agent = actor.key_in_reach
        sent = self._last.get(agent)
        if sent is not None and not sent.may_be_retried_by(call()):
            await self.store.write(lambda tx: notices.mark_notified(tx, actor, sent.notices))
            self._last.pop(agent, None)

    def select_and_remember(self, actor: Actor, call: str, found: Sequence[Notice]) -> list[Notice]:
        """What goes out with the answer of this call, without what the agent has seen already.

        Remember it for `confirm`.
        """
        chosen = [each for each in found if not self._is_repeat(actor, call, each)]
        for each in chosen:
            if not notices.comes_once(each):
                place = (actor.key_in_reach, each.kind, each.key)
                self._repeated[place] = notices.sent_again([each], call, self._repeated.get(place))
        if once := [each for each in chosen if notices.comes_once(each)]:
            agent = actor.key_in_reach
            self._last[agent] = notices.sent_again(once, call, self._last.get(agent))
        return chosen

    def _is_repeat(self, actor: Actor, call: str, notice: Notice) -> bool:
        sent = self._repeated.get((actor.key_in_reach, notice.kind, notice.key))
        return sent is not None and not sent.may_be_retried_by(call)

    def has_new(self, actor: Actor, found: Sequence[Notice]) -> bool:
        """Whether a notice that comes once was not in the answer before."""
        sent = self._last.get(actor.key_in_reach)
        before = {(each.kind, each.key) for each in sent.notices} if sent else set()
        return any(
            notices.comes_once(each) and (each.kind, each.key) not in before for each in found
        )

    async def add_to(self, refused: Refused, actor: Actor, call: str) -> None:
        """Let the error carry the agent's notices, as an answer does."""
        if actor.is_person or refused.status >= 500 or refused.code in WITHOUT_NOTICES:
            return

        async def find(tx: Tx) -> list[Notice]:
            return await notices.current(tx, actor, await tx.now())

        try:
            await self.confirm(actor, lambda: call)
            found = await self.store.read(find)
        except StoreError:
            return  # the error itself matters more
        refused.notices = [
            each.model_dump() for each in self.select_and_remember(actor, call, found)
        ]
