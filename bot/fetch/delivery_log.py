"""GitHub's log of the deliveries that it sent to the App: its requests and entries. No I/O.

The log goes back three days and is listed from the newest entry to the oldest.
"""

from dataclasses import dataclass
from typing import Any

from bot.github.payloads import Json, at, maybe_number, text, time
from bot.github.requests import Request
from bot.times import SECOND
from store.inbox.missed_deliveries import LoggedDelivery
from store.tables.inbox import LostDeliveryRow

LOG = "/app/hook/deliveries"
# How far back the log goes, less a margin for clocks.
WINDOW = (3 * 24 * 3600 - 600) * SECOND
# A delivery may enter the log late.
OVERLAP = 600 * SECOND
# A delivery that was sent just now may still be on its way into the inbox.
UNDER_WAY = 15 * SECOND
# No log of three days has more pages. A longer one is endless.
MOST_PAGES = 5_000
# A page without entries may have a next one. A log with so many of them in a row is endless.
MOST_EMPTY_PAGES = 20


@dataclass
class Survey:
    """A walk through the log. It goes no further back than `floor`."""

    began: int
    floor: int
    # Whether the survey before this one was completed. Only then everything that is older than a
    # known delivery was seen.
    goes_on: bool
    next_page: str | None = f"{LOG}?per_page=100"
    pages: int = 0
    # How many pages in a row had no entries.
    empty_pages: int = 0

    @property
    def is_too_long(self) -> bool:
        return self.pages >= MOST_PAGES or self.empty_pages >= MOST_EMPTY_PAGES

    def is_under_way(self, row: LoggedDelivery) -> bool:
        return bool(row["delivered_at"] > self.began - UNDER_WAY)


def redelivery(row: LostDeliveryRow) -> Request:
    """The request that makes GitHub send a delivery again."""
    return Request("POST", f"{LOG}/{row['delivery_id']}/attempts")


def one(row: LostDeliveryRow) -> Request:
    """The request for a delivery with its payload."""
    return Request("GET", f"{LOG}/{row['delivery_id']}")


def payload(data: Json) -> dict[str, Any] | None:
    """The payload in the answer to `one`."""
    found = at(data, "request", "payload")
    return found if isinstance(found, dict) else None


def entry(value: Json) -> LoggedDelivery | None:
    """An entry of the log as a row of missed deliveries; None if it lacks an id."""
    delivery_id, guid = maybe_number(at(value, "id")), text(at(value, "guid"), 80)
    if delivery_id is None or not guid:
        return None
    return {
        "installation_id": maybe_number(at(value, "installation_id")) or 0,
        "guid": guid,
        "delivery_id": delivery_id,
        "repository_id": maybe_number(at(value, "repository_id")),
        "event": text(at(value, "event"), 80),
        "action": text(at(value, "action"), 80),
        "delivered_at": time(at(value, "delivered_at")),
    }
