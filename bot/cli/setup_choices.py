"""What a person chooses for the App: by options, by settings that exist, or when asked."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from bot import settings
from bot.cli.setup_terminal import Terminal
from bot.settings import Settings, WrongSettings, web_url
from bot.setup import manifest
from bot.setup.addresses import GITHUB_COM, api_url_of, checked_address
from bot.setup.manifest import NewApp

ASK_ORGANIZATION = "Which organization owns the App? Press Enter for your own account:"
ASK_ADDRESS = (
    "At which address can GitHub reach this server, such as https://hubbub.example.com? "
    "Press Enter if it cannot; then Hubbub fetches the deliveries:"
)


@dataclass(frozen=True)
class Choices:
    organization: str = ""
    pull: bool = False
    public_url: str = ""
    name: str = ""
    # The address of GitHub's pages, if it is not github.com.
    github: str = ""


def load(env: Path) -> Settings:
    return settings.load(_env_file=env)


def api_url(choices: Choices, loaded: Settings, web: str) -> str:
    """Raise WrongSettings if the settings name another GitHub."""
    is_set = "github_api_url" in loaded.model_fields_set
    if choices.github and not is_set:
        return api_url_of(checked_address(choices.github, "--github"))
    if is_set or web == GITHUB_COM:
        return loaded.github_api_url
    return api_url_of(web)


async def new_app(choices: Choices, loaded: Settings, terminal: Terminal | None = None) -> NewApp:
    """Raise WrongSettings if the choices contradict each other or the settings."""
    asks = terminal if terminal and terminal.is_attended else None
    organization = choices.organization
    if asks and not organization:
        organization = await asks.ask(ASK_ORGANIZATION)
    if organization:
        manifest.checked_organization(organization)
    public_url, pulls = await _reach(choices, loaded, asks)
    web = _web_url(choices, loaded)
    if not pulls:
        check_reachable(public_url, web)
    name = choices.name or manifest.suggested_name(organization)
    local = f"http://127.0.0.1:{loaded.port}"
    return NewApp(manifest.checked_name(name), organization, web, public_url, local, pulls)


def existing_app(loaded: Settings) -> NewApp:
    """The App of the settings, as far as they describe it."""
    local = f"http://127.0.0.1:{loaded.port}"
    pulls = loaded.intake == "pull"
    return NewApp("", "", _web_url(Choices(), loaded), loaded.public_url or "", local, pulls)


async def _reach(choices: Choices, loaded: Settings, asks: Terminal | None) -> tuple[str, bool]:
    """The address of this server, and whether Hubbub must fetch the deliveries."""
    public_url = _public_url(choices, loaded)
    is_set = "intake" in loaded.model_fields_set
    if choices.pull and is_set and loaded.intake != "pull":
        raise WrongSettings("--pull: HUBBUB_INTAKE has another value. Remove that setting.")
    if choices.pull or loaded.intake == "pull":
        return public_url, True
    if not public_url and asks:
        given = await asks.ask(ASK_ADDRESS)
        public_url = checked_address(given, "The address") if given else ""
        return public_url, not public_url
    if not public_url:
        raise WrongSettings(
            "Pass --public-url with the address at which GitHub reaches this server, such as "
            "https://hubbub.example.com. Or pass --pull if GitHub cannot reach it."
        )
    return public_url, False


def _public_url(choices: Choices, loaded: Settings) -> str:
    given = checked_address(choices.public_url, "--public-url") if choices.public_url else ""
    if given and loaded.public_url and given != loaded.public_url:
        raise WrongSettings(
            f"--public-url is {given}, but HUBBUB_PUBLIC_URL is {loaded.public_url}. Change one."
        )
    return given or loaded.public_url or ""


def _web_url(choices: Choices, loaded: Settings) -> str:
    known = loaded.github_url or web_url(loaded.github_api_url)
    if not choices.github:
        return known
    given = checked_address(choices.github, "--github")
    names = {"github_api_url", "github_url"}
    if names & loaded.model_fields_set and given != known:
        raise WrongSettings(f"--github is {given}, but the settings name {known}. Change one.")
    return given


def check_reachable(public_url: str, web: str) -> None:
    """Raise WrongSettings for an address of a private network that github.com cannot reach."""
    host, other = urlsplit(public_url).hostname or "", urlsplit(web).hostname or ""
    if _is_private(host) and not _is_private(other):
        is_cloud = other == "github.com" or other.endswith(".ghe.com")
        if is_cloud or is_loopback(public_url):
            raise WrongSettings(
                f"{other} cannot reach {public_url}. Pass an address that is reachable from there, "
                "or --pull: then Hubbub fetches the deliveries."
            )


def _is_private(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def is_loopback(url: str) -> bool:
    """Whether the address is one of this machine."""
    host = urlsplit(url).hostname or ""
    return host == "localhost" or (_is_private(host) and ip_address(host).is_loopback)
