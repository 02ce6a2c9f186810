"""Several pages of results as one: by the header `Link`, a cursor, or numbers of pages."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from bot.tool_servers.connections import ToolResult, Unavailable
from bot.tool_servers.openapi import results
from bot.tool_servers.openapi.answer_reading import LARGEST, Answer
from bot.tool_servers.openapi.document_text import one_line
from bot.tool_servers.openapi.options import Paging
from bot.tool_servers.openapi.requests import Request
from bot.tool_servers.openapi.results import Bounds, json_of, json_result, result_of

LINK = re.compile(r"<([^<>]{1,8000})>((?:\s*;\s*[^;,<>]{1,500}){0,20})")
IS_NEXT = re.compile(r";\s*rel\s*=\s*\"?([\w\s-]*\s)?next(\s[\w\s-]*)?\"?\s*(;|$)", re.IGNORECASE)


SAME = "The next page has the same entries as the one before: this service does not page as set."
AGAIN = "The service names a page again that was read, so there may be more entries."
ELSEWHERE = "There is a next page at another address, to which no credential is sent: {}."


@dataclass
class Joined:
    """The entries of the pages so far. `first`: the values of the first page. `last`: of the last.

    `ended`: why no further page is read although there may be one.
    """

    first: Any
    entries: list[Any]
    last: list[Any]
    ended: str = ""
    pages: int = 1
    size: int = 0
    seen: set[str] = field(default_factory=set)


async def collect(
    request: Request,
    paging: Paging,
    pages: int,
    bounds: Bounds,
    send: Callable[[Request], Awaitable[Answer]],
) -> ToolResult:
    """Up to so many pages as one result, which says whether there are more."""
    answer = results.without_secrets(await send(request), bounds.secrets)
    value = json_of(answer)
    entries = entries_of(value, paging)
    if not answer.is_success or entries is None:
        return result_of(answer, bounds)
    joined = Joined(value, list(entries), entries, size=len(answer.body), seen={request.url})
    following = next_request(request, answer, value, paging, joined)
    note = ""
    while following is not None and joined.pages < pages and joined.size < LARGEST:
        try:
            answer = results.without_secrets(await send(following), bounds.secrets)
        except Unavailable as exc:
            note = f"The next page could not be read: {exc.text}"
            break
        value = json_of(answer)
        entries = entries_of(value, paging)
        if not answer.is_success or entries is None:
            note = f"The next page could not be read: status {answer.status}."
            break
        if entries and entries == joined.last:
            note = SAME
            break
        joined.entries += entries
        joined.last = entries
        joined.pages += 1
        joined.size += len(answer.body)
        joined.seen.add(following.url)
        following = next_request(following, answer, value, paging, joined) if entries else None
    return _result(joined, paging, bounds, note or joined.ended, has_more=following is not None)


def _result(
    joined: Joined, paging: Paging, bounds: Bounds, note: str, *, has_more: bool
) -> ToolResult:
    value = put_entries(joined.first, paging, joined.entries)
    notes = [f"{joined.pages} pages are joined."] if joined.pages > 1 else []
    if note:
        notes.append(note)
    elif has_more:
        notes.append(f"There are more pages: pass pages={joined.pages + 1} or more.")
    made = json_result(value, bounds.max_bytes, *notes)
    return replace(made, truncated=True) if note else made


# --- Where things are ----------------------------------------------------------------------------


def _at(value: Any, path: str) -> Any:
    for part in path.split(".") if path else ():
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _items_path(value: Any, paging: Paging) -> str | None:
    """Where the list is. Without a setting: the whole, or the only list in an object."""
    if paging.items or isinstance(value, list):
        return paging.items
    lists = (
        [k for k, each in value.items() if isinstance(each, list)]
        if (isinstance(value, dict))
        else []
    )
    return lists[0] if len(lists) == 1 and "." not in lists[0] else None


def entries_of(value: Any, paging: Paging) -> list[Any] | None:
    path = _items_path(value, paging)
    found = None if path is None else _at(value, path)
    return found if isinstance(found, list) else None


def put_entries(value: Any, paging: Paging, entries: list[Any]) -> Any:
    """The values of the first page with the entries of all."""
    path = _items_path(value, paging)
    return _put(value, path.split(".") if path else [], entries)


def _put(value: Any, parts: list[str], entries: list[Any]) -> Any:
    if not parts:
        return entries
    return {**value, parts[0]: _put(value[parts[0]], parts[1:], entries)}


def next_request(
    request: Request, answer: Answer, value: Any, paging: Paging, joined: Joined
) -> Request | None:
    """The request for the next page, or None if this is the last one that can be read."""
    if paging.by == "link":
        made = _by_address(request, _link(answer.headers.get("Link", "")), joined)
    elif paging.by == "page":
        made = _by_number(request, paging)
    else:
        made = _by_cursor(request, _at(value, paging.next) if paging.next else None, paging, joined)
    if made is None or made.url not in joined.seen:
        return made
    joined.ended = AGAIN
    return None


def _link(header: str) -> str:
    for match in LINK.finditer(header[:20_000]):
        if IS_NEXT.search(match[2]):
            return match[1]
    return ""


def _by_address(request: Request, address: str, joined: Joined) -> Request | None:
    """Only at the same origin: the credential goes with it."""
    if not address:
        return None
    url = urljoin(request.url, address)
    here, there = urlsplit(request.url), urlsplit(url)
    is_same = (here.scheme, here.netloc) == (there.scheme, there.netloc)
    is_plain = url.isascii() and url.isprintable() and " " not in url and not there.fragment
    if is_same and is_plain:
        return replace(request, url=url)
    joined.ended = ELSEWHERE.format(one_line(f"{there.scheme}://{there.netloc}", 120))
    return None


def _by_number(request: Request, paging: Paging) -> Request | None:
    query = urlsplit(request.url).query
    given = re.search(rf"(?:^|&){re.escape(paging.parameter)}=(\d{{1,9}})(?:&|$)", query)
    return request.with_query(paging.parameter, str(int(given[1]) + 1 if given else 2))


def _by_cursor(request: Request, cursor: Any, paging: Paging, joined: Joined) -> Request | None:
    if isinstance(cursor, bool) or not isinstance(cursor, str | int) or cursor == "":
        return None
    text = str(cursor)
    if text.startswith(("https://", "http://", "/")) or not paging.parameter:
        return _by_address(request, text, joined)
    return request.with_query(paging.parameter, text)
