"""The pages: plain words, and code where they say that it is."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from bot.operations import OPERATIONS

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(each.relative_to(ROOT))
    for each in (
        ROOT / "README.md",
        *ROOT.glob(".github/*.md"),
        *(each for each in ROOT.glob("docs/**/*.md") if "_build" not in each.parts),
    )
)
# Phrases that readers stumble over, with what to write instead.
BANNED = {
    r"anew": "again",
    r"whoever": "the agent that, everybody who",
    r"whomever": "everybody whom",
    r"there(of|in|upon|with)": "of it, in it",
    r"of what": "of the things that",
    r"(is|are|was|were) told": "gets an error, is notified",
    r"as (said|ever)": "as described, as always",
    r"made of": "consists of",
    r"for ever": "forever",
    r"in vain": "without an effect",
    r"mend(s|ed|ing)?": "repair, correct",
    r"(un)?sealed": "encrypted",
    r"(?<!there )is no (harm|error|command|list|resource|delivery|task)": "is not a",
    r"(one|who) may not": "you may not",
    r"is (to be|not to be)": "must, must not",
    r"all the same": "anyway",
    r"robust|comprehensive|seamless(ly)?": "a fact that can be checked",
}
FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
# `bot/inbox/worker.py`, and where a name follows, that too: `bot/inbox/worker.py` (`process`).
PLACE = re.compile(
    r"`((?:bot|store|webhooks|mcp_server|fixtures|tests|docs)/[\w./-]*\w(?:\.\w+|/))`"
    r"(?:\s+\(`(\w+)`\))?"
)
GLOSSARY = "docs/reference/glossary.md"
TERM = re.compile(r"^\| ([a-z -]+) \|", re.MULTILINE)


def text(page: str) -> str:
    """Without the blocks of code: what programs print is held by their own tests."""
    return FENCED.sub("", (ROOT / page).read_text())


def stumbling_blocks(words: str) -> dict[str, str]:
    """The phrases that readers stumble over, with what to write instead."""
    return {
        match[0]: instead
        for phrase, instead in BANNED.items()
        for match in re.finditer(rf"\b(?:{phrase})\b", " ".join(words.split()), re.IGNORECASE)
    }


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_phrase_that_readers_stumble_over(page: str) -> None:
    assert stumbling_blocks(text(page)) == {}


def test_no_error_and_no_description_has_such_a_phrase() -> None:
    """The texts in each `Refused(…)`, each `description=` and each docstring of an operation."""
    words = [each.description for each in OPERATIONS.values()]
    for path in (ROOT / "bot").glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refused":
                words += strings(node)
            if isinstance(node, ast.keyword) and node.arg == "description":
                words += strings(node)
    assert len(words) > 500
    assert stumbling_blocks("\n".join(words)) == {}


def strings(node: ast.AST) -> list[str]:
    return [
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_the_code_that_a_page_names_is_there(page: str) -> None:
    lost = [
        (path, name)
        for path, name in PLACE.findall(text(page))
        if not (ROOT / path).exists()
        or (name and not re.search(rf"\b(def|class) {name}\b", (ROOT / path).read_text()))
    ]
    assert lost == []


def test_every_function_that_how_it_works_names_is_there() -> None:
    named = set(re.findall(r"\(`(\w+)`\)", text("docs/explanation/how-it-works.md")))
    packages = ("bot", "store", "webhooks", "mcp_server")
    sources = [each.read_text() for name in packages for each in (ROOT / name).rglob("*.py")]
    defined = set(re.findall(r"\b(?:def|class) (\w+)", "\n".join(sources)))
    assert len(named) > 30
    assert named - defined == set()


def test_how_it_works_lists_every_room_from_top_to_bottom() -> None:
    page = text("docs/explanation/how-it-works.md")
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = {
        each["containers"][0].replace(".", "/"): [
            [name.strip() for name in layer.split("|")] for layer in each["layers"]
        ]
        for each in contracts["contracts"]
        if "containers" in each
    }
    for package, levels in layers.items():
        rows = re.findall(rf"^\| (`{package}/.+?) \|", page, re.MULTILINE)
        rooms = [re.findall(rf"`{package}/(\w+)(?:\.py|/)`", row) for row in rows]
        # The rooms of a room have a table of their own.
        rooms = [each for each in rooms if each]
        listed = [name for row in rooms for name in row]
        level = {name: n for n, names in enumerate(levels) for name in names}
        assert sorted(listed) == sorted(level)
        # Modules that are used everywhere share the last row.
        assert [level[row[0]] for row in rooms[:-1]] == sorted(level[row[0]] for row in rooms[:-1])


def test_the_glossary_is_in_order_and_has_the_words_that_are_hubbubs_own() -> None:
    terms = [each for each in TERM.findall(text(GLOSSARY)) if each != "term"]
    assert terms == sorted(terms)
    assert {
        "backfill",
        "card",
        "checkpoint",
        "context",
        "dead letter",
        "delivery",
        "fence",
        "hand-off",
        "hold",
        "lease",
        "mirror",
        "notice",
        "outbox",
        "parked",
        "read",
        "ready",
        "sender",
        "write",
    } <= set(terms)
