"""The lines that plug-ins add to the card. Their words are untrusted."""

from collections.abc import Mapping, Sequence

from bot.kernel.sentences import code, whole_line

# Of one plug-in.
MOST_LINES, LONGEST_LINE = 5, 200
# Of all together.
MOST = 20


def lines(found: Mapping[str, Sequence[str]]) -> str:
    shown = [
        f"- {code(plugin)}: {whole_line(text[:LONGEST_LINE])}"
        for plugin, texts in found.items()
        for text in texts[:MOST_LINES]
    ]
    return "\n".join(shown[:MOST])
