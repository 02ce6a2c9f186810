"""Names of tools that a model's interface takes, whatever a server calls them."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bot.operations import OPERATIONS
from bot.tools.tool_names import is_tool_name, public_name, real_name, split


def test_a_plain_name_stands_behind_the_servers() -> None:
    assert public_name("linear", "create_issue") == "linear__create_issue"
    assert split("linear__create__issue") == ("linear", "create__issue")
    assert split("create_issue") is None


def test_no_operation_can_be_taken_for_a_tool() -> None:
    assert not any(map(is_tool_name, OPERATIONS))
    assert is_tool_name(public_name("hubbub", "claim_task"))


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_name_fits_and_two_names_differ(one: str, other: str) -> None:
    shown = public_name("s" * 20, one)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", shown)
    assert is_tool_name(shown)
    assert (shown == public_name("s" * 20, other)) == (one == other)
    assert real_name("s" * 20, shown.partition("__")[2], [other, one]) == one
