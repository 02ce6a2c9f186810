"""Who approved a pull request or requested changes: agents through Hubbub, people on GitHub."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict, get_args

from bot.identity.actors import TRUSTED
from store.engine.transaction import Tx
from store.mirror import pulls
from store.tables.mirror import ReviewRow
from store.tasks import verdicts
from store.tasks.verdicts import PostedVerdict

# What GitHub calls the state of a review.
ReviewState: TypeAlias = Literal["approved", "changes_requested", "commented"]
Decision: TypeAlias = Literal["approved", "changes_requested", "none"]


@dataclass(frozen=True)
class Verdict:
    """The last decision of one reviewer: an agent's id, or a person's @login."""

    by: str
    verdict: ReviewState
    head: str
    # Whether commits were pushed since.
    outdated: bool
    at: int

    @property
    def is_persons(self) -> bool:
        return self.by.startswith("@")


class ReviewedPull(TypedDict):
    """What verdicts need of a pull request."""

    installation_id: int
    repository_id: int
    number: int
    head_sha: str


async def of_pull(tx: Tx, pull: ReviewedPull) -> list[Verdict]:
    """The verdicts on a pull request, the oldest first."""
    here = (tx, pull["installation_id"], pull["repository_id"], pull["number"])
    by_agents = await verdicts.of_pull(*here)
    on_github = await pulls.reviews(*here)
    dismissed = {row["id"] for row in on_github if row["state"] == "dismissed"}
    ours = {each["review_id"] for each in by_agents}
    theirs = [row for row in on_github if row["id"] not in ours]
    found = latest_of_agents(by_agents, dismissed, pull["head_sha"])
    found += latest_of_people(theirs, pull["head_sha"])
    return sorted(found, key=lambda each: each.at)


def latest_of_agents(
    rows: Sequence[PostedVerdict], dismissed: Collection[int], head: str
) -> list[Verdict]:
    """Each agent's last decision. `dismissed`: reviews that a person dismissed. Oldest first.

    An approval does not come back when the requested changes that followed it are dismissed.
    """
    found: dict[str, Verdict] = {}
    for row in rows:
        verdict = _verdict_of(row["verdict"])
        if verdict is None:
            continue
        if row["review_id"] in dismissed:
            found.pop(row["reviewer"], None)
            continue
        if verdict == "commented" and row["reviewer"] in found:
            continue
        found[row["reviewer"]] = Verdict(
            row["reviewer"], verdict, row["head_sha"], row["head_sha"] != head, row["at"]
        )
    return list(found.values())


def latest_of_people(rows: Sequence[ReviewRow], head: str) -> list[Verdict]:
    """The last decision of each person who may write here, as GitHub counts them.

    A comment decides nothing.
    """
    found: dict[int, Verdict] = {}
    for row in rows:
        if row["author_association"] not in TRUSTED:
            continue
        if row["state"] == "dismissed":
            found.pop(row["author_id"], None)
        elif (verdict := _verdict_of(row["state"])) not in (None, "commented"):
            assert verdict is not None
            name = f"@{row['author'] or 'ghost'}"
            at, outdated = row["submitted_at"] or 0, row["commit_id"] != head
            found[row["author_id"]] = Verdict(name, verdict, row["commit_id"], outdated, at)
    return list(found.values())


def _verdict_of(state: str) -> ReviewState | None:
    return next((each for each in get_args(ReviewState) if each == state), None)


def decision(found: Sequence[Verdict], needed: int = 0) -> Decision:
    """What the reviewers decided together. `needed`: how many agents must approve.

    An agent's approval counts only for the head that it names, a person's as GitHub counts it.
    Requested changes count until the same reviewer decides again.
    """
    if any(each.verdict == "changes_requested" for each in found):
        return "changes_requested"
    return "none" if approvals(found, needed).missing else "approved"


@dataclass(frozen=True)
class Approvals:
    """How many agents approved the present head, and how many must, unless a person approved."""

    agents: int
    needed: int
    by_person: bool = False

    @property
    def missing(self) -> int:
        return 0 if self.by_person else max(0, self.needed - self.agents)


def approvals(found: Sequence[Verdict], needed: int) -> Approvals:
    given = with_state(found, "approved")
    agents = {each.by for each in given if not each.is_persons and not each.outdated}
    by_person = any(each.is_persons for each in given)
    return Approvals(len(agents), max(1, needed), by_person)


def with_state(found: Sequence[Verdict], verdict: ReviewState) -> list[Verdict]:
    return [each for each in found if each.verdict == verdict]
