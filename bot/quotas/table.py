"""The quotas: what one agent, and one installation, may do and use. People have none.

No agent that works for somebody meets a default. They stop loops and mistakes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.errors import Refused

MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True)
class Quota:
    """`agent` and `installation`: the most; None is no limit. `per_s` None: at one time.

    `counted`: where, for the documentation. An agent that uses less than a tenth of its own share
    is never refused because of its installation, so that nobody can crowd it out.
    """

    unit: str
    agent: int | None
    installation: int | None
    per_s: int | None
    counted: str

    def of(self, whose: str) -> int | None:
        return self.agent if whose == "agent" else self.installation


IN_MEMORY = "in each process, which learns every 30 s what the agent did in others"
IN_DATABASE = "in the database"
# By the name that settings, errors and get_budget use.
DEFAULTS: Mapping[str, Quota] = {
    "calls_a_minute": Quota("calls", 1200, 60_000, MINUTE, IN_MEMORY),
    "bytes_a_day": Quota("bytes of changing calls", 2**30, 2**34, DAY, IN_MEMORY),
    "messages_a_minute": Quota("messages", 60, 6000, MINUTE, IN_DATABASE),
    "messages_an_hour": Quota("messages", 600, None, HOUR, IN_DATABASE),
    "queued_writes": Quota("writes in the queue", 200, 4000, None, IN_DATABASE),
    "open_claims": Quota("tasks that it works on", 1000, None, None, IN_DATABASE),
    "claims_an_hour": Quota("claims", 300, None, HOUR, IN_DATABASE),
    "file_bytes": Quota("bytes of files", 2**30, 2**34, None, IN_DATABASE),
    "releases_an_hour": Quota("releases", 60, None, HOUR, IN_DATABASE),
    "agents": Quota("registered agents", None, None, None, IN_DATABASE),
    "open_tasks": Quota("open tasks", None, None, None, IN_DATABASE),
}
# An agent below this share of its own quota passes when that of the installation is used up.
SMALL_SHARE = 0.1


# Those that only an installation has: its number is written without a slash.
OF_INSTALLATION = ("agents", "open_tasks")


def parse(text: str) -> Mapping[str, Quota]:
    """The quotas changed by `calls_a_minute=600/20000, queued_writes=100`. Raise ValueError."""
    return {**DEFAULTS, **parse_changes(text, DEFAULTS)}


def parse_changes(text: str, before: Mapping[str, Quota]) -> dict[str, Quota]:
    """Only the quotas that `text` changes, with the rest of each as it was. Raise ValueError."""
    found: dict[str, Quota] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (part.strip() for part in each.partition("="))
        if name not in DEFAULTS:
            raise ValueError(f"has {each!r}; the quotas are {', '.join(DEFAULTS)}")
        agent, _, installation = value.partition("/")
        if name in OF_INSTALLATION and not installation:
            agent, installation = "", agent
        changed: dict[str, int] = {}
        for whose, most in (("agent", agent), ("installation", installation)):
            if most and not (most.isascii() and most.isdecimal() and 0 < int(most[:19]) < 2**53):
                raise ValueError(f"has {each!r}; write whole numbers, such as {name}=600/20000")
            if most:
                changed[whose] = int(most)
        if not changed:
            raise ValueError(f"has {each!r}; write a number for an agent, as {name}=600")
        if name in OF_INSTALLATION and "agent" in changed:
            raise ValueError(f"has {each!r}; one agent has no {name}: write {name}=600")
        old = found.get(name, before[name])
        found[name] = replace(
            old,
            agent=changed.get("agent", old.agent),
            installation=changed.get("installation", old.installation),
        )
    return found


def refusal(
    name: str, *, whose: str, who: str, most: int, used: int, wait_s: float | None
) -> Refused:
    """The error of a quota that is used up. `wait_s`: when there is room, if time brings it."""
    quota = DEFAULTS[name]
    of = who if whose == "agent" else "All agents of the installation together"
    period = {MINUTE: " a minute", HOUR: " an hour", DAY: " a day", None: " at once"}[quota.per_s]
    details = {"quota": name, "of": whose, "most": most, "used": used}
    if wait_s is None:
        return Refused(
            "too_many", f"{of} may have {most} {quota.unit}{period}, and have {used}.", **details
        )
    seconds = max(1, -int(-wait_s // 1))
    return Refused(
        "rate_limited",
        f"{of} may have {most} {quota.unit}{period}, and used them up. Nothing was changed. Call "
        f"again in {seconds} s. get_budget shows the quotas.",
        retry_after_s=seconds,
        **details,
    )
