"""The audit log, as tech-leads look through it."""

import re
from typing import Annotated, Any

from pydantic import BaseModel, Field

from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Answer, Context, operation
from bot.kernel.pagination import Cursor, decode_number, encode
from bot.times import parse, stamp
from store.audit import records, searching
from store.audit.searching import Wanted
from store.tables.audit import AuditRow

ON_A_PAGE = 50
ZONE = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
Time = Annotated[
    str, Field(max_length=40, description="2026-11-30 or 2026-11-30T12:00:00Z, in UTC")
]


class AuditEntry(BaseModel):
    seq: int
    at: str
    actor: str
    operation: str
    subject: str
    outcome: str = Field(description="done or refused")
    code: str = Field(description="the error code of a refusal")
    calls: int = Field(description="how many equal refusals it stands for")
    surface: str
    data: dict[str, Any]


class AuditPage(Answer):
    of_mirror = False

    entries: list[AuditEntry]
    next_cursor: str | None = None


@operation(reads_only=True)
async def list_audit(
    ctx: Context,
    actor: Annotated[str | None, Field(max_length=120, description="who did it")] = None,
    action: Annotated[
        str | None, Field(max_length=60, description="what was done, such as an operation's name")
    ] = None,
    since: Time | None = None,
    until: Time | None = None,
    cursor: Cursor = None,
) -> AuditPage:
    """List changes and refusals from the audit log, newest first."""
    _check_sees_all(ctx)
    wanted = Wanted(actor=actor or None, operation=action or None)
    above = await _number_at(ctx, "since", since)
    below = await _number_at(ctx, "until", until)
    rows, place = await searching.page(
        ctx.tx, ctx.installation_id, wanted, above or 0, _place(cursor, below), ON_A_PAGE
    )
    return AuditPage(
        entries=[_entry(row) for row in rows],
        next_cursor=encode(str(place)) if place is not None else None,
    )


def _check_sees_all(ctx: Context) -> None:
    """The log belongs to no repository, so only tech-leads of all of them may read it."""
    if not permissions.leads_everywhere(ctx.actor):
        raise Refused(
            "forbidden",
            "Only a person who administers or maintains every repository of the installation may "
            "read the audit log.",
            **permissions.missing(ctx.actor, ctx.operation),
        )


async def _number_at(ctx: Context, name: str, text: str | None) -> int | None:
    """The number of the first row at or after a time."""
    if not text:
        return None
    try:
        at = parse(_in_utc(text))
    except ValueError as exc:
        raise Refused(
            "invalid_arguments", f"`{name}` is {text!r}. Pass a day, such as 2026-11-30, or a time."
        ) from exc
    return await searching.first_at(ctx.tx, ctx.installation_id, at)


def _in_utc(text: str) -> str:
    """A day begins at midnight, and a time without a zone is in UTC."""
    if "T" not in text:
        return f"{text}T00:00:00Z"
    return text if ZONE.search(text) else f"{text}Z"


def _place(cursor: str | None, below: int | None) -> int:
    place = decode_number(cursor)
    found = records.LAST if place is None else place
    return found if below is None else min(found, below)


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        seq=row["seq"],
        at=stamp(row["at"]),
        actor=row["actor"],
        operation=row["operation"],
        subject=row["subject"],
        outcome=row["outcome"],
        code=row["code"],
        calls=row["calls"],
        surface=row["surface"],
        data=row["data"],
    )
