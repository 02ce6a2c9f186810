"""The Link header, with which GitHub says where a list goes on."""

import pytest

from bot.github.requests import Answer, link, next_page

NEXT = "https://api.github.com/x?fields=1,2;3&page=2"
LAST = "https://api.github.com/x?fields=1,2;3&page=9"


@pytest.mark.parametrize(
    "header",
    [
        f'<{NEXT}>; rel="next", <{LAST}>; rel="last"',
        f'<{LAST}>; rel="last", <{NEXT}>; rel="next"',
        f"<{LAST}>;rel=last,<{NEXT}>;rel=next",
        f'<{LAST}>; title="a, <b>; rel=next"; rel="last", <{NEXT}>; title="c"; REL="prefetch NEXT"',
    ],
)
def test_each_link_is_found_by_its_relation(header: str) -> None:
    answer = Answer(200, {"Link": header}, [])
    assert (link(answer), link(answer, "last"), link(answer, "prev")) == (NEXT, LAST, None)


@pytest.mark.parametrize("header", ["", "<", f"<{NEXT}>", f'{NEXT}; rel="next"', ',;<>;"'])
def test_a_header_without_the_relation_has_no_next_page(header: str) -> None:
    assert link(Answer(200, {"Link": header}, [1])) is None


def test_an_empty_page_may_have_a_next_one_but_not_itself() -> None:
    answer = Answer(200, {"Link": f'<{NEXT}>; rel="next"'}, [])
    assert next_page(answer, "/x") == NEXT
    assert next_page(answer, NEXT) is None
