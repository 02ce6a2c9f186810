"""The simulated GitHub, spoken to over HTTP as the real one is."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import aiohttp
import gidgethub
import gidgethub.aiohttp
import gidgethub.apps
import pytest

from fixtures.github import SimulatedGitHub
from tests.support.github_client import Acme
from tests.support.patience import SOON_S

EXP_WORDS = (
    "'Expiration time' claim ('exp') must be a numeric value representing the future time at "
    "which the assertion expires"
)
IAT_WORDS = (
    "'Issued at' claim ('iat') must be an Integer representing the time that the assertion "
    "was issued"
)
COMMENTS = r"/issues/\d+/comments$"


def invalid(resource: str, field: str | None, message: str) -> tuple[int, str, Any]:
    problem = {"resource": resource, "code": "custom", "message": message}
    return 422, "Validation Failed", [problem | ({"field": field} if field else {})]


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not so():  # noqa: ASYNC110 - what is awaited is a step of the server's
            await asyncio.sleep(0.001)


def next_page(link: str) -> str | None:
    found = re.search(r'<([^>]+)>; rel="next"', link)
    return found[1] if found else None


# Who is asking


async def test_an_installation_token_lasts_an_hour(acme: Acme) -> None:
    assert (await acme.call("GET", "/repos/acme/web")).status == 200
    acme.clock.forward(3599)
    assert (await acme.call("GET", "/repos/acme/web")).status == 200
    acme.clock.forward(1)
    assert acme.refusal(await acme.call("GET", "/repos/acme/web")) == (401, "Bad credentials", None)


@pytest.mark.parametrize(
    ("claims", "refusal"),
    [
        ({"lasts": 601}, (401, "'Expiration time' claim ('exp') is too far in the future")),
        ({"lasts": 0}, (401, EXP_WORDS)),
        ({"iat": 4_000_000_000}, (401, IAT_WORDS)),
        ({"iss": "1"}, (404, "Integration not found")),
    ],
)
async def test_a_wrong_jwt_is_refused_with_the_reason(
    acme: Acme, claims: dict[str, Any], refusal: tuple[int, str]
) -> None:
    answer = await acme.send("GET", "/app", Authorization=f"Bearer {acme.jwt(**claims)}")
    assert acme.refusal(answer) == (*refusal, None)


async def test_a_suspended_or_ended_installation_is_locked_out(acme: Acme) -> None:
    assert (await acme.call("GET", "/repos/acme/web")).status == 200
    acme.github.suspend(acme.installation)
    assert (await acme.call("GET", "/repos/acme/web")).status == 403
    assert (await acme.mint()).status == 403
    acme.github.uninstall(acme.installation)
    assert (await acme.call("GET", "/repos/acme/web")).status == 401
    assert (await acme.mint()).status == 404


async def test_a_token_reaches_what_its_installation_and_permissions_cover(acme: Acme) -> None:
    acme.github.repository("acme/secret", private=True)
    acme.github.repository("acme/open")
    no = "Resource not accessible by integration"
    issue = {"title": "Hello"}
    assert (await acme.call("GET", "/repos/acme/secret")).status == 404
    assert (await acme.call("GET", "/repos/acme/open/issues")).status == 200
    elsewhere = await acme.call("POST", "/repos/acme/open/issues", issue)
    assert acme.refusal(elsewhere) == (403, no, None)

    acme.token = (await acme.mint(permissions={"issues": "read"})).data["token"]
    assert (await acme.call("GET", "/repos/acme/web/issues")).status == 200
    weak = await acme.call("POST", "/repos/acme/web/issues", issue)
    assert acme.refusal(weak) == (403, no, None)
    assert weak.headers["X-Accepted-GitHub-Permissions"] == "issues=write"


async def test_gidgethub_works_with_it() -> None:
    async with SimulatedGitHub() as github, aiohttp.ClientSession() as session:
        github.repository("acme/web", private=True)
        held = github.install("acme", ["acme/web"])
        gh = gidgethub.aiohttp.GitHubAPI(session, "hubbub", base_url=github.url)
        minted = await gidgethub.apps.get_installation_access_token(
            gh,
            installation_id=str(held.id),
            app_id=str(github.app.id),
            private_key=github.app.private_key,
        )
        token = minted["token"]
        issue = await gh.post("/repos/acme/web/issues", data={"title": "Hi"}, oauth_token=token)
        assert issue["number"] == 1
        with pytest.raises(gidgethub.BadRequest) as caught:
            await gh.getitem("/repos/acme/web/issues/2", oauth_token=token)
        assert caught.value.status_code == 404


# What is refused, in GitHub's words

LONG = "x" * 65_537


@pytest.mark.parametrize(
    ("method", "path", "body", "refusal"),
    [
        ("GET", "/nowhere", None, (404, "Not Found", None)),
        ("GET", "/repos/acme/web/issues/99", None, (404, "Not Found", None)),
        ("GET", "/repos/acme/web/issues/1", None, (410, "This issue was deleted", None)),
        (
            "POST",
            "/repos/acme/web/issues",
            {},
            (422, 'Invalid request.\n\n"title" wasn\'t supplied.', None),
        ),
        (
            "POST",
            "/repos/acme/web/issues/2/comments",
            {"body": LONG},
            invalid("IssueComment", "body", "body is too long (maximum is 65536 characters)"),
        ),
        (
            "POST",
            "/repos/acme/web/issues/2/comments",
            {"body": "a\0b"},
            (
                422,
                "Validation Failed",
                [{"resource": "IssueComment", "code": "invalid", "field": "body"}],
            ),
        ),
        (
            "POST",
            "/repos/acme/web/pulls/3/reviews",
            {
                "event": "COMMENT",
                "comments": [{"path": "a", "line": 2, "start_line": 2, "body": "x"}],
            },
            (422, "Unprocessable Entity", ["start_line must precede the end line."]),
        ),
        (
            "POST",
            "/repos/acme/web/git/refs",
            {"ref": "refs/heads/fix/more", "sha": "HEAD"},
            (422, "Reference update failed", None),
        ),
        (
            "POST",
            "/repos/acme/web/labels",
            {"name": "Agent-Task"},
            (
                422,
                "Validation Failed",
                [{"resource": "Label", "code": "already_exists", "field": "name"}],
            ),
        ),
        (
            "DELETE",
            "/repos/acme/web/issues/2/labels/agent-task",
            None,
            (404, "Label does not exist", None),
        ),
        (
            "POST",
            "/repos/acme/web/pulls",
            {"title": "Again", "head": "acme:fix", "base": "main"},
            invalid("PullRequest", None, "A pull request already exists for acme:fix."),
        ),
        (
            "POST",
            "/repos/acme/web/pulls",
            {"title": "Empty", "head": "same", "base": "main"},
            invalid("PullRequest", None, "No commits between main and same"),
        ),
        (
            "POST",
            "/repos/acme/web/pulls/3/reviews",
            {"event": "REQUEST_CHANGES"},
            (422, "Unprocessable Entity", ["Review body cannot be blank"]),
        ),
        (
            "PUT",
            "/repos/acme/web/pulls/3/merge",
            {"sha": "0" * 40},
            (409, "Head branch was modified. Review and try the merge again.", None),
        ),
        (
            "POST",
            "/repos/acme/web/git/refs",
            {"ref": "refs/heads/fix", "sha": "HEAD"},
            (422, "Reference already exists", None),
        ),
        (
            "PATCH",
            "/repos/acme/web/git/refs/heads/fix",
            {"sha": "HEAD"},
            (422, "Update is not a fast forward", None),
        ),
        (
            "DELETE",
            "/repos/acme/web/git/refs/heads/none",
            None,
            (422, "Reference does not exist", None),
        ),
    ],
)
async def test_refusals_are_worded_and_shaped_as_githubs(
    acme: Acme, method: str, path: str, body: dict[str, Any] | None, refusal: tuple[Any, ...]
) -> None:
    acme.ada.create_label(acme.web, "agent-task")
    acme.ada.delete_issue(acme.ada.open_issue(acme.web, "Gone"))
    acme.ada.open_issue(acme.web, "Here")
    start = acme.web.branches["main"]
    acme.ada.push(acme.web, "fix", {"a.py": "1\n"})
    acme.ada.open_pull(acme.web, title="Fix", head="fix")
    acme.web.branches["same"] = start
    if body and body.get("sha") == "HEAD":
        body = {**body, "sha": start}
    assert acme.refusal(await acme.call(method, path, body)) == refusal


async def test_what_is_not_json_is_a_problem_parsing_json(acme: Acme) -> None:
    await acme.call("GET", "/repos/acme/web")
    headers = {"Authorization": f"Bearer {acme.token}"}
    url = f"{acme.github.url}/repos/acme/web/issues"
    for text, message in (("{", "Problems parsing JSON"), ("[]", "Body should be a JSON object")):
        async with acme.session.post(url, data=text.encode(), headers=headers) as response:
            assert (response.status, (await response.json())["message"]) == (400, message)


async def test_a_client_without_a_name_is_turned_away(acme: Acme) -> None:
    skipped = ["User-Agent"]
    async with acme.session.get(f"{acme.github.url}/app", skip_auto_headers=skipped) as response:
        assert response.status == 403


async def test_a_renamed_repository_leads_on(acme: Acme) -> None:
    acme.ada.rename(acme.web, "site")
    read = await acme.call("GET", "/repos/acme/web/issues")
    target = f"{acme.github.url}/repositories/{acme.web.id}/issues"
    assert (read.status, read.headers["Location"]) == (301, target)
    wrote = await acme.call("POST", "/repos/acme/web/issues", {"title": "Hi"})
    assert (wrote.status, wrote.headers["Location"]) == (307, target)
    followed = await acme.call("POST", wrote.headers["Location"], {"title": "Hi"})
    assert followed.data["url"] == f"{acme.github.url}/repos/acme/site/issues/1"
    assert acme.github.violations == []


async def test_the_newer_version_no_longer_gives_what_it_dropped(acme: Acme) -> None:
    acme.ada.open_issue(acme.web, "Hi", assignees=["ada"])
    old = await acme.call("GET", "/repos/acme/web/issues/1")
    pinned = {"X-GitHub-Api-Version": "2026-03-10"}
    new = await acme.call("GET", "/repos/acme/web/issues/1", **pinned)
    assert set(old.data) - set(new.data) == {"assignee"}
    assert new.headers["X-GitHub-Api-Version-Selected"] == "2026-03-10"
    future = {"X-GitHub-Api-Version": "2099-01-01"}
    assert (await acme.call("GET", "/repos/acme/web", **future)).status == 400


# Lists


async def test_pages_are_linked_by_repository_id(acme: Acme) -> None:
    for number in range(5):
        acme.ada.open_issue(acme.web, f"Issue {number}")
    url = "/repos/acme/web/issues?per_page=2&direction=asc"
    titles: list[str] = []
    following: str | None = url
    while following:
        answer = await acme.call("GET", following)
        titles += [each["title"] for each in answer.data]
        following = next_page(answer.headers.get("Link", ""))
        assert not following or f"/repositories/{acme.web.id}/issues?" in following
    assert titles == [f"Issue {number}" for number in range(5)]
    assert acme.github.violations == []


async def test_since_finds_what_changed_at_or_after_it(acme: Acme) -> None:
    first = acme.ada.open_issue(acme.web, "First")
    acme.clock.forward(10)
    acme.ada.open_issue(acme.web, "Second")
    at = acme.web.issues[2].updated_at
    found = await acme.call("GET", f"/repos/acme/web/issues?since={at}")
    assert [each["title"] for each in found.data] == ["Second"]
    acme.ada.comment(first, "Still here")
    found = await acme.call("GET", f"/repos/acme/web/issues?since={at}&sort=updated&direction=asc")
    assert [each["title"] for each in found.data] == ["First", "Second"]


async def test_what_the_client_has_is_not_sent_or_charged_again(acme: Acme) -> None:
    first = await acme.call("GET", "/repos/acme/web")
    tag = {"If-None-Match": first.headers["ETag"]}
    again = await acme.call("GET", "/repos/acme/web", **tag)
    assert (again.status, again.data) == (304, "")
    used = [each.headers["X-RateLimit-Used"] for each in (first, again)]
    assert used == ["1", "1"]
    acme.token = (await acme.mint()).data["token"]
    assert (await acme.call("GET", "/repos/acme/web", **tag)).status == 200


# Limits


async def test_the_eighty_first_content_of_a_minute_has_to_wait(acme: Acme) -> None:
    issue = acme.ada.open_issue(acme.web, "Talk")
    path = "/repos/acme/web/issues/1/comments"
    for number in range(80):
        assert (await acme.call("POST", path, {"body": f"{number}"})).status == 201
    acme.clock.forward(20)
    limited = await acme.call("POST", path, {"body": "80"})
    assert (limited.status, limited.headers["Retry-After"]) == (403, "40")
    assert "secondary rate limit" in limited.data["message"]
    assert acme.github.sent_while_limited == 0

    assert (await acme.call("GET", "/repos/acme/web")).status == 403
    assert acme.github.sent_while_limited == 1
    acme.clock.forward(40)
    assert (await acme.call("POST", path, {"body": "80"})).status == 201
    assert len(issue.comments) == 81


async def test_an_hours_content_is_limited_too(acme: Acme) -> None:
    acme.github.limits.content_an_hour = 2
    path = "/repos/acme/web/issues"
    for _ in range(2):
        assert (await acme.call("POST", path, {"title": "Hi"})).status == 201
        acme.clock.forward(600)
    limited = await acme.call("POST", path, {"title": "Hi"})
    assert (limited.status, limited.headers["Retry-After"]) == (403, "2400")


async def test_a_spent_hour_comes_back_at_its_reset(acme: Acme) -> None:
    await acme.call("GET", "/repos/acme/web")
    acme.github.exhaust(acme.installation, seconds=120)
    limited = await acme.call("GET", "/repos/acme/web")
    assert limited.data["message"].startswith("API rate limit exceeded for installation ID")
    assert (limited.status, limited.headers["X-RateLimit-Remaining"]) == (403, "0")
    assert int(limited.headers["X-RateLimit-Reset"]) == acme.clock.now() + 120
    assert acme.github.sent_while_limited == 0
    await acme.call("GET", "/repos/acme/web")
    assert acme.github.sent_while_limited == 1
    acme.clock.forward(120)
    assert (await acme.call("GET", "/repos/acme/web")).status == 200


# Faults


@pytest.mark.parametrize(
    ("kind", "status", "effects"),
    [
        ("500", 500, 0),
        ("502", 502, 0),
        ("502_after", 502, 1),
        ("secondary", 403, 0),
        ("secondary_no_retry_after", 403, 0),
        ("429", 429, 0),
        ("401", 401, 0),
        ("404", 404, 0),
        ("422", 422, 0),
        ("close", None, 0),
        ("close_after", None, 1),
    ],
)
async def test_a_fault_strikes_once_before_or_after_the_effect(
    acme: Acme, kind: str, status: int | None, effects: int
) -> None:
    issue = acme.ada.open_issue(acme.web, "Talk")
    acme.github.fault("POST", COMMENTS, kind)
    path = "/repos/acme/web/issues/1/comments"
    if status is None:
        with pytest.raises(aiohttp.ClientConnectionError):
            await acme.call("POST", path, {"body": "Hello"})
    else:
        answer = await acme.call("POST", path, {"body": "Hello"})
        assert answer.status == status
        assert ("Retry-After" in answer.headers) == (kind == "secondary")
    assert len(issue.comments) == effects
    acme.clock.forward(60)
    assert (await acme.call("POST", path, {"body": "Hello"})).status == 201
    assert acme.github.sent_while_limited == 0
    assert acme.github.violations == []


@pytest.mark.parametrize(
    ("kind", "status", "message"),
    [
        ("403", 403, "Resource not accessible by integration"),
        ("410", 410, "This issue was deleted"),
        ("archived", 403, "Repository was archived so is read-only."),
        ("locked", 403, "Unable to create comment because issue is locked."),
        ("too_long", 422, "Body is too long (maximum is 65536 characters)"),
        ("revoked", 401, "Bad credentials"),
        ("suspended", 403, "This installation has been suspended"),
        ("allow_list", 403, "Although you appear to have the correct authorization credentials"),
        ("too_quickly", 422, "Validation Failed"),
        ("abuse", 422, "Validation Failed"),
        ("409_empty", 409, "Git Repository is empty."),
        ("451", 451, "Repository access blocked"),
        ("primary_403", 403, "API rate limit exceeded for installation ID"),
        ("429_retry_after", 429, "You have exceeded a secondary rate limit."),
    ],
)
async def test_a_refusal_that_was_asked_for_is_worded_as_githubs(
    acme: Acme, kind: str, status: int, message: str
) -> None:
    issue = acme.ada.open_issue(acme.web, "Talk")
    acme.github.fault("POST", COMMENTS, kind)
    answer = await acme.call("POST", "/repos/acme/web/issues/1/comments", {"body": "Hello"})
    assert (answer.status, issue.comments) == (status, [])
    assert answer.data["message"].startswith(message)
    assert ("Retry-After" in answer.headers) == (kind == "429_retry_after")
    accepted = answer.headers.get("X-Accepted-GitHub-Permissions")
    assert accepted == ("issues=write; pull_requests=write" if kind == "403" else None)
    assert (answer.headers["X-RateLimit-Remaining"] == "0") == (kind == "primary_403")


async def test_a_revoked_token_works_no_more_and_another_does(acme: Acme) -> None:
    acme.ada.open_issue(acme.web, "Talk")
    acme.github.fault("POST", COMMENTS, "revoked")
    path = "/repos/acme/web/issues/1/comments"
    statuses = [(await acme.call("POST", path, {"body": "Hello"})).status for _ in range(2)]
    acme.token = ""
    assert [*statuses, (await acme.call("POST", path, {"body": "Hello"})).status] == [401, 401, 201]


@pytest.mark.parametrize(("kind", "effects"), [("timeout", 0), ("timeout_after", 1)])
async def test_silence_lasts_until_the_client_gives_up(acme: Acme, kind: str, effects: int) -> None:
    issue = acme.ada.open_issue(acme.web, "Talk")
    acme.github.fault("POST", COMMENTS, kind)
    waiting = asyncio.create_task(
        acme.call("POST", "/repos/acme/web/issues/1/comments", {"body": "Hello"})
    )
    await until(lambda: any(each.path.endswith("/comments") for each in acme.github.requests))
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    waiting.cancel()
    assert (len(done), len(issue.comments)) == (0, effects)


async def test_what_was_just_made_is_seen_when_the_lag_is_over(acme: Acme) -> None:
    acme.ada.open_issue(acme.web, "Talk")
    acme.github.fault("POST", COMMENTS, "lag", seconds=5)
    path = "/repos/acme/web/issues/1/comments"
    made = await acme.call("POST", path, {"body": "Hello"})

    async def seen() -> tuple[int, int]:
        one = await acme.call("GET", f"/repos/acme/web/issues/comments/{made.data['id']}")
        return one.status, len((await acme.call("GET", path)).data)

    assert (made.status, await seen()) == (201, (404, 0))
    acme.clock.forward(5)
    assert await seen() == (200, 1)


async def test_a_lag_may_come_with_a_lost_answer(acme: Acme) -> None:
    issue = acme.ada.open_issue(acme.web, "Talk")
    for kind in ("lag", "502_after"):
        acme.github.fault("POST", COMMENTS, kind)
    path = "/repos/acme/web/issues/1/comments"
    assert (await acme.call("POST", path, {"body": "Hello"})).status == 502
    assert (len(issue.comments), (await acme.call("GET", path)).data) == (1, [])


async def test_limits_that_are_passed_are_noted(acme: Acme) -> None:
    limits = acme.github.limits
    limits.content_a_minute, limits.concurrent = 1, 1
    for n in range(2):
        await acme.call("POST", "/repos/acme/web/issues", {"title": f"{n}"})
    now, who = acme.clock.now(), acme.installation.id
    assert limits.exceeded == [f"{who} at {now}: more than 1 content a minute"]
    assert limits.too_fast == [f"{who} at {now}: 0.000 s after the last"]
    acme.clock.forward(60)
    acme.github.fault("GET", "/issues$", "timeout", times=2)
    before = len(acme.github.requests)
    both = [asyncio.create_task(acme.call("GET", "/repos/acme/web/issues")) for _ in range(2)]
    await until(lambda: len(acme.github.requests) == before + 2)
    for each in both:
        each.cancel()
    assert limits.exceeded[1:] == [f"at {acme.clock.now()}: 2 requests at once"]


# What follows from what


async def test_both_sides_changing_a_file_cannot_be_merged(acme: Acme) -> None:
    acme.ada.push(acme.web, "fix", {"a.py": "1\n"})
    acme.ada.push(acme.web, "main", {"a.py": "2\n"})
    acme.ada.open_pull(acme.web, title="Fix", head="fix")
    assert (await acme.call("GET", "/repos/acme/web/pulls/1")).data["mergeable"] is False
    answer = await acme.call("PUT", "/repos/acme/web/pulls/1/merge")
    assert acme.refusal(answer) == (405, "Pull Request is not mergeable", None)


async def test_people_may_do_what_their_role_lets_them(acme: Acme) -> None:
    issue = acme.ada.open_issue(acme.web, "Hi")
    bob = acme.github.person("bob")
    with pytest.raises(PermissionError, match="bob lacks read on acme/web"):
        bob.comment(issue, "Hello")
    acme.github.set_permission("acme/web", "bob", "read")
    own = bob.open_issue(acme.web, "Mine")
    bob.close(own)
    with pytest.raises(PermissionError, match="bob lacks triage"):
        bob.close(issue)
    shown = await acme.call("GET", "/repos/acme/web/collaborators/bob/permission")
    assert (shown.data["permission"], shown.data["role_name"]) == ("read", "read")
