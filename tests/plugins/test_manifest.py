"""`hubbub-plugin.yml`: what it may hold, and the words for what is wrong."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from bot.kernel.yaml_file import Unreadable
from bot.plugins import versions
from bot.plugins.manifest import GROUPS, schema
from bot.plugins.manifest_file import parse

DOCS = Path(__file__).parents[2] / "docs" / "reference"
PAGE = (DOCS / "plugins.md").read_text()
SCHEMA = DOCS / "plugin.schema.json"
EXAMPLE, *OTHERS = [
    each for each in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "publisher:" in each
]
SMALL = """\
name: echo
version: 1.0.0
description: Says it again
publisher: example
licence: MIT
hubbub: ">=0.1"
kind: process
entry: bin/echo.py
adds: {operations: [{name: say, description: Says it again}]}
"""
# What replaces a part of SMALL, and the problem.
WRONG = {
    "an unknown key": (
        "licence: MIT",
        "licence: MIT\nlicense: MIT",
        (
            "line 6: license: is unknown; use name, version, description, publisher, licence, "
            "hubbub, needs, kind, entry, adds, permissions, settings"
        ),
    ),
    "a version that is a number": (
        "version: 1.0.0",
        "version: 1",
        "line 2: version: must be a version such as 1.2 or 1.2.3",
    ),
    "a word for a version": (
        "version: 1.0.0",
        "version: newest",
        "line 2: version: must be a version such as 1.2 or 1.2.3",
    ),
    "no range": (
        '">=0.1"',
        "any",
        'line 6: hubbub: must be bounds of versions such as ">=1.0,<2.0"',
    ),
    "two underscores in a name": (
        "name: say",
        "name: say__it",
        (
            "line 9: adds.operations.0.name: must be lower-case words of letters and digits, "
            "joined by single underscores"
        ),
    ),
    "an entry outside of the package": (
        "entry: bin/echo.py",
        "entry: ../bin/echo.py",
        (
            "line 8: entry: must be the path of a program .py in the package, because the "
            "kind is process"
        ),
    ),
    "an entry of another kind": (
        "kind: process",
        "kind: wasm",
        "line 8: entry: must be the path of a file .wasm, because the kind is wasm",
    ),
    "nothing that it adds": (
        "adds: {operations: [{name: say, description: Says it again}]}",
        "adds: {events: []}",
        "line 9: adds: must name at least one addition",
    ),
    "a need for itself": (
        "kind: process",
        'needs: {echo: ">=1.0"}\nkind: process',
        "line 7: needs.echo: is the plug-in itself",
    ),
    "an unknown event": (
        "adds: {",
        "adds: {events: [task.exploded], ",
        "line 9: adds.events.0: is no kind of event, nor one of their topics as in task.*",
    ),
    "two operations with one name": (
        "[{name: say, description: Says it again}]",
        "[{name: say, description: A}, {name: say, description: B}]",
        "line 9: adds: has two operations with the name say",
    ),
    "an argument with a name of the model": (
        "description: Says it again}]",
        "description: Says, arguments: {copy: {description: it}}}]",
        "line 9: adds.operations.0.arguments.copy: is a name that Hubbub uses itself",
    ),
    "an argument with the name of the repeat key": (
        "description: Says it again}]",
        "description: Says, arguments: {key: {description: it}}}]",
        "line 9: adds.operations.0.arguments.key: is a name that Hubbub uses itself",
    ),
    "an address for a host": (
        "kind: process",
        'permissions: {hosts: ["https://a.example/x"]}\nkind: process',
        (
            "line 7: permissions.hosts.0: must be a host in lower-case letters such as "
            "api.example.com, with :PORT if not 443"
        ),
    ),
    "a default of another type": (
        "kind: process",
        "settings: {n: {type: number, description: N, default: true}}\nkind: process",
        "line 7: settings.n: has a default that is no number",
    ),
    "a default for a secret": (
        "kind: process",
        "settings: {n: {type: secret, description: N, default: x}}\nkind: process",
        "line 7: settings.n: is a secret, which can have no default",
    ),
    "an unknown role": (
        "kind: process",
        "permissions: {role: boss}\nkind: process",
        "line 7: permissions.role: must be 'observer', 'tester', 'developer' or 'tech-lead'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_with_its_line(case: str) -> None:
    old, written, problem = WRONG[case]
    assert old in SMALL
    with pytest.raises(Unreadable) as error:
        parse(SMALL.replace(old, written).encode())
    assert error.value.problems == (problem,)


def test_a_manifest_lists_all_that_is_missing() -> None:
    with pytest.raises(Unreadable) as error:
        parse(b"name: echo\n")
    assert [each.split(": ")[1] for each in error.value.problems] == [
        "description",
        "entry",
        "hubbub",
        "kind",
        "licence",
        "publisher",
        "version",
    ]


def test_the_schema_is_as_published() -> None:
    """After a wanted change: HUBBUB_UPDATE_SNAPSHOTS=1 pytest tests/plugins."""
    found = schema()
    if os.environ.get("HUBBUB_UPDATE_SNAPSHOTS"):
        SCHEMA.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert found == json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(found)


@pytest.mark.parametrize("example", [EXAMPLE, SMALL, *OTHERS])
def test_the_examples_are_right_for_us_and_for_the_schema(example: str) -> None:
    parse(example.encode())
    Draft202012Validator(schema()).validate(yaml.safe_load(example))


def test_every_key_is_documented() -> None:
    operation = "adds.operations[]."
    paths = {
        (): "",
        ("adds",): "adds.",
        ("adds", "operations", "*"): operation,
        ("adds", "operations", "*", "arguments", "*"): f"{operation}arguments.NAME.",
        ("adds", "strategies", "*"): "adds.strategies[].",
        ("adds", "protocols", "*"): "adds.protocols[].",
        ("adds", "panels", "*"): "adds.panels[].",
        ("adds", "handlers", "*"): "adds.handlers[].",
        ("adds", "handlers", "*", "then"): "adds.handlers[].then.",
        ("permissions",): "permissions.",
        ("settings", "*"): "settings.NAME.",
    }
    assert paths.keys() == GROUPS.keys()
    keys = [f"{paths[where]}{key}" for where, group in GROUPS.items() for key in group.model_fields]
    assert [key for key in keys if f"| `{key}` |" not in PAGE] == []


@pytest.mark.parametrize(
    ("version", "bounds", "fits"),
    [
        ("0.1.0", ">=0.1,<0.2", True),
        ("0.2.0", ">=0.1,<0.2", False),
        ("0.10", ">=0.2", True),
        ("1.0", "==1.0.0", True),
        ("1.0", ">1.0", False),
        ("1.0", "<=1.0, >0.9", True),
    ],
)
def test_a_version_fits_a_range(version: str, bounds: str, *, fits: bool) -> None:
    assert versions.fits(version, bounds) is fits


def test_an_event_of_a_topic_is_handled() -> None:
    adds = parse(EXAMPLE.encode()).adds
    kinds = ("task.completed", "agent.paused", "task.created")
    assert [adds.handles(kind) for kind in kinds] == [True, True, False]
