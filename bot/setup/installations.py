"""Waits until somebody has installed the App on an account."""

import asyncio
import time
from dataclasses import dataclass

from bot.github.client import GitHub
from bot.github.outcomes import Meaning, classify
from bot.github.payloads import at, maybe_number, text
from bot.github.requests import NoAnswer
from bot.setup.failures import SetupFailed
from bot.setup.run import Sleep

PATH = "/app/installations?per_page=100"
# Seconds between two looks: at first, and when it takes longer than a minute.
EVERY_S, LATER_S, SOON_S = 2.0, 10.0, 60.0
LONGEST_S = 3600.0


@dataclass(frozen=True)
class Installed:
    id: int
    account: str


async def wait(
    github: GitHub, account: str, sleep: Sleep = asyncio.sleep, longest_s: float = LONGEST_S
) -> Installed:
    """The installation on the account, or the first one if none is named. Raise SetupFailed."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < longest_s:
        if found := await find(github, account):
            return found
        await sleep(EVERY_S if passed < SOON_S else LATER_S)
    raise SetupFailed("Nobody installed the App within an hour. Run `hubbub setup` to go on.")


async def find(github: GitHub, account: str) -> Installed | None:
    """The installation, if it is there.

    None also if GitHub does not answer, or does not know a new App yet.
    """
    try:
        answer = await github.app_request("GET", PATH)
    except NoAnswer:
        return None
    if classify(answer).meaning is not Meaning.DONE or not isinstance(answer.data, list):
        return None
    for each in answer.data:
        login, number = text(at(each, "account", "login")), maybe_number(at(each, "id"))
        if number and account.casefold() in ("", login.casefold()):
            return Installed(number, login)
    return None
