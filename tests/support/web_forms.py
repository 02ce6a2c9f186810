"""A browser without scripts: it opens pages, fills in forms and presses buttons."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import aiohttp


@dataclass
class Form:
    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    button: str = ""


@dataclass
class Page:
    url: str
    status: int
    text: str
    headers: dict[str, str]
    forms: list[Form] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.text.partition("<h1>")[2].partition("</h1>")[0]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._in_button = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get")))
        elif tag == "input" and self.forms and _is_sent(given):
            self.forms[-1].fields.append((given.get("name", ""), given.get("value", "")))
        self._in_button = tag == "button"

    def handle_data(self, data: str) -> None:
        if self._in_button and self.forms:
            self.forms[-1].button += data

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._in_button = False


def _is_sent(given: dict[str, str]) -> bool:
    return given.get("type") not in ("checkbox", "radio") or "checked" in given


def page_of(url: str, text: str, status: int = 200, headers: dict[str, str] | None = None) -> Page:
    forms = _Forms()
    forms.feed(text)
    return Page(url, status, text, headers or {}, forms.forms)


class FormBrowser:
    """Counts the buttons that were pressed."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        # Whether it follows redirects.
        self.follows = True
        self.clicks: list[str] = []

    async def open(self, url: str, method: str = "GET", *, data: object = None) -> Page:
        """Follow redirects, as a browser does, unless told otherwise."""
        async with self.session.request(
            method, url, data=data, allow_redirects=self.follows
        ) as response:
            return page_of(
                str(response.url), await response.text(), response.status, dict(response.headers)
            )

    async def submit(self, page: Page, form: int = 0, **given: str) -> Page:
        """Send a form without a press of its button, as a script of the page does."""
        found = page.forms[form]
        kept = [(name, value) for name, value in found.fields if name not in given]
        return await self.open(
            urljoin(page.url, found.action) if found.action else page.url,
            found.method.upper(),
            data=aiohttp.FormData([*kept, *given.items()])(),
        )

    async def click(self, page: Page, form: int = 0, **given: str) -> Page:
        self.clicks.append(page.forms[form].button)
        return await self.submit(page, form, **given)
