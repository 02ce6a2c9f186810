"""Sets and clears flags, as the operator asks by `hubbub flags`."""

import re
from dataclasses import dataclass
from typing import Literal

from bot.flags.known import FLAGS
from bot.flags.rollout import ALL
from bot.settings import WrongSettings
from store.engine.transaction import Tx
from store.flags import feature_flags, flag_counts
from store.flags.feature_flags import EVERYWHERE

PERCENT = re.compile(r"(\d{1,3})%")


@dataclass(frozen=True)
class Value:
    state: Literal["on", "off"]
    percentage: int = ALL

    @property
    def words(self) -> str:
        return self.state if self.percentage in (0, ALL) else f"on for {self.percentage}%"


def parse(text: str) -> Value:
    """`on`, `off`, or a share of the installations such as 10%. Raise WrongSettings."""
    if text == "on":
        return Value("on")
    found = PERCENT.fullmatch(text)
    if text == "off" or (found and int(found[1]) == 0):
        return Value("off", 0)
    if found is None or int(found[1]) > ALL:
        raise WrongSettings(f"The value is {text!r}; it must be on, off, or a share such as 10%.")
    return Value("on", int(found[1]))


def check(name: str) -> str:
    """The name, if there is such a flag. Raise WrongSettings."""
    if name not in FLAGS:
        raise WrongSettings(f"There is no flag {name!r}. The flags are {', '.join(FLAGS)}.")
    return name


async def put(tx: Tx, installation_id: int, name: str, value: Value, by: str, why: str) -> None:
    """Set a flag. From now on it is judged by new calls alone."""
    if installation_id != EVERYWHERE and value.percentage not in (0, ALL):
        raise WrongSettings("A share is of all installations; for one of them pass on or off.")
    await feature_flags.put(tx, installation_id, name, value.state, value.percentage, by, why)
    await flag_counts.forget_on(tx, name)


async def clear(tx: Tx, installation_id: int, name: str) -> bool:
    """Forget what was set. False if nothing was."""
    return await feature_flags.remove(tx, installation_id, name)
