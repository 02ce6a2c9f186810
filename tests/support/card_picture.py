"""Draws cards as GitHub shows them on a phone, as the picture for the docs.

The picture keeps the text that it shows, so that a test can compare that with what the code prints.
"""

import re
import shutil
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from markdown_it import MarkdownIt

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
KEYWORD = b"Card"
# Points of a phone's width. The picture has two of its dots for each.
WIDTH, GAP = 390, 16
CSS = f"""
body {{ margin: 0; padding: {GAP}px; background: #f6f8fa; width: max-content;
  font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; color: #1f2328;
  display: flex; gap: {GAP}px; align-items: flex-start; letter-spacing: -0.3px; }}
article {{ width: {WIDTH}px; background: #fff; border: 1px solid #d1d9e0; border-radius: 6px; }}
header {{ background: #f6f8fa; border-bottom: 1px solid #d1d9e0; padding: 8px 16px;
  color: #59636e; border-radius: 6px 6px 0 0; }}
header b {{ color: #1f2328; }}
header i {{ font-style: normal; font-size: 12px; border: 1px solid #d1d9e0; border-radius: 12px;
  padding: 0 7px; }}
section {{ padding: 4px 16px; overflow-wrap: break-word; }}
p {{ margin: 8px 0; }}
ul {{ margin: 8px 0; padding-left: 22px; }}
ul.tasks {{ list-style: none; padding-left: 0; }}
ul.tasks li {{ padding: 3px 0; }}
ul.tasks input {{ margin: 0 8px 0 0; vertical-align: -2px; }}
code {{ background: #818b981f; border-radius: 6px; padding: 2px 5px; font-size: 12px;
  font-family: "DejaVu Sans Mono", monospace; }}
blockquote {{ margin: 8px 0; padding: 0 14px; color: #59636e; border-left: 4px solid #d1d9e0; }}
a {{ color: #0969da; text-decoration: none; }}
summary {{ padding: 4px 0; }}
"""


def page(texts: Sequence[str]) -> str:
    """The cards beside each other as one page."""
    head = "<header><b>hubbub</b> <i>bot</i> commented · edited</header>"
    cards = "".join(f"<article>{head}<section>{_html(each)}</section></article>" for each in texts)
    return f"<!doctype html><meta charset=utf-8><style>{CSS}</style>{cards}"


def _html(text: str) -> str:
    """As GitHub renders it: with task lists, folded parts, and links to issues."""
    made = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)
    made = re.sub(r"<ul>(?=\s*<li>\[ \] )", '<ul class="tasks">', made)
    made = made.replace("<li>[ ] ", '<li><input type="checkbox">')
    return re.sub(r"(?<![\w/#&`>])#(\d+)\b", r'<a href="#">#\1</a>', made)


def draw(texts: Sequence[str], to: Path) -> None:
    """Take the picture of the cards with the machine's Chromium, and keep the texts in it."""
    found = next((path for each in BROWSERS if (path := shutil.which(each))), None)
    assert found, f"none of {', '.join(BROWSERS)} is installed"
    with tempfile.TemporaryDirectory() as folder:
        source, shot = Path(folder, "card.html"), Path(folder, "card.png")
        source.write_text(page(texts))
        size = f"{len(texts) * (WIDTH + 2 + GAP) + GAP},{_height(found, source)}"
        _run(found, f"--screenshot={shot}", f"--window-size={size}", source.as_uri())
        to.write_bytes(with_text(shot.read_bytes(), "\0".join(texts)))


def _height(browser: str, source: Path) -> int:
    """How high the page is, which the page itself writes down."""
    measured = source.with_name("measured.html")
    script = "<script>document.title = document.documentElement.scrollHeight</script>"
    measured.write_text(source.read_text() + script)
    width = 4 * WIDTH
    dom = _run(browser, "--dump-dom", f"--window-size={width},100", measured.as_uri())
    return int(re.findall(r"<title>(\d+)", dom)[0])


def _run(browser: str, *arguments: str) -> str:
    always = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--force-device-scale-factor=2",
    )
    command = [browser, *always, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def with_text(png: bytes, text: str) -> bytes:
    """The picture with the text in a chunk of its own, which readers of pictures skip."""
    data = KEYWORD + b"\0\0" + zlib.compress(text.encode())
    chunk = b"zTXt" + data
    made = struct.pack(">I", len(data)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    at = png.rindex(b"IEND") - 4
    return png[:at] + made + png[at:]


def texts_in(png: bytes) -> list[str]:
    """The texts of which the picture was taken."""
    for kind, data in _chunks(png):
        if kind == b"zTXt" and data.startswith(KEYWORD + b"\0"):
            return zlib.decompress(data[len(KEYWORD) + 2 :]).decode().split("\0")
    return []


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length
