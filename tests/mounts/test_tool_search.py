"""Agents find a tool by the words that they would use for it."""

import pytest

from bot.mounts.tool_search import Text, rank, stem

TOOLS = [
    Text("linear", "create_issue", "Create issue", "Create a new issue in a team."),
    Text("linear", "list_issues", "List issues", "List issues, filtered by team or state."),
    Text("linear", "update_issue", "", "Change the state, title or assignee of an issue."),
    Text("slack", "postMessage", "Post message", "Post a message to a channel."),
    Text("slack", "channels.list", "", "All channels of the workspace, with their topics."),
    Text("notion", "API-post-search", "", "Search pages and databases by title."),
    Text("notion", "API-create-page", "", "Create a page below another page."),
    Text("mail", "send_mail", "Send mail", "Send an email with attachments to people."),
    Text(
        "files", "get_weather", "", "Weather for a city. Not a tool about issues, issues, issues."
    ),
    Text("pay", "refundCharge", "Refund a charge", "Give money back to a customer."),
]


def first(query: str, n: int = 1) -> list[str]:
    return [TOOLS[at].name for at in rank(query, TOOLS)[:n]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("create issue", "create_issue"),
        ("creating issues", "create_issue"),
        ("open a new ticket", "create_issue"),
        ("list of issues", "list_issues"),
        ("post messages", "postMessage"),
        ("channel list", "channels.list"),
        ("searching pages", "API-post-search"),
        ("refund", "refundCharge"),
        ("refu", "refundCharge"),
        ("email", "send_mail"),
        ("send an e-mail to people", "send_mail"),
        ("slack", "postMessage"),
        ("how can I get the weather", "get_weather"),
        ("ASSIGNEE", "update_issue"),
    ],
)
def test_the_first_tool_is_the_one_that_is_meant(query: str, found: str) -> None:
    assert first(query) == [found]


def test_a_tool_that_repeats_a_word_does_not_come_first() -> None:
    assert "get_weather" not in first("issues", 3)


def test_words_that_no_tool_has_find_nothing() -> None:
    assert first("kubernetes") == []


def test_without_words_all_tools_come_in_their_order() -> None:
    assert rank("", TOOLS) == list(range(len(TOOLS)))
    assert len(rank("the tools of", TOOLS)) < len(TOOLS)


@pytest.mark.parametrize(
    ("word", "root"),
    [
        ("issues", "issu"),
        ("issue", "issu"),
        ("queries", "query"),
        ("creating", "creat"),
        ("created", "creat"),
        ("status", "status"),
        ("classes", "class"),
        ("running", "run"),
        ("ids", "ids"),
    ],
)
def test_endings_do_not_count(word: str, root: str) -> None:
    assert stem(word) == root
