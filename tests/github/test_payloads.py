from typing import Any

import pytest

from bot.github import payloads
from bot.github.payloads import BIGGEST, Malformed


@pytest.mark.parametrize("value", [None, True, "7", 1.5, -1, BIGGEST + 1])
def test_an_id_that_is_none_names_its_field(value: Any) -> None:
    with pytest.raises(Malformed) as malformed:
        payloads.number(value, "issue.id")
    assert str(malformed.value) == "issue.id must be a whole number from 0 to 2**63 - 1"


@pytest.mark.parametrize("value", [None, "", 7, ["web"]])
def test_a_missing_name_names_its_field(value: Any) -> None:
    with pytest.raises(Malformed) as malformed:
        payloads.name(value, "label.name")
    assert str(malformed.value) == "label.name must be a text that is not empty"


def test_texts_without_a_utf_8_form_lose_what_it_cannot_hold() -> None:
    assert payloads.text("a\ud800b") == "a?b"
