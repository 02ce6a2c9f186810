"""Requests to a Hubbub server, with the standard library alone: commands must start fast."""

import json
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, InvalidURL
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from bot.errors import Refused, refusal_in
from bot.github.proxies import proxy_for
from bot.settings import WrongSettings

# Seconds without a byte. Longer than the longest wait_s.
REST_TIMEOUT_S = 70


@dataclass(frozen=True)
class Answer:
    """What a server answered. `data` is JSON, or the text of the body."""

    status: int
    content_type: str
    data: Any


def post(url: str, path: str, given: dict[str, Any], secret: str | None = None) -> dict[str, Any]:
    """Post JSON to the server, with a token if there is one. Raise Refused."""
    headers = {"Content-Type": "application/json"}
    if secret is not None:
        headers["Authorization"] = f"Bearer {secret}"
    answer = exchange(url, path, json.dumps(given).encode(), headers)
    if isinstance(answer.data, dict) and answer.status < 400:
        return answer.data
    raise refusal(url, answer)


def exchange(url: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    """Post a body, and return the answer whatever its status. Raise Refused or WrongSettings."""
    try:
        request = Request(  # noqa: S310 - the settings accept only http and https
            url + path, body, headers
        )
        with _send(request) as response:
            text = response.read().decode("utf-8", "replace")
    except (InvalidURL, ValueError) as exc:
        raise WrongSettings(
            f"HUBBUB_URL is {url!r}, which is not the address of a server."
        ) from exc
    except (OSError, HTTPException) as exc:
        raise _no_answer(url, exc) from exc
    return Answer(response.status or 0, response.headers.get_content_type(), _json_or_text(text))


class _NoRedirect(HTTPRedirectHandler):
    """Another address may belong to somebody else, who would get the token."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _send(request: Request) -> HTTPResponse | HTTPError:
    proxy = proxy_for(request.full_url)
    opener = build_opener(ProxyHandler({request.type: proxy} if proxy else {}), _NoRedirect)
    try:
        response: HTTPResponse = opener.open(request, timeout=REST_TIMEOUT_S)
    except HTTPError as exc:
        return exc
    return response


def _no_answer(url: str, exc: OSError | HTTPException) -> Refused:
    cause = exc.reason if isinstance(exc, URLError) else exc
    if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
        return Refused(
            "unavailable",
            f"Cannot connect to {url}. Check HUBBUB_URL, and that `hubbub serve` runs there.",
        )
    return Refused("unavailable", f"The server at {url} did not answer in time.")


def refusal(url: str, answer: Answer) -> Refused:
    """The refusal in an answer, or that the server is another one."""
    if (found := refusal_in(answer.data)) is not None:
        return found
    what = f"{answer.status}, {answer.content_type}"
    return Refused("unavailable", f"The server at {url} is not Hubbub ({what}). Check HUBBUB_URL.")


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
