"""The examples of the documentation: commands, calls and files, as a reader would use them."""

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from bot.__main__ import app
from bot.cli.commands.backups import DefaultCommand
from bot.operations import OPERATIONS
from bot.tools.tool_names import is_tool_name

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PAGES = [each for each in PAGES if not {"changes", "_build"} & set(each.parts)]
BLOCK = re.compile(r"^( *)```([a-z]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
# The program may stand behind a path, settings or sudo.
PROGRAM = re.compile(r"(?:^|[\s/;])hubbub((?: +[^\s#|>&;\\]+)+)")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
LANGUAGES = {"", "sh", "bash", "console", "shell"}


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """The language and the text of each block of code."""
    for match in BLOCK.finditer(page.read_text()):
        yield match[2], match[3]


def command_lines(page: Path) -> Iterator[str]:
    """The lines of the blocks, one for each command, also if it goes over several lines."""
    for language, text in blocks(page):
        if language in LANGUAGES:
            lines = text.replace("\\\n", " ").splitlines()
            # The name of a Kubernetes namespace too.
            yield from (line for line in lines if "kubectl" not in line)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(page: Path) -> list[list[str]]:
    """The words behind `hubbub`, in blocks and within lines."""
    text = page.read_text()
    inline = re.findall(r"`((?:\.venv/bin/)?hubbub [^`\n]+)`", BLOCK.sub("", text))
    found = [
        match[1] for line in [*inline, *command_lines(page)] if (match := PROGRAM.search(line))
    ]
    return [words for each in found if (words := split(each))]


def split(text: str) -> list[str]:
    words = shlex.split(text.replace("…", ""), comments=True)
    # `hubbub` is also the name of the project: what follows is then no word of a command.
    return words if words and re.fullmatch(r"[a-z]+|--version|--help", words[0]) else []


def parse(words: list[str]) -> list[str]:
    """Parse the words as the command line does, without running anything. Return the command."""
    command: Any = typer.main.get_command(app)
    path: list[str] = []
    while (below := getattr(command, "commands", None)) and words:
        if isinstance(command, DefaultCommand) and words[0] not in below:
            words = ["create", *words]
        if words[0].startswith("-"):
            break
        assert words[0] in below, f"hubbub {' '.join([*path, words[0]])}: no such command"
        path.append(words[0])
        command, words = below[words[0]], words[1:]
    names = {option for each in command.params for option in each.opts + each.secondary_opts}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in {*names, "--help"}, f"hubbub {' '.join(path)} {word}"
    return [*path, *words]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_command_in_the_docs_exists_with_its_options(page: Path) -> None:
    for words in commands(page):
        parse(words)


def test_the_commands_of_the_docs_are_found() -> None:
    found = [" ".join(each) for page in PAGES for each in commands(page)]
    assert "secret rotate" in found
    assert len(found) > 100


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_call_in_the_docs_names_an_operation_and_arguments_that_it_has(page: Path) -> None:
    for words in commands(page):
        if words[:1] == ["call"] and len(words) > 1 and re.fullmatch(r"[a-z_]+", words[1]):
            if is_tool_name(words[1]):
                continue
            fields = OPERATIONS[words[1]].arguments.model_fields
            given = {each.partition("=")[0] for each in words[2:] if re.match(r"[a-z_]+=", each)}
            assert given <= fields.keys(), words


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_make_target_in_the_docs_exists(page: Path) -> None:
    text = BLOCK.sub("", page.read_text())
    inline = re.findall(r"`make ([a-z-]+)", text)
    whole = [
        match[1] for line in command_lines(page) if (match := re.match(r"\s*make ([a-z-]+)", line))
    ]
    assert {*inline, *whole} <= TARGETS


def readable(language: str, text: str) -> Any:
    if language == "json":
        return json.loads(text)
    if language == "toml":
        return tomllib.loads(text)
    if language == "yaml":
        return list(yaml.safe_load_all(text))
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # a part of a function may stand alone
    return compile(text, "an example", "exec", flags) if language == "python" else None


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_file_in_the_docs_can_be_read(page: Path) -> None:
    for language, text in blocks(page):
        if not re.search(r"…|^\s*\.\.\.$", text, re.MULTILINE):
            readable(language, text)
