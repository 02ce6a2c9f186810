"""Which items a target is told of, and when."""

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bot.attention.items import KINDS
from bot.attention.wording import Severity
from bot.times import SECOND

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class QuietHours(BaseModel):
    """From one time of the day to another, also over midnight, in a time zone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    begin: Annotated[str, Field(pattern=TIME)]
    end: Annotated[str, Field(pattern=TIME)]
    zone: str = "UTC"

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, ZoneInfoNotFoundError) as exc:
            raise ValueError(f"{value!r} is not a time zone such as Europe/Berlin") from exc
        return value

    def end_of(self, at: int) -> int | None:
        """When the quiet hours end in which this time lies; None if it lies in none."""
        now = datetime.fromtimestamp(at / SECOND, UTC).astimezone(ZoneInfo(self.zone))
        begin, end = time.fromisoformat(self.begin), time.fromisoformat(self.end)
        if begin <= end:
            is_quiet, days = begin <= now.time() < end, 0
        else:
            is_quiet = now.time() >= begin or now.time() < end
            days = 1 if now.time() >= begin else 0
        if not is_quiet:
            return None
        day = now.date() + timedelta(days=days)
        last = datetime.combine(day, end, now.tzinfo)
        # When the clock is set back, this time of the day comes twice.
        ends = (int(each.timestamp()) * SECOND for each in (last, last.replace(fold=1)))
        return next((each for each in ends if each > at), None)


class Rules(BaseModel):
    """`repositories`: their ids; None means all, with texts only of public ones.

    `private`: also texts of all private repositories. `wait_s`: how long a message collects.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: tuple[str, ...] | None = None
    repositories: tuple[int, ...] | None = None
    private: bool = False
    severity: Severity = "warning"
    quiet: QuietHours | None = None
    urgent_passes: bool = True
    wait_s: Annotated[int, Field(ge=0, le=86_400)] = 60
    resolved: bool = False
    per_hour: Annotated[int, Field(ge=1, le=1000)] = 20

    @field_validator("kinds")
    @classmethod
    def _are_kinds(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if unknown := set(value or ()) - KINDS.keys():
            raise ValueError(f"{min(unknown)!r} is not one of {', '.join(KINDS)}")
        return value

    def match(self, kind: str, severity: Severity, repository_id: int | None) -> bool:
        """What belongs to no repository goes to targets of all repositories."""
        return (
            (self.kinds is None or kind in self.kinds)
            and SEVERITIES.index(severity) >= SEVERITIES.index(self.severity)
            and (self.repositories is None or repository_id in self.repositories)
        )

    def cover_text(self, repository_id: int | None, *, is_private: bool) -> bool:
        """Whether texts and names of the repository may go to the target."""
        if not is_private or repository_id is None:
            return True
        return self.private or (self.repositories or ()).count(repository_id) > 0

    def send_at(self, now: int, *, is_urgent: bool) -> int:
        """When a message that begins now is sent."""
        at = now + self.wait_s * SECOND
        if self.quiet is None or (is_urgent and self.urgent_passes):
            return at
        return self.quiet.end_of(at) or at
