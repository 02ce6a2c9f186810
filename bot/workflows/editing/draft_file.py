"""Reads a definition that may still have problems, while somebody edits it."""

from dataclasses import replace

from bot.kernel import yaml_file
from bot.kernel.yaml_file import Lines
from bot.workflows.definitions import definition_file
from bot.workflows.editing.edited_values import Values

# As those of the file. But too many steps can be drawn and edited, so that they get fewer.
RULES = replace(definition_file.RULES, entries=20_000, lists={})


def read(text: str) -> Values:
    """The values of a file that may have problems. Raise Unreadable if it is no YAML."""
    return read_with_lines(text)[0]


def read_with_lines(text: str) -> tuple[Values, Lines]:
    found: tuple[Values, Lines] = yaml_file.read(text.encode(errors="replace"), RULES)
    return found
