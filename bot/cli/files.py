"""`hubbub file`: attaches files, downloads and shows them, as the agent or person who calls."""

import base64
import hashlib
import json
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from bot.cli.call import call_operation
from bot.cli.output import say
from bot.cli.tables import show_rows
from bot.errors import Refused, refusal_in
from bot.github.proxies import proxy_for
from bot.settings import Settings, WrongSettings

# Bytes that a call can carry. A test holds it equal to the operation's.
IN_CALL = 256 * 1024
# Of one part of an upload: whole chunks of the server.
PART = 16 * IN_CALL
TRIES = 5
COLUMNS = ("id", "name", "type", "size", "owner", "created_at")


def put(loaded: Settings, path: Path, name: str | None) -> None:
    """Attach a file, and print its id. Raise Refused or WrongSettings."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            found = _put(loaded, name or path.name, file, size)
    except URLError as exc:
        raise _no_server(exc) from exc
    except OSError as exc:
        raise WrongSettings(f"Cannot read {path}: {exc.strerror or exc}.") from exc
    say(found["id"])


def _put(loaded: Settings, name: str, file: BufferedReader, size: int) -> dict[str, Any]:
    if size <= IN_CALL:
        content = base64.b64encode(file.read()).decode()
        small = {"name": name, "base64": content}
        return dict(call_operation(loaded, "attach_file", small)["file"])
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    given: dict[str, Any] = {"name": name, "size": size, "sha256": digest}
    url = call_operation(loaded, "attach_file", given)["upload"]["url"]
    return _upload(url, file, size)


def _upload(url: str, file: BufferedReader, size: int) -> dict[str, Any]:
    """Send part after part. After a broken connection, ask how much is there."""
    received = failures = 0
    while True:
        file.seek(received)
        part = file.read(PART)
        last = received + len(part) - 1
        headers = {"Content-Range": f"bytes {received}-{last}/{size}"}
        try:
            answer = _exchange(Request(url, part, headers, method="PUT"))  # noqa: S310
            if "file" in answer:
                return dict(answer["file"])
            failures = 0
        except (URLError, ConnectionError, TimeoutError) as exc:
            failures += 1
            if failures == TRIES:
                raise Refused("unavailable", f"The upload broke off: {exc}.") from exc
            answer = _exchange(Request(url))  # noqa: S310
        received = answer["received"]


def _open(request: Request) -> Any:
    """Raise Refused."""
    proxy = proxy_for(request.full_url)
    opener = build_opener(ProxyHandler({request.type: proxy} if proxy else {}))
    try:
        return opener.open(request, timeout=70)
    except HTTPError as exc:
        raise _refusal(exc) from exc


def _no_server(exc: URLError) -> WrongSettings:
    return WrongSettings(
        f"Files of more than {IN_CALL // 1024} KiB go through the server, which cannot be reached: "
        f"{exc.reason}. Check that `hubbub serve` runs, and set HUBBUB_URL to its address."
    )


def _refusal(exc: HTTPError) -> Refused:
    try:
        found = refusal_in(json.loads(exc.read()))
    except ValueError:
        found = None
    return found or Refused("unavailable", f"The server answered {exc.code} {exc.reason}.")


def _exchange(request: Request) -> dict[str, Any]:
    with _open(request) as response:
        return dict(json.loads(response.read()))


def get(loaded: Settings, file_id: str, output: Path | None) -> None:
    """Download a file. Raise Refused or WrongSettings."""
    found = call_operation(loaded, "get_attachment", {"attachment_id": file_id, "inline": True})
    path = output or Path(found["file"]["name"])
    try:
        # Never over another file, whose name a stranger may have chosen.
        with path.open("wb" if output else "xb") as file:
            for part in _content(found):
                file.write(part)
    except FileExistsError as exc:
        raise WrongSettings(f"{path} exists. Name another one by -o.") from exc
    except URLError as exc:
        raise _no_server(exc) from exc
    except OSError as exc:
        raise WrongSettings(f"Cannot write {path}: {exc.strerror or exc}.") from exc
    say(str(path))


def _content(found: dict[str, Any]) -> Iterator[bytes]:
    if found["inline"]:
        yield base64.b64decode(found["inline"]["data"])
        return
    with _open(Request(found["url"])) as response:  # noqa: S310
        while part := response.read(IN_CALL):
            yield part


def show(loaded: Settings, file_id: str, *, text: bool) -> None:
    """Show what is known of a file, or its text. Raise Refused."""
    given = {"attachment_id": file_id, "with_text": text, "max_tokens": 50_000}
    found = call_operation(loaded, "get_attachment", given)
    if text and found["text"]:
        say(found["text"]["text"])
        return
    shown = {**found["file"], **found["facts"], "uri": found["uri"], "text": found["text_note"]}
    uses = [f"{each['kind']} {each['name']}" for each in found["attached_to"]]
    shown |= {"attached to": ", ".join(uses) or None}
    for name, value in shown.items():
        if value is not None:
            say(f"{name}: {value}")


def list_files(loaded: Settings, owner: str | None, *, as_json: bool) -> None:
    """Show the files of an owner. Raise Refused."""
    given = {"limit": 100, **({"owner": owner} if owner else {})}
    rows = call_operation(loaded, "list_attachments", given)["files"]
    show_rows(rows, COLUMNS, as_json=as_json, whole=("id",))


def remove(loaded: Settings, file_id: str) -> None:
    """Delete a file. Raise Refused."""
    call_operation(loaded, "delete_attachment", {"attachment_id": file_id})
    say(f"{file_id} is deleted.")
