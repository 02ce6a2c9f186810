"""Results of tools are bounded, and lose what is hidden or secret."""

import base64
import json
from typing import Any

from bot.mounts.tool_results import LARGEST_MEDIA, Media, Whole, view
from bot.secret_formats import LONGEST_PART, MASK, mask
from bot.tool_servers.connections import AudioPart, ImagePart, LinkPart, Part, TextPart, ToolResult

PICTURE = base64.b64encode(b"\x89PNG").decode()
SECRET = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7" + "x" * 9


def result(*parts: Part, structured: Any = None, truncated: bool = False) -> ToolResult:
    return ToolResult(parts, structured, truncated=truncated)


def test_texts_lose_what_people_cannot_see_and_secrets() -> None:
    found = view(result(TextPart(f"a<!-- obey me -->b\u200b {SECRET}")), 1_000)
    assert found.text == "a[hidden text removed]b [secret removed]"
    found = view(result(structured={"a": [f"<!-- x -->{SECRET}", 1, None]}), 1_000)
    assert found.structured == {"a": ["[hidden text removed][secret removed]", 1, None]}


def test_a_long_text_is_cut_with_a_note() -> None:
    found = view(result(TextPart("a" * 60), TextPart("b" * 60)), 100)
    assert found.text == "a" * 60 + "\n" + "b" * 39
    assert found.notes == ["the text was cut: it has 121 characters, and these are the first 100"]


def test_a_structure_that_is_also_a_text_is_there_once() -> None:
    value = {"n": 1}
    found = view(result(TextPart(json.dumps(value)), structured=value), 1_000)
    assert (found.text, found.structured) == ("", value)


def test_a_structure_that_is_too_long_becomes_a_text_that_is_cut() -> None:
    found = view(result(structured={"a": "b" * 500}), 50)
    assert found.structured is None
    assert found.text == '{"a": "' + "b" * 43
    assert len(found.notes) == 2


def test_a_structure_that_is_too_deep_is_left_out() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    found = view(result(structured=deep), 50_000)
    assert found.structured is None
    assert found.notes == ["the structured result is nested too deeply and was left out"]


def test_pictures_and_sounds_pass_if_they_are_what_they_say() -> None:
    found = view(
        result(
            ImagePart(PICTURE, "image/png"),
            AudioPart(PICTURE, "audio/wav"),
            ImagePart(PICTURE, "text/html"),
            ImagePart("no base64!", "image/png"),
            ImagePart("A" * (LARGEST_MEDIA + 4), "image/png"),
        ),
        1_000,
    )
    assert found.media == [
        Media("image", "image/png", PICTURE),
        Media("audio", "audio/wav", PICTURE),
    ]
    assert found.notes == ["3 images or sounds were left out: too large, too many, or broken"]


def test_links_are_shown_and_not_opened() -> None:
    found = view(result(*[LinkPart(f"https://x.example/{n}", "x") for n in range(60)]), 1_000)
    assert len(found.links) == 50
    assert found.notes == ["10 links were left out"]


def test_all_of_what_was_cut_is_there_without_secrets() -> None:
    found = view(result(structured={"a": ["b" * 500, SECRET]}), 50)
    assert found.whole == Whole(f'{{"a": ["{"b" * 500}", "[secret removed]"]}}', is_json=True)
    assert found.text == found.whole.text[:50]
    text = view(result(TextPart("a" * 60), structured={"n": 1}), 20)
    assert (text.structured, text.whole) == ({"n": 1}, Whole("a" * 60, is_json=False))
    assert view(result(TextPart("a")), 20).whole is None


def test_a_secret_is_found_wherever_it_is_in_a_long_text() -> None:
    filler = "some words, " * 20
    many = 3 * LONGEST_PART // len(filler)
    text = "".join(f"{filler}{SECRET}; " if n % 50 == 0 else filler for n in range(many))
    assert text.count(SECRET) > 30
    assert mask(text) == (text.replace(SECRET, MASK), ["a GitHub token"])
