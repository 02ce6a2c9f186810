"""Apply how people rate a plug-in: the reactions to its issue in the registry's repository."""

from typing import Any

from bot.fetch.answers.answer import Reading
from bot.github.payloads import at
from bot.identity.keyring import Keys
from store.engine.transaction import Tx
from store.plugins import registries

LIKES, DISLIKES = ("+1", "heart", "hooray", "rocket"), ("-1", "confused")


async def apply_rating(tx: Tx, _: Keys, r: Reading) -> None:
    reactions = at(r.data, "reactions")
    likes, dislikes = (_sum(reactions, names) for names in (LIKES, DISLIKES))
    await registries.put_rating(tx, *r.here, r.arguments["number"], likes, dislikes)


def _sum(reactions: Any, names: tuple[str, ...]) -> int:
    counts = reactions if isinstance(reactions, dict) else {}
    return sum(n for each in names if isinstance(n := counts.get(each), int) and n > 0)
