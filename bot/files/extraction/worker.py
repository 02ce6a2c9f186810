"""A program that reads text out of one file. It runs alone, with limits, and without Hubbub.

The file comes on standard input, its type is the argument, and a JSON object goes to standard
output: `text` and `note`. It imports the standard library, and pypdf if that is there.
"""

import io
import json
import re
import resource
import sys
import zipfile
from html.parser import HTMLParser
from xml.parsers import expat

MIB = 2**20
CPU_S, MEMORY, FILES = 10, 768 * MIB, 32
# Characters of the text, pages of a document, and bytes of the XML in one.
MOST_TEXT, MOST_PAGES, MOST_XML, MOST_PARTS = 1_000_000, 2000, 40 * MIB, 5000
DEEPEST = 256


class Unreadable(Exception):
    """There is no text. The message says why, for people."""


def bound() -> None:
    """Take away what reading a file does not need."""
    for which, most in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (most, most))


class Text:
    """Collects parts of a text, up to the limit."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0
        self.is_cut = False

    def add(self, part: str) -> None:
        room = MOST_TEXT - self.size
        if len(part) > room:
            self.is_cut = True
        self.parts.append(part[:room])
        self.size += min(len(part), room)

    def __str__(self) -> str:
        return "".join(self.parts)


def decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def plain(content: bytes, text: Text) -> str | None:
    text.add(decode(content))
    return None


class _Html(HTMLParser):
    HIDDEN = ("script", "style", "template", "noscript", "head")
    BREAKS = ("p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "table")

    def __init__(self, text: Text) -> None:
        super().__init__(convert_charrefs=True)
        self.text = text
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        self.hidden += tag in self.HIDDEN
        if tag in self.BREAKS:
            self.text.add("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.HIDDEN and self.hidden:
            self.hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.text.add(re.sub(r"\s+", " ", data))


def html(content: bytes, text: Text) -> str | None:
    found = Text()
    parser = _Html(found)
    parser.feed(decode(content))
    parser.close()
    text.add(re.sub(r" ?\n\s*", "\n", str(found)).strip())
    return None


def pdf(content: bytes, text: Text) -> str | None:
    try:
        from pypdf import PdfReader  # noqa: PLC0415 - an extra, and only for PDF files
        from pypdf.errors import FileNotDecryptedError, PyPdfError  # noqa: PLC0415
    except ImportError:
        raise Unreadable(
            "this server reads no PDF files: its operator can install hubbub[files]"
        ) from None
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("the PDF file is encrypted")
        count = len(reader.pages)
        for number in range(min(count, MOST_PAGES)):
            text.add(reader.pages[number].extract_text() + "\n\n")
            if text.is_cut:
                break
    except FileNotDecryptedError:
        raise Unreadable("the PDF file is encrypted") from None
    except (PyPdfError, ValueError, KeyError, TypeError, IndexError, AttributeError) as exc:
        if not text.size:
            raise Unreadable(f"the PDF file is broken: {type(exc).__name__}") from None
        return "the PDF file is broken, so the text ends early"
    if count > MOST_PAGES:
        return f"the text of the first {MOST_PAGES} of {count} pages"
    return None


def docx(content: bytes, text: Text) -> str | None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if len(archive.infolist()) > MOST_PARTS:
                raise Unreadable(f"the document has more than {MOST_PARTS} parts")
            with archive.open("word/document.xml") as part:
                xml = part.read(MOST_XML + 1)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError, OSError):
        raise Unreadable("the document is broken or encrypted") from None
    if len(xml) > MOST_XML:
        raise Unreadable(f"the document's text has more than {MOST_XML // MIB} MiB unpacked")
    words(xml, text)
    return None


class _Words:
    """Collects the text of a Word document. Entities are refused: few bytes become gigabytes."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.path: list[str] = []

    def refuse(self, *_: object) -> None:
        raise Unreadable("the document defines XML entities, which are not accepted")

    def start(self, name: str, _attributes: object) -> None:
        self.path.append(name.rpartition(" ")[2])
        if len(self.path) > DEEPEST:
            raise Unreadable(f"the document is nested more than {DEEPEST} deep")
        self.text.add(BREAKS.get(self.path[-1], ""))

    def end(self, _name: str) -> None:
        if self.path.pop() == "p":
            self.text.add("\n")

    def data(self, value: str) -> None:
        if self.path[-1] == "t":
            self.text.add(value)


BREAKS = {"tab": "\t", "br": "\n", "cr": "\n"}


def words(xml: bytes, text: Text) -> None:
    parser, found = expat.ParserCreate(namespace_separator=" "), _Words(text)
    parser.EntityDeclHandler = parser.StartDoctypeDeclHandler = found.refuse
    parser.StartElementHandler, parser.EndElementHandler = found.start, found.end
    parser.CharacterDataHandler = found.data
    try:
        parser.Parse(xml, True)
    except expat.ExpatError:
        if not text.size:
            raise Unreadable("the document's XML is broken") from None


READERS = {"pdf": pdf, "docx": docx, "html": html, "text": plain}


def read(kind: str, content: bytes) -> dict[str, object]:
    text = Text()
    try:
        note = READERS[kind](content, text)
    except Unreadable as exc:
        return {"text": None, "note": str(exc)}
    except (MemoryError, RecursionError):
        return {"text": None, "note": "reading it takes more memory than is allowed"}
    except Exception as exc:  # noqa: BLE001 - a parser of a strange file may fail in any way
        return {"text": None, "note": f"it cannot be read: {type(exc).__name__}"}
    if text.is_cut:
        note = f"the first {MOST_TEXT} characters of the text"
    found = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]", "", str(text))
    if not found.strip():
        return {"text": None, "note": note or "there is no text in it"}
    return {"text": found, "note": note}


def main() -> None:
    bound()
    answer = json.dumps(read(sys.argv[1], sys.stdin.buffer.read()))
    sys.stdout.write(answer)


if __name__ == "__main__":
    main()
