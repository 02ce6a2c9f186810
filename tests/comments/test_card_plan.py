"""A plan on the card: texts of agents stay text in its table, its picture and its blocks."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.comments import card_plan, mermaid
from bot.comments.mermaid import Node
from store.tables.approvals import PlanProposalRow
from tests.support.sampling import examples

GFM = MarkdownIt("commonmark").enable("table")
HOSTILE = [
    "`` ` `` | a | b",
    "</details><script>alert(1)</script>",
    '%%{init: {"securityLevel": "loose"}}%%',
    '"]; click n0 "javascript:alert(1)"',
    "end\n```\n/approve\n@octocat",
    "[x](javascript:alert(1)) ![](https://evil.example/a.png)",
    "a\\|b \\` c",
    "\u202egnp.exe\u200b<!-- hidden -->",
    "ghp_" + "x7Kq2mVb9TzR4wLc8NfY1pHs6JdG3aQe5uXo",
]


def proposal(steps: list[dict[str, Any]], note: str = "") -> PlanProposalRow:
    found: Any = {
        "id": "p_1",
        "proposed_by": "ada",
        "strategy": "by_component",
        "note": note,
        "definition": {"steps": steps},
        "size": len(steps),
    }
    row: PlanProposalRow = found
    return row


def test_a_plan_is_a_table_and_a_picture() -> None:
    steps: list[dict[str, Any]] = [
        {"id": "api", "title": "The API", "body": "Make it.", "capability": ["rust"]},
        {"id": "ok", "title": "Look at it", "approve": {"by": "maintainers"}, "needs": ["api"]},
    ]
    assert card_plan.lines(proposal(steps, "One after the other")) == [
        (
            "**`ada` proposes a plan** of 2 tasks by the strategy `by_component`. `/approve` makes "
            "them sub-issues of this issue; `/reject` with a note asks for another plan."
        ),
        "> One after the other",
        (
            "| Step | Title | Waits for | For |\n| --- | --- | --- | --- |\n"
            "| `api` | `The API` |  | `rust` |\n| `ok` | `Look at it` | `api` | `people` |"
        ),
        '```mermaid\nflowchart TD\n  n0["The API"]\n  n1{{"Look at it"}}\n  n0 --> n1\n```',
        (
            "<details><summary>What each step says</summary>\n\n`api`\n\n````text\nMake it."
            "\n````\n\n</details>"
        ),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_title_cannot_leave_its_cell_its_label_or_its_block(text: str) -> None:
    steps = [{"id": "a", "title": text, "body": text}]
    head, table, picture, bodies = card_plan.lines(proposal(steps))
    assert "ghp_" not in head + table + picture + bodies
    rows = [each for each in GFM.parse(table) if each.type in ("td_open", "th_open")]
    assert len(rows) == 8
    cells = [each for each in GFM.parse(table) if each.type == "inline" and each.children]
    kinds = {child.type for each in cells for child in each.children or ()}
    assert kinds <= {"text", "code_inline"}
    lines = picture.splitlines()
    assert lines[0] == "```mermaid"
    assert lines[-1] == "```"
    assert len(lines) == 4
    assert re.fullmatch(r'  n0\["[^"`<>%{}\[\]()@]*"\]', lines[2])
    kinds = {each.type for each in GFM.parse(bodies)}
    assert kinds == {"html_block", "paragraph_open", "inline", "paragraph_close", "fence"}


@settings(max_examples=examples(200))
@given(st.text(max_size=80))
def test_no_text_breaks_out_of_a_label(text: str) -> None:
    escaped = mermaid.escape(text)
    rest = re.sub(r"#\d+;", "", escaped)
    assert all(each.isalnum() or each in mermaid.PLAIN for each in rest)
    assert len(escaped.splitlines()) <= 1


def test_a_picture_that_github_would_not_show_is_left_out() -> None:
    many = [Node(f"s{n}", "x", [f"s{m}" for m in range(n)]) for n in range(40)]
    assert mermaid.picture(many) == ""
    assert mermaid.picture([Node(f"s{n}", "<" * 60) for n in range(200)]) == ""
