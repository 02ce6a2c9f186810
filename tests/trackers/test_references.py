"""What texts of GitLab refer to. On GitHub the same words would mean something else."""

import html
import re

import pytest

from bot.trackers import texts
from bot.trackers.foreign import Content
from bot.trackers.references import MOST_ADDED

PLACE = "https://gitlab.test/group/rocket"
ISSUE = f"{PLACE}/-/issues/7"
GITLAB = "https://gitlab.test"
HASH, SHA = "0a" * 16, "0a" * 20


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
        (
            "a/b/c&4 &9",
            f"[a/b/c&4]({GITLAB}/groups/a/b/c/-/epics/4) [&9]({GITLAB}/groups/group/-/epics/9)",
        ),
        (
            "[see a#1](https://x.test/a#2) https://x.test/b#3",
            "[see a#\u20601](https://x.test/a#2) https://x.test/b#3",
        ),
        ("In 0a1b2c3.", f"In [0a1b2c3]({PLACE}/-/commit/0a1b2c3)."),
        (f"a/b@{SHA}", f"[a/b@{SHA}]({GITLAB}/a/b/-/commit/{SHA})"),
        (
            "facade 1234567 0a1b2c3d-11 1.0a1b2c3 0a1b2c3.png C#x a!=5 wow!9 &#39; R&3 %12 ~bug",
            None,
        ),
        ("# 12\n#heading", None),
        ("https://x.test/0a1b2c3 <https://x.test/a#2> `o/r#1`", None),
        ("See [this](/group/other/-/issues/3)", f"See [this]({GITLAB}/group/other/-/issues/3)"),
        (
            "[a](doc/b.md)\n\n[c]: d.md",
            f"[a]({PLACE}/-/blob/HEAD/doc/b.md)\n\n[c]: {PLACE}/-/blob/HEAD/d.md",
        ),
        ("[^1]: a note\n[b]: two words", None),
        (f"![shot](/uploads/{HASH}/a.png)", f"![shot]({PLACE}/uploads/{HASH}/a.png)"),
        (f'<img src="/uploads/{HASH}/a.png">', f'<img src="{PLACE}/uploads/{HASH}/a.png">'),
        (f"`](/uploads/{HASH}/a.png)`", None),
    ],
)
def test_references_of_gitlab_lead_to_gitlab(there: str, here: str | None) -> None:
    assert body(there) == (there if here is None else here)


# renovatebot/renovate#10902, renovatebot/renovate#3082, piceaTech/node-gitlab-2-github#211
@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("https://github.com/o/r/issues/1", "https://redirect.github.com/o/r/issues/1"),
        ("HTTP://www.GitHub.com:443/o/r/pull/1", "HTTP://redirect.github.com/o/r/pull/1"),
        ("www.github.com/o/r/commit/0a1b2c3", "https://redirect.github.com/o/r/commit/0a1b2c3"),
        ("[a](//github.com/o/r/issues/1)", "[a](//redirect.github.com/o/r/issues/1)"),
        ("[a]: https://github.com/o/r/issues/1", "[a]: https://redirect.github.com/o/r/issues/1"),
        ("<https://github.com/o/r/pull/1#x>", "<https://redirect.github.com/o/r/pull/1#x>"),
        (
            '<a href="https://github&#46;com/o/r/issues/1">',
            '<a href="https://redirect.github.com/o/r/issues/1">',
        ),
        (
            "[a](https:/\\/github&period;com/o/r/issues/1)",
            "[a](https://redirect.github.com/o/r/issues/1)",
        ),
        (
            "`https://github.com/o/r/issues/1` https://github.com/o/r https://api.github.com/a/b/c",
            None,
        ),
    ],
)
def test_addresses_of_github_are_named_in_no_issue_there(there: str, here: str | None) -> None:
    assert body(there) == (there if here is None else here)


# What GitHub would link: https://github.com/github/docs, autolinked references
@pytest.mark.parametrize(
    "there",
    [
        *(
            "[#12]",
            "\\#12",
            "_#12_",
            "**o#12**",
            "##12",
            ".#12",
            "-#12",
            "<see #12>",
            "[a b](c #12)",
        ),
        *("GH-12", "gh-12", "&#35;12", "&#x23;12", "&num;12", "#&#49;2", "GH&#45;12", "o/r&num;12"),
        *("o@1234567", "[0a1b2c3]", f"_{SHA}_", "&#48;a1b2c3", "[x #12][y]", "/#12"),
    ],
)
def test_what_is_no_link_is_no_reference_either(there: str) -> None:
    found = body(there)
    assert found.replace("\u2060", "") == there
    shown = html.unescape(found)
    assert not re.search(r"#[0-9]|(?i:gh)-[0-9]|@[0-9a-f]{7}|\b0a[0-9a-f]{5,38}\b", shown)


@pytest.mark.parametrize("text", ["#12 " * 3000, "a\n" * 3000 + "see #12"])
def test_too_many_references_refer_to_nothing(text: str) -> None:
    found = body(text)
    assert "#12" not in found
    assert "#\u206012" in found
    assert len(found) < len(text) + MOST_ADDED + 1000


# GitHub takes no text of more than 65,536 characters.
@pytest.mark.parametrize("text", ["#1 " * 20_000, "@me " * 15_000, "[a](b) " * 8_000, "~" * 60_000])
def test_a_text_with_too_much_to_change_is_shown_as_code_and_fits(text: str) -> None:
    found = body(text)
    assert len(found) < 65_000
    assert found.startswith("~~~~~~~~~~\n") == (text[0] in "#@")


def test_a_text_that_looks_like_many_links_takes_no_time() -> None:
    for each in ("<", "[", "](", "a/"):
        text = each * (50_000 // len(each))
        assert hash(body(text)) == hash(text), each  # not shown whole if it fails
