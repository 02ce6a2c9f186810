"""The simulated GitHub takes a review only where GitHub would, and shows what it is about."""

from typing import Any

import pytest

from fixtures.github import Pull
from tests.support.github_client import Acme

TEN = "".join(f"{n}\n" for n in range(1, 11))


def open_pull(acme: Acme) -> Pull:
    """It adds a line after ten, adds a file, and changes two lines of another one."""
    apart = "".join(f"{n}\n" for n in range(30))
    acme.ada.push(acme.web, "main", {"a.py": TEN, "d.py": apart})
    changed = apart.replace("\n5\n", "\nfive\n").replace("\n25\n", "\ntwenty-five\n")
    files = {"a.py": f"{TEN}11\n", "b.py": "1\n", "d.py": changed}
    acme.ada.push(acme.web, "fix", files, base="main")
    return acme.ada.open_pull(acme.web, "Mend", head="fix")


async def review(acme: Acme, pull: Pull, **given: Any) -> tuple[int, Any]:
    path = f"/repos/acme/web/pulls/{pull.number}/reviews"
    answer = await acme.call("POST", path, {"event": "COMMENT", "body": "x"} | given)
    return answer.status, answer.data.get("errors")


def line(path: str, number: int, **more: Any) -> dict[str, Any]:
    return {"comments": [{"path": path, "line": number, "body": "why"} | more]}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (line("a.py", 2), "Pull request review thread line must be part of the diff"),
        (line("c.py", 1), "Pull request review thread line must be part of the diff"),
        (
            line("a.py", 11, start_line=2),
            "Pull request review thread start line must be part of the diff",
        ),
        (
            line("d.py", 26, start_line=6),
            "Pull request review thread start line must be part of the same hunk as the line.",
        ),
        (
            line("a.py", 11, side="LEFT"),
            "Pull request review thread line must be part of the diff",
        ),
        ({"commit_id": "0" * 40}, "commit_id is not part of the pull request"),
    ],
)
async def test_a_review_beside_the_changes_is_refused(
    acme: Acme, given: dict[str, Any], why: str
) -> None:
    assert await review(acme, open_pull(acme), **given) == (422, [why])


async def test_a_comment_has_the_hunk_down_to_its_line_also_after_a_push(acme: Acme) -> None:
    pull = open_pull(acme)
    seen = pull.head_sha
    assert await review(acme, pull, **line("a.py", 9, side="LEFT")) == (200, None)
    acme.ada.push(acme.web, "fix", {"b.py": "2\n"})
    assert await review(acme, pull, commit_id=seen, **line("b.py", 1)) == (200, None)
    path = f"/repos/acme/web/pulls/{pull.number}/comments"
    first, second = (await acme.call("GET", path)).data
    assert (first["diff_hunk"], first["side"]) == ("@@ -8,3 +8,4 @@\n 8\n 9", "LEFT")
    assert second["diff_hunk"] == "@@ -0,0 +1 @@\n+2"


async def test_a_merged_pull_request_takes_comments_but_no_verdict(acme: Acme) -> None:
    pull = open_pull(acme)
    acme.ada.merge(pull)
    refused = (422, ["Can not approve a closed pull request"])
    assert await review(acme, pull, event="APPROVE") == refused
    assert await review(acme, pull) == (200, None)
