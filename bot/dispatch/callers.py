"""Who waits for the answer of a call, and where. A call whose caller is gone is not begun."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from bot.errors import Refused
from bot.identity.actors import Actor
from store.engine.origins import SERVER, Origin

IsGone: TypeAlias = Callable[[], bool]


def never() -> bool:
    """For callers that cannot leave before the answer."""
    return False


def with_actor(origin: Origin, actor: Actor) -> Origin:
    """The origin of a call, with its actor and the credential that was presented."""
    return replace(origin, actor=actor.name, credential=actor.credential)


@dataclass
class Caller:
    """`is_gone`: whether the connection that brought the call is closed.

    `origin`: the surface, the address and the request, for the audit. `is_revoked`: whether its
    token was revoked or ended.
    """

    is_gone: IsGone = never
    origin: Origin = SERVER
    is_revoked: IsGone = never
    # The call was cancelled. What had not begun by then must not begin.
    cancelled: bool = False

    def check(self) -> None:
        """Raise Refused if nobody waits for the answer any more, or nobody may have it."""
        self.check_token()
        if self.cancelled or self.is_gone():
            raise Refused(
                "cancelled",
                "The caller closed the connection or cancelled the call before it began. "
                "Nothing was changed.",
            )

    def check_token(self) -> None:
        if self.is_revoked():
            raise Refused("unauthenticated", "The token was revoked, or ended, during the call.")
