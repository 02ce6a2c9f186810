"""The lines of plug-ins on the card."""

from bot.comments import card_plugins


def test_a_line_stands_alone_and_keeps_its_full_stop() -> None:
    assert card_plugins.lines({"risk": ["Mind\nthe valve."]}) == "- `risk`: `Mind the valve.`"
