"""A double of GitLab on loopback: projects, issues and comments, and what goes wrong with them.

It behaves as https://docs.gitlab.com/api/issues/ and /api/notes/ say. The names of its headers are
written as GitLab's proxy does, which is in Go.
"""

import hashlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote

import orjson
from aiohttp import web

TOKEN = "glpat-of-a-double"
BOT = {"id": 77, "username": "hubbub"}
PERSON = {"id": 5, "username": "tanuki"}
Fault: TypeAlias = Literal["429", "500", "lost", "502 after", "lost after", "used up", "shuffled"]


@dataclass
class GitLabIssue:
    id: int
    iid: int
    title: str
    description: str | None
    labels: list[str]
    state: str = "opened"
    confidential: bool = False
    moved_to_id: int | None = None
    is_deleted: bool = False
    created_at: int = 0
    updated_at: int = 0
    notes: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class GitLab:
    """`skew_s`: how far its clock is from ours. `faults`: of the next requests, in order."""

    clock: Callable[[], int]
    skew_s: float = 0
    url: str = ""
    project: int = 42
    path: str = "group/rocket"
    issues: list[GitLabIssue] = field(default_factory=list)
    faults: list[Fault | None] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    # Statuses of all requests that match a part of their path.
    broken: dict[str, int] = field(default_factory=dict)
    while_limited: int = 0
    # How often it answered that nothing changed.
    unchanged: int = 0
    limited_until: float = 0
    _next: int = 1000

    def now(self) -> int:
        return self.clock() + int(self.skew_s * 1_000_000)

    # --- What people do there ---

    def open(
        self,
        title: str = "Mend it",
        text: str | None = "",
        labels: tuple[str, ...] = ("agent-task",),
    ) -> GitLabIssue:
        self._next += 1
        at = self.now()
        made = GitLabIssue(
            self._next,
            len(self.issues) + 1,
            title,
            text,
            list(labels),
            created_at=at,
            updated_at=at,
        )
        self.issues.append(made)
        return made

    def edit(self, issue: GitLabIssue, **values: Any) -> None:
        for name, value in values.items():
            setattr(issue, name, value)
        issue.updated_at = self.now()

    # --- The API ---

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        fault = self.faults.pop(0) if self.faults else None
        if self.now() / 1e6 < self.limited_until:
            self.while_limited += 1
        if fault in ("429", "500", "lost"):
            return self._fail(request, fault)
        if request.headers.get("PRIVATE-TOKEN") != TOKEN:
            return self._reply({"message": "401 Unauthorized"}, 401)
        for part, status in self.broken.items():
            if part in request.path_qs:
                return self._reply({"message": str(status)}, status)
        found = await self._route(request, shuffled=fault == "shuffled")
        if fault == "502 after":
            return web.Response(status=502, text="Bad gateway")
        if fault == "lost after":
            assert request.transport is not None
            request.transport.close()
        if fault == "used up":
            until = int(self.now() / 1e6) + 20
            self.limited_until = until
            found.headers.update({"Ratelimit-Remaining": "0", "Ratelimit-Reset": str(until)})
        return found

    def _fail(self, request: web.Request, fault: str) -> web.Response:
        """Without an effect."""
        if fault == "429":
            self.limited_until = self.now() / 1e6 + 30
            return self._reply({"message": "Too many"}, 429, {"Retry-After": "30"})
        if fault == "500":
            return self._reply({"message": "500 Internal Server Error"}, 500)
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async def _route(self, request: web.Request, *, shuffled: bool) -> web.Response:
        path = request.raw_path.partition("?")[0].removeprefix("/api/v4/")
        parts = [unquote(each) for each in path.split("/")]
        if parts == ["user"]:
            return self._reply(BOT)
        if parts[0] != "projects" or parts[1] not in (str(self.project), self.path):
            return self._reply({"message": "404 Project Not Found"}, 404)
        if len(parts) == 2:
            return self._reply({"id": self.project, "path_with_namespace": self.path})
        if len(parts) == 3:
            return self._list(request, shuffled=shuffled)
        return await self._one(request, int(parts[3]), has_notes=len(parts) > 4)

    async def _one(self, request: web.Request, iid: int, *, has_notes: bool) -> web.Response:
        issue = next((x for x in self.issues if x.iid == iid and not x.is_deleted), None)
        if issue is None:
            return self._reply({"message": "404 Not found"}, 404)
        if not has_notes:
            if request.method == "PUT":
                given = await request.json()
                if given == {"state_event": "close"} and issue.state == "opened":
                    self.edit(issue, state="closed")
            return self._reply(self._shown(issue))
        if request.method == "POST":
            body = (await request.json())["body"]
            note = {"id": len(issue.notes) + 1, "body": body, "author": BOT, "system": False}
            issue.notes.append(note)
            issue.updated_at = self.now()
            return self._reply(note, 201)
        return self._reply(self._paged(request, issue.notes[::-1]))

    def _list(self, request: web.Request, *, shuffled: bool) -> web.Response:
        query = request.query
        assert query["scope"] == "all"
        found = [each for each in self.issues if not each.is_deleted]
        if wanted := query.get("labels"):
            has = {each.casefold() for each in wanted.split(",")}
            found = [x for x in found if has <= {each.casefold() for each in x.labels}]
        if after := query.get("updated_after"):
            since = datetime.fromisoformat(after).timestamp() * 1e6
            found = [each for each in found if each.updated_at // 1000 * 1000 >= since]
        by = query["order_by"]
        found.sort(key=lambda each: (getattr(each, by), each.id))
        shown = [self._shown(each) for each in self._paged(request, found)]
        if shuffled:
            dice = random.Random(len(self.requests))  # noqa: S311 - it can be repeated
            shown = [*shown, *shown[: len(shown) // 2]]
            dice.shuffle(shown)
        etag = f'W/"{hashlib.sha256(orjson.dumps(shown)).hexdigest()}"'
        if request.headers.get("If-None-Match") == etag:
            self.unchanged += 1
            return web.Response(status=304, headers={"ETag": etag})
        return self._reply(shown, headers={"ETag": etag})

    def _paged(self, request: web.Request, found: list[Any]) -> list[Any]:
        size, page = int(request.query["per_page"]), int(request.query["page"])
        return found[size * (page - 1) : size * page]

    def _shown(self, issue: GitLabIssue) -> dict[str, Any]:
        return {
            "id": issue.id,
            "iid": issue.iid,
            "project_id": self.project,
            "title": issue.title,
            "description": issue.description,
            "state": issue.state,
            "labels": issue.labels,
            "author": PERSON,
            "confidential": issue.confidential,
            "moved_to_id": issue.moved_to_id,
            "created_at": self._time(issue.created_at),
            "updated_at": self._time(issue.updated_at),
            "web_url": f"{self.url}/{self.path}/-/issues/{issue.iid}",
            "_links": {"self": f"{self.url}/api/v4/projects/{self.project}/issues/{issue.iid}"},
        }

    def _time(self, micros: int) -> str:
        at = datetime.fromtimestamp(micros // 1000 / 1000, UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _reply(
        self, data: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> web.Response:
        at = datetime.fromtimestamp(self.now() / 1e6, UTC)
        all_headers = {"Date": at.strftime("%a, %d %b %Y %H:%M:%S GMT"), **(headers or {})}
        body = orjson.dumps(data)
        return web.Response(
            body=body, status=status, headers=all_headers, content_type="application/json"
        )


@asynccontextmanager
async def open_gitlab(clock: Callable[[], int], skew_s: float = 0) -> AsyncIterator[GitLab]:
    gitlab = GitLab(clock, skew_s)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", gitlab.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gitlab.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield gitlab
    finally:
        await runner.cleanup()
