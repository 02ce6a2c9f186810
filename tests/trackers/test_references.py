"""What texts of GitLab refer to. On GitHub the same words would mean something else."""

import pytest

from bot.trackers import texts
from bot.trackers.foreign import Content
from bot.trackers.references import MOST_ADDED

PLACE = "https://gitlab.test/group/rocket"
ISSUE = f"{PLACE}/-/issues/7"
HASH = "0a" * 16


def body(text: str) -> str:
    content = Content("Title", text, "tanuki", (), "open")
    return texts.issue_body(content, "group/rocket#7", ISSUE).partition("\n\n")[2]


# piceaTech/node-gitlab-2-github, and each importer that copies texts as they are
@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("See #12.", f"See [#12]({PLACE}/-/issues/12)."),
        ("(!5)", f"([!5]({PLACE}/-/merge_requests/5))"),
        ("Closes #1, #2", f"Closes [#1]({PLACE}/-/issues/1), [#2]({PLACE}/-/issues/2)"),
        ("As a/b#3", "As [a/b#3](https://gitlab.test/a/b/-/issues/3)"),
        ("a/b/c!4", "[a/b/c!4](https://gitlab.test/a/b/c/-/merge_requests/4)"),
        ("`#12` and\n```\n#13\n```", "`#12` and\n```\n#13\n```"),
        ("[see #1](https://x.test/a#2) https://x.test/b#3", None),
        ("# 12\n#heading\n##3 C#7x &#39; x#4 a!=5 wow!9", None),
        (f"![shot](/uploads/{HASH}/a.png)", f"![shot]({PLACE}/uploads/{HASH}/a.png)"),
        (f'<img src="/uploads/{HASH}/a.png">', f'<img src="{PLACE}/uploads/{HASH}/a.png">'),
        (f"`](/uploads/{HASH}/a.png)`", None),
    ],
)
def test_references_of_gitlab_lead_to_gitlab(there: str, here: str | None) -> None:
    assert body(there) == (there if here is None else here)


@pytest.mark.parametrize("text", ["#12 " * MOST_ADDED, "a\n" * 3000 + "see #12"])
def test_too_many_references_refer_to_nothing(text: str) -> None:
    found = body(text)
    assert "#12" not in found
    assert "#\u206012" in found
    assert len(found) < len(text) + MOST_ADDED + 1000
