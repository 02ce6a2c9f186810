"""GitLab's REST API, version 4: the requests, and what the answers mean. Nothing is sent here.

https://docs.gitlab.com/api/issues/, https://docs.gitlab.com/api/notes/
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from bot.times import SECOND, http_date, retry_after
from bot.trackers.foreign import LONGEST_BODY, LONGEST_TITLE, Account, Content, ForeignIssue

PER_PAGE = 100
# Pages of comments in which a report is looked for.
NOTE_PAGES = 5
LONGEST_WAIT_S = 3600
# For 429 without a time.
DEFAULT_WAIT_S = 60
USER = "/user"
ADDRESS = re.compile(r"https?://[A-Za-z0-9_.~:/?#@%+=&,;!$*-]{1,990}")
PROJECT = re.compile(r"[\w.+-]{1,255}(/[\w.+-]{1,255}){0,20}")


class WrongShape(ValueError):
    """An answer that GitLab does not give."""


@dataclass(frozen=True)
class Ask:
    """A request: its path below /api/v4, and the JSON that it sends."""

    method: str
    path: str
    body: dict[str, Any] | None = None


def project_path(project: str) -> str:
    return f"/projects/{quote(project, safe='')}"


def changed_issues(project: str, after: int | None, page: int) -> Ask:
    """All issues that changed since then, the oldest change first."""
    query = {"scope": "all", "state": "all", "order_by": "updated_at", "sort": "asc"}
    if after is not None:
        query["updated_after"] = _time(after)
    return Ask("GET", f"{project_path(project)}/issues?{_page(query, page)}")


def matching_issues(project: str, labels: tuple[str, ...], page: int) -> Ask:
    """All issues with these labels, the oldest first."""
    query = {"scope": "all", "state": "all", "order_by": "created_at", "sort": "asc"}
    if labels:
        query["labels"] = ",".join(labels)
    return Ask("GET", f"{project_path(project)}/issues?{_page(query, page)}")


def one_issue(project: str, number: int) -> Ask:
    return Ask("GET", f"{project_path(project)}/issues/{number}")


def close_issue(project: str, number: int) -> Ask:
    return Ask("PUT", f"{project_path(project)}/issues/{number}", {"state_event": "close"})


def notes(project: str, number: int, page: int) -> Ask:
    """The comments, the newest first."""
    query = {"sort": "desc", "order_by": "created_at"}
    return Ask("GET", f"{project_path(project)}/issues/{number}/notes?{_page(query, page)}")


def add_note(project: str, number: int, body: str) -> Ask:
    return Ask("POST", f"{project_path(project)}/issues/{number}/notes", {"body": body})


def _page(query: Mapping[str, str], page: int) -> str:
    return urlencode({**query, "per_page": str(PER_PAGE), "page": str(page)})


def _time(micros: int) -> str:
    """In whole milliseconds, rounded down, as GitLab keeps times."""
    at = datetime.fromtimestamp(micros // 1000 / 1000, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{micros // 1000 % 1000:03d}Z"


# --- Answers -------------------------------------------------------------------------------------


def account(user: Any, project: Any) -> Account:
    """Raise WrongShape."""
    return Account(
        user_id=_number(user, "id"),
        user=_text(user, "username"),
        project=str(_number(project, "id")),
        project_name=_plain(project, "path_with_namespace", PROJECT)[:255],
    )


def issues(data: Any) -> list[ForeignIssue]:
    """Raise WrongShape."""
    if not isinstance(data, list):
        raise WrongShape("it answered with something that is no list")
    return [issue(each) for each in data]


def issue(data: Any) -> ForeignIssue:
    """Raise WrongShape."""
    state, labels, author = _text(data, "state"), data.get("labels"), data.get("author")
    if not isinstance(labels, list) or state not in ("opened", "closed"):
        raise WrongShape("an issue has no labels or no state")
    description = data.get("description")
    links = data.get("_links") if isinstance(data.get("_links"), dict) else {}
    return ForeignIssue(
        id=str(_number(data, "id")),
        number=_number(data, "iid"),
        url=_plain(data, "web_url", ADDRESS),
        version=_micros(_text(data, "updated_at")),
        created_at=_micros(_text(data, "created_at")),
        content=Content(
            title=" ".join(_text(data, "title").split())[:LONGEST_TITLE] or "No title",
            body=(description if isinstance(description, str) else "")[:LONGEST_BODY],
            author=_author(author),
            labels=tuple(sorted(each[:255] for each in labels if isinstance(each, str))),
            state="open" if state == "opened" else "closed",
            confidential=data.get("confidential") is not False,
            moved=bool(data.get("moved_to_id") or links.get("closed_as_duplicate_of")),
        ),
    )


def _author(author: Any) -> str:
    name = author.get("username") if isinstance(author, dict) else None
    return name if isinstance(name, str) and re.fullmatch(r"[\w.-]{1,100}", name) else "somebody"


def has_note(data: Any, marker: str, user_id: int) -> bool:
    """Whether one of these comments is Hubbub's, with this marker. Raise WrongShape."""
    if not isinstance(data, list):
        raise WrongShape("it answered with something that is no list")
    return any(
        isinstance(each, dict)
        and marker in str(each.get("body"))
        and isinstance(each.get("author"), dict)
        and each["author"].get("id") == user_id
        for each in data
    )


def _number(data: Any, name: str) -> int:
    found = data.get(name) if isinstance(data, dict) else None
    if not isinstance(found, int) or isinstance(found, bool) or not 0 < found < 2**53:
        raise WrongShape(f"`{name}` is no number")
    return found


def _text(data: Any, name: str) -> str:
    found = data.get(name) if isinstance(data, dict) else None
    if not isinstance(found, str):
        raise WrongShape(f"`{name}` is no text")
    return found


def _plain(data: Any, name: str, shape: re.Pattern[str]) -> str:
    """A text that means nothing in Markdown, because it becomes a part of one."""
    found = _text(data, name)
    if not shape.fullmatch(found):
        raise WrongShape(f"`{name}` is none of GitLab's")
    return found


def _micros(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
        return int(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1_000_000)
    except (ValueError, OverflowError) as exc:
        raise WrongShape("a time cannot be read") from exc


# --- Limits --------------------------------------------------------------------------------------


def server_time(headers: Mapping[str, str]) -> int | None:
    """The clock of the other side, in microseconds."""
    seconds = http_date(headers.get("Date", ""))
    return None if seconds is None else int(seconds * SECOND)


def wait_s(status: int, headers: Mapping[str, str], now: int) -> float:
    """How long to send nothing. `now`: our clock, for a server that sends none.

    A limit that is used up says when it is whole again, by the server's clock.
    """
    used_up = headers.get("RateLimit-Remaining", "").strip() == "0"
    if status != 429 and not used_up:
        return _retry_after(headers, now) if status == 503 else 0
    for found in (_retry_after(headers, now), _until_reset(headers, now)):
        if found:
            return found
    return DEFAULT_WAIT_S


def _retry_after(headers: Mapping[str, str], now: int) -> float:
    asked = retry_after(headers.get("Retry-After", ""), _now_there(headers, now))
    return 0 if asked is None else _within_limits(asked)


def _until_reset(headers: Mapping[str, str], now: int) -> float:
    text = headers.get("RateLimit-Reset", "").strip()
    at = float(text) if text.isdecimal() and len(text) < 12 else None
    at = http_date(headers.get("RateLimit-ResetTime", "")) if at is None else at
    return 0 if at is None else _within_limits(at - _now_there(headers, now))


def _now_there(headers: Mapping[str, str], now: int) -> float:
    found = http_date(headers.get("Date", ""))
    return now / SECOND if found is None else found


def _within_limits(seconds: float) -> float:
    return min(max(seconds, 1.0), LONGEST_WAIT_S)
