"""Who else touches the same paths: told to both sides, and nobody is kept from anything."""

import re
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, Field

from store import leases, pulls
from store.transaction import Row, Tx

# How many are told of, and how many paths of each.
MOST = 10
MOST_PATHS = 10
WILD = re.compile(r"[*?\[{]")


class Overlap(BaseModel):
    """A claim, or an open pull request, that touches what you said you touch."""

    task: str | None = Field(description="of a claim: owner/repo#12")
    task_id: str | None = Field(exclude=True, default=None)
    holder: str | None
    pull_request: int | None
    paths: list[str] = Field(description="theirs")


def meet(one: str, other: str) -> bool:
    """Whether a path lies in another, or is it. Of a pattern the part before its first wildcard."""
    a, b = _stem(one), _stem(other)
    shorter, longer = sorted((a, b), key=len)
    return shorter in ("", longer) or longer.startswith(f"{shorter}/")


def _stem(path: str) -> str:
    found = WILD.search(path)
    plain = path if found is None else path[: found.start()].rpartition("/")[0]
    return plain.strip("/").removeprefix("./")


def common(mine: Sequence[str], theirs: Iterable[str]) -> list[str]:
    """Those of theirs that meet one of mine."""
    return [each for each in theirs if any(meet(each, own) for own in mine)][:MOST_PATHS]


async def found(tx: Tx, task: Row, paths: Sequence[str]) -> list[Overlap]:
    """Other live claims in the repository, and open pull requests, on these paths."""
    if not paths:
        return []
    here = (tx, task["installation_id"], task["repository_id"])
    claims = [each for each in await leases.with_paths(*here) if each["task_id"] != task["id"]]
    own = {each["pull_number"] for each in claims} | {task["pull_number"]}
    meeting = [
        Overlap(
            task=f"{task['full_name']}#{each['number']}",
            task_id=each["task_id"],
            holder=each["holder"],
            pull_request=each["pull_number"],
            paths=both,
        )
        for each in claims
        if (both := common(paths, each["paths"]))
    ]
    meeting += [
        Overlap(task=None, holder=None, pull_request=each["number"], paths=both)
        for each in await pulls.open_files(*here)
        if each["number"] not in own
        and (both := common(paths, (file["path"] for file in each["files"])))
    ]
    return meeting[:MOST]
