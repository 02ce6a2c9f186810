"""The workflow files that come with Hubbub, to copy and change."""

from pathlib import Path

FOLDER = Path(__file__).with_name("templates")
# What each is for, in a few words.
TEMPLATES = {
    "feature": "design, approval, parts in parallel, review and release in twelve steps",
    "bug-fix": "a failing test first, then the fix, its review and the note",
    "refactoring": "the same change in several parts at the same time",
    "release": "check, notes, approval, publication, and withdrawal if it fails",
    "review": "a review by two agents, then a person's decision",
}


def text(name: str) -> str:
    """The file. `name` is one of TEMPLATES."""
    return (FOLDER / f"{name}.yml").read_text(encoding="utf-8")
