"""A message as all services get it, before each writes it in its own form."""

from dataclasses import dataclass

from bot.notifications.entries import MOST, Entry
from store.tables.notifications import NotificationRow

SIGNS = {"urgent": "🔴", "warning": "🟠", "info": "🔵"}


@dataclass(frozen=True)
class Links:
    """`github`: the address of GitHub's web pages. `page`: of Hubbub's page, if there is one."""

    github: str = "https://github.com"
    page: str = ""

    def of(self, name: str) -> str:
        """The address of `owner/repo#12`; GitHub sends pull requests on from there."""
        repository, sign, number = name.rpartition("#")
        return f"{self.github}/{repository}/issues/{number}" if sign else ""


@dataclass(frozen=True)
class Message:
    """`id`: the same in every attempt, so that receivers can tell repeats."""

    id: str
    # When this attempt is made, in seconds since 1970.
    at: int
    entries: tuple[Entry, ...]
    more: int
    account: str
    links: Links

    @property
    def headline(self) -> str:
        """What it is about, in a few words."""
        if any(each.change == "test" for each in self.entries):
            return f"Hubbub: a test of notifications for {self.account}"
        began = sum(each.change == "began" for each in self.entries) + self.more
        ended = sum(each.change == "ended" for each in self.entries)
        parts = [
            f"{began} {'thing needs' if began == 1 else 'things need'} a person" if began else "",
            f"{ended} resolved" if ended else "",
        ]
        return f"Hubbub: {', '.join(each for each in parts if each)} in {self.account}"

    @property
    def remainder(self) -> str:
        return f"And {self.more} more." if self.more else ""


def sign(entry: Entry) -> str:
    return "✅" if entry.change == "ended" else SIGNS[entry.severity]


def line(entry: Entry) -> str:
    """One line of plain text."""
    ended = "Resolved: " if entry.change == "ended" else ""
    action = f" {entry.action}" if entry.action else ""
    return f"{sign(entry)} {ended}{one_line(entry.title)}{action}"


def one_line(text: str) -> str:
    """The text without line ends and other control characters."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def of_row(row: NotificationRow, account: str, links: Links, at: int) -> Message:
    shown = row["entries"][:MOST]
    return Message(
        id=row["id"],
        at=at,
        entries=tuple(Entry.model_validate(each) for each in shown),
        more=row["more"] + len(row["entries"]) - len(shown),
        account=account,
        links=links,
    )
