"""Types, names and facts of files, by their content. Nothing here needs a database."""

import pytest

from bot.files import file_types, media_facts, names
from bot.files.extraction import worker
from bot.files.file_types import OFFICE
from tests.support.sample_files import document, docx, pdf, png, wav, zipped

BOMB = (
    '<!DOCTYPE w:document [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    + document("&b;")
)

# The content, the name, what is found, and whether a note says that it differs.
TYPES = (
    (png(), "chart.png", "image/png", False),
    (png(), "chart.pdf", "image/png", True),
    (png(), "chart", "image/png", False),
    (b"\x7fELF\x02\x01\x01" + b"\0" * 60, "notes.txt", "application/x-executable", True),
    (b"MZ\x90\0" + b"\0" * 60, "invoice.pdf", "application/x-msdownload", True),
    (b"#!/bin/sh\nrm -rf /\n", "readme.md", "text/x-script", True),
    (pdf("Hello"), "a.pdf", "application/pdf", False),
    (docx(document("Hi")), "a.docx", file_types.DOCX, False),
    (docx(document("Hi")), "a.txt", file_types.DOCX, True),
    (b"PK\x03\x04" + b"\0" * 30, "a.zip", "application/zip", False),
    (b"name,age\nAda,36\n", "a.csv", "text/csv", False),
    (b'{"a": 1}', "a.json", "application/json", False),
    (b"{a: 1", "a.json", "text/plain", True),
    (b"<!doctype html><title>x</title>", "a.png", "text/html", True),
    (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a.svg", "image/svg+xml", False),
    ("Grüße\n".encode("utf-16"), "a.txt", "text/plain", False),
    ("Grüße\n".encode("latin-1"), "a.txt", "text/plain", False),
    (b"a\0b\0c", "a.txt", "application/octet-stream", True),
    (wav(), "a.wav", "audio/wav", False),
    (b"RIFF\0\0\0\0WEBPVP8 ", "a.webp", "image/webp", False),
    (b"", "a.txt", "application/x-empty", True),
    # A text may begin as another file does.
    (b"MZ is short for Mark Zbikowski.\n", "a.txt", "text/plain", False),
    (b"ID3,name\n1,Ada\n", "a.csv", "text/csv", False),
    (b"BZh is how bzip2 begins.", "a.md", "text/markdown", False),
    (b"ID3\x03\0\0\0\0\0\x21" + b"\0" * 60, "a.mp3", "audio/mpeg", False),
    # Pictures of phones, and sound alone, have the boxes of a video.
    (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a.heic", "image/heic", False),
    (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "a.avif", "image/avif", False),
    (b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42", "a.m4a", "audio/mp4", False),
    (b"\0\0\0\x20ftypisom\0\0\0\0isomiso2", "a.m4a", "audio/mp4", False),
    (b"\0\0\0\x20ftypisom\0\0\0\0isomiso2", "a.mp4", "video/mp4", False),
    (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a.mov", "video/mp4", False),
    # Documents of office programs are no archives.
    (
        zipped("[Content_Types].xml", "xl/workbook.xml"),
        "a.xlsx",
        f"{OFFICE}.spreadsheetml.sheet",
        False,
    ),
    (
        zipped("[Content_Types].xml", "ppt/slides.xml"),
        "a.pptx",
        f"{OFFICE}.presentationml.presentation",
        False,
    ),
    (zipped("mimetype=application/epub+zip", "a.xhtml"), "a.epub", "application/epub+zip", False),
    (
        zipped("mimetype=application/vnd.oasis.opendocument.text"),
        "a.odt",
        "application/vnd.oasis.opendocument.text",
        False,
    ),
    (zipped("META-INF/MANIFEST.MF"), "a.jar", "application/zip", False),
    (zipped("mimetype=application/json", "evil"), "a.epub", "application/zip", False),
    (bytes(range(256)), "a.bin", "application/octet-stream", False),
)


@pytest.mark.parametrize(("content", "name", "expected", "has_note"), TYPES)
def test_a_file_has_the_type_of_its_content(
    content: bytes,
    name: str,
    expected: str,
    has_note: bool,  # noqa: FBT001
) -> None:
    found = file_types.find(content, name, "", whole=True)
    assert (found.type, found.note is not None) == (expected, has_note)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\report.pdf", "report.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie_ x=1.txt"),
        ("tab\tand\0nul.txt", "tabandnul.txt"),
        ('"quoted" <b>.html', "_quoted_ _b_.html"),
        ("..", "file"),
        ("/", "file"),
        ("CON.txt", "_CON.txt"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("\ud800", "file"),
        ("Résumé 履歴.pdf", "Résumé 履歴.pdf"),
    ],
)
def test_a_name_keeps_only_what_is_harmless(given: str, expected: str) -> None:
    assert names.clean(given) == expected


def test_a_name_cannot_end_its_header() -> None:
    found = names.header_value('é"; x=\r\n.txt')
    assert found.isascii()
    assert found == (
        "attachment; filename=\"___ x___.txt\"; filename*=UTF-8''%C3%A9%22%3B%20x%3D%0D%0A.txt"
    )


def test_facts_of_images_and_sounds_come_from_their_first_bytes() -> None:
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08\x00\x05\x00\x07"
    mvhd = b"\0\0\0\x1cmvhd" + b"\0" * 12 + (1000).to_bytes(4, "big") + (2500).to_bytes(4, "big")
    mp4 = b"\0\0\0\x08ftyp" + (8 + len(mvhd)).to_bytes(4, "big") + b"moov" + mvhd
    assert media_facts.find(png(30, 20), "image/png", 99) == {"width": 30, "height": 20}
    assert media_facts.find(b"GIF89a\x03\0\x04\0", "image/gif", 99) == {"width": 3, "height": 4}
    assert media_facts.find(jpeg, "image/jpeg", 99) == {"width": 7, "height": 5}
    assert media_facts.find(wav(3), "audio/wav", 99_999) == {"duration_s": 3.0}
    assert media_facts.find(mp4, "video/mp4", 99) == {"duration_s": 2.5}


def webp(chunk: bytes, content: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + chunk + len(content).to_bytes(4, "little") + content


@pytest.mark.parametrize(
    "content",
    [
        # The size of the canvas, of a lossless picture, and of a frame.
        webp(b"VP8X", b"\0\0\0\0" + (29).to_bytes(3, "little") + (19).to_bytes(3, "little")),
        webp(b"VP8L", b"\x2f" + (29 | 19 << 14).to_bytes(4, "little")),
        webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + b"\x1e\0\x14\0"),
    ],
)
def test_each_form_of_webp_has_its_size(content: bytes) -> None:
    assert media_facts.find(content, "image/webp", 99) == {"width": 30, "height": 20}


def test_a_long_video_has_its_duration_in_wider_numbers() -> None:
    times = b"\1" + b"\0" * 19 + (1000).to_bytes(4, "big") + (2**33).to_bytes(8, "big")
    mvhd = (8 + len(times)).to_bytes(4, "big") + b"mvhd" + times
    mp4 = b"\0\0\0\x08ftyp" + (8 + len(mvhd)).to_bytes(4, "big") + b"moov" + mvhd
    assert media_facts.find(mp4, "video/mp4", 99) == {"duration_s": 8589934.592}


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        # Parts without end, and without what is looked for.
        ("image/jpeg", b"\xff\xd8" + b"\xff\xe0\0\x02" * 300),
        ("audio/wav", b"RIFF\0\0\0\0WAVE" + b"LIST\0\0\0\0" * 300),
        ("video/mp4", b"\0\0\0\x08free" * 300),
    ],
)
def test_only_so_many_parts_of_a_file_are_looked_at(kind: str, content: bytes) -> None:
    assert media_facts.find(content, kind, len(content)) == {}


@pytest.mark.parametrize("kind", media_facts.READERS)
def test_facts_of_a_broken_file_are_left_out(kind: str) -> None:
    for content in (b"", b"\0" * 64, b"\xff" * 64, bytes(range(64))):
        found = media_facts.find(content, kind, 64)
        assert all(0 < value <= media_facts.MOST_SECONDS for value in found.values())


def read(kind: str, content: bytes) -> tuple[object, object]:
    found = worker.read(kind, content)
    return found["text"], found["note"]


def test_texts_are_read_out_of_documents() -> None:
    page = "<head><title>t</title></head><body><p>One <b>two</b><script>x()</script><li>Three"
    assert read("pdf", pdf("Hello from page")) == ("Hello from page\n\n", None)
    assert read("docx", docx(document("First", "Second &amp; last"))) == (
        "First\nSecond & last\n",
        None,
    )
    assert read("html", page.encode()) == ("One two\nThree", None)
    assert read("text", "Grüße\x07\0".encode("utf-16")) == ("Grüße", None)
    assert read("text", "Grüße".encode("cp1252")) == ("Grüße", None)


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        ("pdf", b"%PDF-1.7\ngarbage", "the PDF file is broken"),
        ("pdf", pdf("Secret", password="s3cret"), "the PDF file is encrypted"),
        ("pdf", pdf("Half of it")[:200], "the PDF file is broken"),
        ("pdf", pdf(), "there is no text in it"),
        ("pdf", b"", "the PDF file is broken"),
        ("docx", b"PK\x03\x04garbage", "the document is broken or encrypted"),
        ("docx", docx(BOMB), "the document defines XML entities, which are not accepted"),
        ("docx", docx("<a>" * 300), "the document is nested more than 256 deep"),
        ("docx", docx(" " * (41 * 2**20)), "the document's text has more than 40 MiB unpacked"),
        ("docx", docx("not xml"), "the document's XML is broken"),
        ("text", b"", "there is no text in it"),
        ("text", b"\0\0\0", "there is no text in it"),
        ("html", b"<script>only()</script>", "there is no text in it"),
    ],
)
def test_a_file_that_cannot_be_read_has_no_text_and_says_why(
    kind: str, content: bytes, why: str
) -> None:
    text, note = read(kind, content)
    assert text is None
    assert str(note).startswith(why)


def test_a_long_document_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MOST_PAGES", 2)
    assert read("pdf", pdf("page", pages=3)) == (
        "page\n\npage\n\n",
        "the text of the first 2 of 3 pages",
    )
    text, note = read("text", b"x" * 1_100_000)
    assert (len(str(text)), note) == (1_000_000, "the first 1000000 characters of the text")


def test_a_nested_page_of_html_is_read_without_recursion() -> None:
    assert read("html", b"<div>" * 50_000 + b"deep")[0] == "deep"
