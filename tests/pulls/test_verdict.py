"""The verdict of the check, from facts as values."""

import pytest

from bot.pulls.verdict import Facts, Override, Reservation, TaskOfPull, of_several, verdict
from bot.repository.repository_settings import Check

FAILS = Check()
OWN, FREE = TaskOfPull(12, is_own=True, holder="scout"), TaskOfPull(12)
HELD, SECOND = TaskOfPull(12, holder="rover"), TaskOfPull(12, other_pull=7)
RESERVED = (Reservation(14, "rover", ("src/a.py",)),)
LET = Override("@ada", "We agreed.", frozenset({"not_holder"}))

# Each row: what is known, the settings, the conclusion and the title.
TABLE = {
    "its own": (Facts(9, "scout", (OWN,)), FAILS, "success", "The pull request of #12"),
    "of no task": (Facts(9, "@ada"), FAILS, "success", "It is for no task"),
    "nobody holds it": (Facts(9, "@ada", (FREE,)), FAILS, "success", "The first one for #12"),
    "nobody may be without a claim": (
        Facts(9, "@ada", (FREE,)),
        Check(unclaimed="fail"),
        "failure",
        "Nobody holds #12",
    ),
    "another holds it": (Facts(9, "@ada", (HELD,)), FAILS, "failure", "rover holds #12"),
    "the maker holds it": (Facts(9, "rover", (HELD,)), FAILS, "success", "The first one for #12"),
    "a login in other letters": (
        Facts(9, "@Ada", (TaskOfPull(12, holder="@ada"),)),
        FAILS,
        "success",
        "The first one for #12",
    ),
    "a second one": (
        Facts(9, "@ada", (SECOND,)),
        FAILS,
        "failure",
        "#12 has the open pull request #7 already",
    ),
    "two faults": (
        Facts(9, "@ada", (TaskOfPull(12, holder="rover", other_pull=7),)),
        FAILS,
        "failure",
        "#12 has the open pull request #7 already (and 1 more)",
    ),
    "reserved paths": (
        Facts(9, "scout", (OWN,), RESERVED),
        FAILS,
        "failure",
        "It changes paths that rover reserved for #14",
    ),
    "reserved paths do not matter": (
        Facts(9, "scout", (OWN,), RESERVED),
        Check(reserved_paths="ignore"),
        "success",
        "The pull request of #12",
    ),
    "unknown files": (
        Facts(9, "scout", (OWN,), None),
        FAILS,
        "waiting",
        "Reading the changed files",
    ),
    "a fault comes before unknown files": (
        Facts(9, "@ada", (HELD,), None),
        FAILS,
        "failure",
        "rover holds #12",
    ),
    "neutral": (
        Facts(9, "@ada", (HELD,)),
        Check(not_holder="neutral"),
        "neutral",
        "rover holds #12",
    ),
    "overridden": (
        Facts(9, "@ada", (HELD,), override=LET),
        FAILS,
        "success",
        "Overridden by @ada",
    ),
    "overridden for another rule": (
        Facts(9, "@ada", (SECOND,), override=LET),
        FAILS,
        "failure",
        "#12 has the open pull request #7 already",
    ),
    "a task that ended": (
        Facts(9, "@ada", (TaskOfPull(12, holder=None, other_pull=7, ended="completed"),)),
        FAILS,
        "success",
        "#12 is completed",
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_the_verdict_follows_from_what_is_known(case: str) -> None:
    facts, settings, conclusion, title = TABLE[case]
    found = verdict(facts, settings)
    assert (found.conclusion, found.title) == (conclusion, title)
    assert bool(found.failing) == (conclusion == "failure")


def test_of_several_pull_requests_with_one_head_the_worst_verdict_counts() -> None:
    good = verdict(Facts(7, "scout", (OWN,)), FAILS)
    bad = verdict(Facts(9, "@ada", (SECOND,)), FAILS)
    both = of_several([(7, good), (9, bad)])
    assert (both.conclusion, both.title, both.failing) == (
        "failure",
        bad.title,
        ("second_pull",),
    )
    assert both.summary.startswith("#7: This is the one open pull request of #12")


def test_the_name_of_a_file_cannot_end_its_line_in_the_summary() -> None:
    """A stranger chooses it, and Git allows every character but a zero."""
    name = "src/a\n\n# Approved by @ada\r\n\u2028![x](https://example.com)"
    reserved = (Reservation(14, "rover", (name,)),)
    summary = verdict(Facts(9, "@stranger", (OWN,), reserved), FAILS).summary
    (line,) = [each for each in summary.splitlines() if "src/a" in each]
    assert "`src/a  # Approved by @ada  ![x](https://example.com)`" in line
