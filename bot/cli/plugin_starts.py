"""`hubbub plugin new` and `hubbub plugin test`: what authors start from."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from string import Template

from bot.cli.output import say
from bot.plugins.manifest import LONGEST_NAME
from bot.settings import WrongSettings

ROOT = Path(__file__).parents[2]
PLUGINS = Path(__file__).parents[1] / "plugins"
KINDS = {
    "python": "plugin:plugin",
    "process": "main.py",
    "wasm": "plugin.wasm",
    "mcp": "https://tools.example.com/mcp",
    "probot": "https://app.example.com/api/github/webhooks",
}
TESTS_S = 600

MANIFEST = Template("""\
# All keys: docs/reference/plugins.md of Hubbub.
name: $name
version: 0.1.0
description: Greets who calls it
publisher: $publisher
licence: MIT
hubbub: ">=$hubbub,<$next"
kind: $kind
entry: $entry
adds:
  operations:
    - name: greet
      description: Greet somebody.
      arguments:
        who: {type: text, description: whom to greet}
      reads_only: true
      role: observer
permissions:
  role: observer
  operations: [list_tasks]
settings:
  word: {type: text, description: The word of the greeting, default: Hello}
""")

HEAD = MANIFEST.template.split("adds:", maxsplit=1)[0]
# Kinds without code of their own.
OF_OTHERS = {
    "mcp": Template(
        HEAD
        + """\
adds:
  handlers:
    - event: task.failed
      tool: create_ticket
      arguments: {title: "Task {subject} failed"}
      then:
        operation: send_message
        arguments: {to: "role:tech-lead", body: "{result}"}
permissions:
  role: developer
  operations: [call_tool, send_message]
settings:
  token: {type: secret, description: The server's token}
"""
    ),
    "probot": Template(
        HEAD
        + """\
adds:
  deliveries: [issues, issue_comment.created]
settings:
  url: {type: text, description: The app's webhook endpoint}
  secret: {type: secret, description: The app's own webhook secret, required: true}
  repositories: {type: list, description: Only these repositories}
  installation: {type: number, description: The app's own installation}
"""
    ),
}

PYTHON = '''\
"""A plug-in of Hubbub."""

import pluggy

hook = pluggy.HookimplMarker("hubbub")


class Plugin:
    @hook
    def operations(self):
        return {"greet": self.greet}

    async def greet(self, hubbub, who="world"):
        tasks = await hubbub.call("list_tasks", {"limit": 5})
        word = hubbub.settings["word"]
        return {"text": f"{word}, {who}! There are {len(tasks['tasks'])} tasks or more."}


plugin = Plugin()
'''

SANDBOXED = '''\
"""A plug-in of Hubbub, for its sandbox."""

from hubbub_plugin import $imports


@operation
def greet(hubbub, who="world"):
    tasks = hubbub.call("list_tasks", {"limit": 5})
    word = hubbub.settings["word"]
    return {"text": f"{word}, {who}! There are {len(tasks['tasks'])} tasks or more."}
'''

TEST = '''\
"""Run it with `hubbub plugin test`."""

from pathlib import Path
from unittest import IsolatedAsyncioTestCase, main

from hubbub.testing import open_harness

HERE = Path(__file__).parent


class GreetTest(IsolatedAsyncioTestCase):
    async def test_it_greets(self):
        async with open_harness(HERE) as harness:
            result = await harness.call("greet", who="Ada")
            self.assertEqual(result["text"], "Hello, Ada! There are 0 tasks or more.")

    async def test_a_setting_changes_the_word(self):
        async with open_harness(HERE, settings={"word": "Ahoy"}) as harness:
            result = await harness.call("greet")
            self.assertIn("Ahoy, world!", result["text"])


if __name__ == "__main__":
    main()
'''

README = Template("""\
# $name

Greets who calls it.

$build    hubbub plugin check .
    hubbub plugin test .
    hubbub plugin install . --unsigned
    hubbub plugin enable $name --installation ACCOUNT
    hubbub call ${name}__greet who=Ada
""")
BUILD = """\
    pip install componentize-py
    componentize-py --wit-path wit --world plugin componentize --stub-wasi app -o plugin.wasm
"""


def write(name: str, kind: str, folder: Path) -> None:
    """Write the files of a new plug-in. Raise WrongSettings."""
    if kind not in KINDS:
        raise WrongSettings(f"--kind is {kind!r}; it must be one of {', '.join(KINDS)}.")
    if not re.fullmatch(rf"[a-z][a-z0-9-]{{0,{LONGEST_NAME - 1}}}", name):
        raise WrongSettings(
            f"The name must have at most {LONGEST_NAME} lower-case letters, digits and hyphens, a "
            "letter first."
        )
    if folder.exists() and any(folder.iterdir()):
        raise WrongSettings(f"{folder} is not empty. Choose another folder.")
    for path, content in files(name, kind).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    say(f"{folder}: a plug-in of the kind {kind}.")
    if kind not in OF_OTHERS:
        say("Its README.md says what to do next.")


def files(name: str, kind: str) -> dict[str, str]:
    """The files of a new plug-in by their paths."""
    major, minor, *_ = version("hubbub").split(".")
    manifest = OF_OTHERS.get(kind, MANIFEST).substitute(
        name=name,
        publisher="example",
        kind=kind,
        entry=KINDS[kind],
        hubbub=f"{major}.{minor}",
        next=f"{major}.{int(minor) + 1}",
    )
    if kind in OF_OTHERS:
        return {"hubbub-plugin.yml": manifest}
    build = BUILD if kind == "wasm" else ""
    found = {
        "hubbub-plugin.yml": manifest,
        "test_plugin.py": TEST,
        "README.md": README.substitute(name=name, build=build),
    }
    if kind == "python":
        return {**found, "plugin.py": PYTHON}
    code = Template(SANDBOXED)
    if kind == "process":
        return {**found, "main.py": code.safe_substitute(imports="operation, run") + "\n\nrun()\n"}
    return {
        **found,
        "app.py": code.safe_substitute(imports="WitWorld, operation  # noqa: F401"),
        "hubbub_plugin.py": (PLUGINS / "sandbox/guest/hubbub_plugin.py").read_text(),
        "wit/plugin.wit": (PLUGINS / "sandbox/guest/plugin.wit").read_text(),
    }


def run_tests(folder: Path) -> int:
    """Run the tests of a plug-in in a process of their own. Return its exit status."""
    if not (folder / "hubbub-plugin.yml").is_file():
        raise WrongSettings(f"{folder} has no hubbub-plugin.yml.")
    # `hubbub.testing`: of the wheel, or of the checkout.
    places = [str(ROOT / "bot" / "wheel"), str(ROOT)] if (ROOT / "bot/wheel").is_dir() else []
    path = os.pathsep.join([*places, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "unittest", "discover", "-s", ".", "-p", "test*.py"]
    try:
        ended = subprocess.run(  # noqa: S603 - the author's own tests
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            timeout=TESTS_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise WrongSettings(f"The tests took longer than {TESTS_S} seconds.") from exc
    return ended.returncode
