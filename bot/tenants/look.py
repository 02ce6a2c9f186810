"""The name and the colour that an account shows in place of Hubbub's own."""

import re
from dataclasses import dataclass

OWN_NAME = "Hubbub"
NAME = re.compile(r"[^\W_](?:[\w .,&'+-]{0,38}[\w.+])?")
COLOR = re.compile(r"#[0-9a-f]{6}")
# The backgrounds of the page, light and dark, as webhooks/page/static/page.css has them.
BACKGROUNDS = ("#ffffff", "#12161c")
# WCAG 2.2, 1.4.11: what shows where the focus is must differ this much from what is around it.
LEAST_CONTRAST = 3.0


@dataclass(frozen=True)
class Look:
    name: str = OWN_NAME
    color: str = ""

    @property
    def on_color(self) -> str:
        """Black or white, for text on the colour: one of them always has enough contrast."""
        return max("#000000", "#ffffff", key=lambda each: contrast(each, self.color))


def check_name(text: str) -> str:
    """The name, or Hubbub's own if it is empty. Raise ValueError."""
    if text and not NAME.fullmatch(text):
        raise ValueError(
            "a name has 1 to 40 letters, digits, spaces and . , & ' + - and begins with a letter "
            f"or digit; not {text[:60]!r}"
        )
    return text


def check_color(text: str) -> str:
    """The colour in small letters. Raise ValueError."""
    color = text.lower()
    if not color:
        return ""
    if not COLOR.fullmatch(color):
        raise ValueError(f"a colour is written as #2a7d5f; not {text[:20]!r}")
    for back in BACKGROUNDS:
        if (found := contrast(color, back)) < LEAST_CONTRAST:
            raise ValueError(
                f"{color} has a contrast of {found:.1f} to the background {back}; choose one with "
                f"{LEAST_CONTRAST:g} or more to both {' and '.join(BACKGROUNDS)}"
            )
    return color


def contrast(one: str, other: str) -> float:
    """How much two colours differ, from 1 to 21, as WCAG defines it."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
