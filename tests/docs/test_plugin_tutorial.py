"""The tutorial about plug-ins: its files and commands, with what they print."""

import re
import shlex
from pathlib import Path

import pytest

from bot.__main__ import main

PAGE = Path(__file__).parents[2] / "docs/tutorials/write-a-plugin.md"
STEP = re.compile(
    r"Replace `(?P<path>[^`]+)`:\n\n```\w+\n(?P<file>.*?)^```$|^```console\n(?P<shell>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
# What a command prints, up to the next command.
COMMAND = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


class Reader:
    """Follows the tutorial in an empty folder. `key`: what they copy."""

    def __init__(self, capfd: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.capfd = capfd
        self.patch = patch
        self.key = ""

    def run(self, line: str) -> str:
        if line.startswith("export "):
            name, _, command = line.removeprefix("export ").partition("=")
            self.patch.setenv(name, self.run(command[2:-1]).splitlines()[0])
            return ""
        code = None
        try:
            main(shlex.split(line.replace("…", self.key))[1:])
        except SystemExit as exc:
            code = exc.code
        printed = self.capfd.readouterr()
        assert not code, f"{line} printed:\n{printed.out}{printed.err}"
        if found := re.search(r"plugin trust \S+ (\S+)", printed.out):
            self.key = found[1]
        return printed.out if "token create" in line else printed.out + printed.err


def fits(expected: str, printed: str) -> bool:
    pattern = ".*".join(map(re.escape, expected.split("…")))
    return re.fullmatch(pattern, printed) is not None


def test_the_tutorial_works_as_it_says(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HUBBUB_DATABASE_URL", "HUBBUB_SECRET_KEY", "HUBBUB_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    reader, seen = Reader(capfd, monkeypatch), []
    for step in STEP.finditer(PAGE.read_text()):
        if step["path"]:
            assert Path(step["path"]).is_file()
            Path(step["path"]).write_text(step["file"])
        for line, expected in COMMAND.findall(step["shell"] or ""):
            seen.append(line)
            printed = reader.run(line)
            if expected:
                assert fits(expected, printed), f"{line} printed:\n{printed}"
            elif "call" in line:
                assert '"result": {}' in printed
    assert len(seen) == 11
