"""The addresses of GitHub's pages and of its API: github.com, ghe.com and Enterprise Servers."""

from urllib.parse import quote, urlsplit

from bot.settings import WrongSettings

GITHUB_COM = "https://github.com"


def api_url_of(web_url: str) -> str:
    """Where GitHub's API is, by the address of its web pages."""
    parts = urlsplit(web_url)
    host = parts.netloc.casefold()
    if host == "github.com" or host.endswith(".ghe.com"):
        return f"{parts.scheme}://api.{host}"
    return f"{web_url.rstrip('/')}/api/v3"


def new_app_page(web_url: str, organization: str) -> str:
    """Where a person registers an App, for themselves or for an organization."""
    owner = f"/organizations/{quote(organization, safe='')}" if organization else ""
    return f"{web_url}{owner}/settings/apps/new"


def installation_page(web_url: str, html_url: str) -> str:
    """Where a person installs the App. Of `html_url`, GitHub's answer, only the path counts."""
    # github.com has /apps/SLUG, an Enterprise Server /github-apps/SLUG.
    return f"{web_url}{urlsplit(html_url).path}/installations/new"


def checked_address(value: str, option: str) -> str:
    """An address without a path that needs one. Raise WrongSettings."""
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise WrongSettings(
            f"{option} is {value!r}. It must be an address such as https://hubbub.example.com."
        )
    return value.strip().rstrip("/")
