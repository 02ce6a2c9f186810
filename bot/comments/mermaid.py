"""A graph of steps as a Mermaid picture. Texts of others stay text in it. Pure.

Mermaid finds directives (`%%{init…}%%`) also inside of labels, so every character that means
something to Mermaid, HTML or Markdown becomes an entity code.
https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot import secret_formats
from bot.kernel import untrusted_text
from bot.kernel.sentences import shorten

# GitHub shows no picture with more characters or edges.
MOST_CHARACTERS, MOST_EDGES = 50_000, 500
LONGEST_LABEL = 60
PLAIN = frozenset(" .,:-_/'")


@dataclass(frozen=True)
class Node:
    """`key`: its name among the nodes, by which others need it."""

    key: str
    label: str
    needs: Sequence[str] = ()
    is_gate: bool = False


def picture(nodes: Sequence[Node]) -> str:
    """The fenced block with the picture. Empty if it would be too large for GitHub."""
    ids = {each.key: f"n{i}" for i, each in enumerate(nodes)}
    edges = [(need, each.key) for each in nodes for need in each.needs if need in ids]
    lines = ["flowchart TD", *(f"  {ids[each.key]}{_shape(each)}" for each in nodes)]
    lines += [f"  {ids[need]} --> {ids[key]}" for need, key in edges]
    text = "\n".join(lines)
    if len(edges) > MOST_EDGES or len(text) > MOST_CHARACTERS:
        return ""
    return f"```mermaid\n{text}\n```"


def _shape(node: Node) -> str:
    label = escape(node.label)
    return f'{{{{"{label}"}}}}' if node.is_gate else f'["{label}"]'


def escape(text: str) -> str:
    """The text as a label between quotation marks, in one line."""
    seen = " ".join(untrusted_text.UNSEEN.sub("", secret_formats.mask(text)[0]).split())
    return "".join(
        each if each.isalnum() or each in PLAIN else f"#{ord(each)};"
        for each in shorten(seen, LONGEST_LABEL)
    )
