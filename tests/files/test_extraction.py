"""Texts are read by a program of its own, which has limits and cannot reach anything."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.errors import Refused
from bot.files.extraction import process, worker
from bot.files.extraction.process import Extracted, Processes
from tests.support.sample_files import many_pages, pdf


async def content(given: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(given), 100_000):
        yield given[start : start + 100_000]


async def test_a_text_is_read_by_another_process() -> None:
    found = await Processes().extract("pdf", content(pdf("Hello there")))
    assert found == Extracted("Hello there\n\n")


async def test_a_file_that_cannot_be_read_to_its_end_has_no_text() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"the beginning"
        raise Refused("unknown_attachment", "The file cannot be decrypted.")

    with pytest.raises(Refused, match="cannot be decrypted"):
        await Processes(sandbox=[]).extract("text", broken())


def test_of_ten_thousand_pages_the_first_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the other process, whose time ends on a busy machine.
    monkeypatch.setattr(worker, "MOST_PAGES", 50)
    text = worker.Text()
    assert worker.pdf(many_pages(10_000), text) == "the text of the first 50 of 10000 pages"
    assert str(text).count("Page") == 50


def program(source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Put a hostile program in the place of the worker, under the worker's limits."""
    start = (
        f"import importlib.util, sys\nspec = importlib.util.spec_from_file_location('w', "
        f"{str(process.WORKER)!r})\nw = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(w)\nw.bound()\n"
    )
    made = tmp_path / "worker.py"
    made.write_text(start + source)
    monkeypatch.setattr(process, "command", lambda _: [sys.executable, "-I", str(made)])


ATTEMPTS = {
    "memory": "x = 'x' * (4 << 30)",
    "a file": "open(PLACE, 'w').write('x' * 10)",
    "a flood": "while True: print('x' * 65536)",
    "no JSON": "print('hello')",
    "the environment": "import os, json\n"
    "print(json.dumps({'text': None, 'note': ','.join(sorted(os.environ))}))",
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_a_program_that_breaks_out_gets_nothing(
    attempt: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HUBBUB_SECRET_KEY", "secret")
    place = tmp_path / "escaped"
    program(f"PLACE = {str(place)!r}\n{ATTEMPTS[attempt]}", monkeypatch, tmp_path)
    found = await Processes(sandbox=[]).extract("text", content(b"x" * 1_000_000))
    assert found.text is None
    assert "HUBBUB" not in (found.note or "")
    assert not place.exists() or not place.stat().st_size


async def test_a_program_that_never_ends_is_killed_with_its_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = "import os, time\nprint(os.getpid(), file=open('/dev/null', 'a'))\ntime.sleep(600)"
    program(source, monkeypatch, tmp_path)
    found = await Processes(timeout_s=1, sandbox=[]).extract("text", content(b"x"))
    assert found == Extracted(None, "reading it takes longer than is allowed")


async def test_the_sandbox_has_no_network_and_sees_no_files(tmp_path: Path) -> None:
    words = await process.best_sandbox() or [""]
    if not words[0].endswith("bwrap"):
        pytest.skip("bubblewrap does not work here")
    (tmp_path / "secret").write_text("x")
    source = (
        "import os, socket\n"
        f"print(os.path.exists({str(tmp_path)!r}), os.path.exists('/etc/passwd'))\n"
        "print(os.getuid(), os.listdir('/dev'), os.access('/', os.W_OK))\n"
        "print([name for _, name in socket.if_nameindex()])"
    )
    command = [*words, sys.executable, "-I", "-c", source]
    made = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await made.communicate()
    assert output.decode().split("\n")[:3] == [
        "False False",
        "65534 ['null'] False",
        "['lo']",
    ]
