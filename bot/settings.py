"""The settings of the process: HUBBUB_… in the environment or in `.env`."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    SettingsConfigDict,
)

from bot import secret_formats, times
from bot.quotas import table
from bot.quotas.file_rules import refused_families
from bot.quotas.money import CURRENCY, parse_caps
from store.engine.mysql_address import names_mysql

# As pydantic lists the variables: in lower case.
PREFIX = "hubbub_"
# From 0 to 1. Below this, a name is probably another program's, such as HUBBUB_SERVICE_HOST, which
# Kubernetes sets.
LIKENESS = 0.75
# The end of the name of a variable that names a file with the value of a secret setting.
FILE = "_file"
LARGEST_SECRET = 65_536


class WrongSettings(Exception):
    """A setting is missing or wrong. The text names it and says what to do."""

    def __init__(self, message: str) -> None:
        # Somebody may have put a token into the wrong place.
        super().__init__(secret_formats.mask(message)[0])


# An address alone, without a name, so that nothing else gets into the header.
MAIL_FROM = r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+$"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="HUBBUB_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        str_strip_whitespace=True,
    )

    database_url: str = Field(
        "sqlite:///hubbub.db",
        description="sqlite:///file.db or mysql://user:password@host:3306/name; "
        "mysql+asyncmy:// is a faster driver",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="at least 32 characters; all other secrets are derived from it. Generated "
        "beside a SQLite file if it is not set, required with MySQL",
    )
    secret_key_old: SecretStr | None = Field(
        None,
        description="old secrets, separated by commas; what was made with them stays valid",
    )
    public_url: str | None = Field(
        None,
        description="the address of this server for others; required behind a proxy, because /mcp "
        "answers only requests for known hosts",
    )
    host: Annotated[str, Field(min_length=1)] = Field(
        "127.0.0.1", description="the address to listen on"
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, description="the port to listen on")
    allowed_hosts: str = Field(
        "",
        description="more names of this server, separated by commas, beside those of "
        "HUBBUB_PUBLIC_URL, HUBBUB_HOST and this machine; /mcp answers only requests for these",
    )
    refresh_repeat_s: Annotated[int, Field(ge=0, le=60)] = Field(
        0,
        description="how many seconds a refresh token may be sent again after its first use, for "
        "clients whose processes share one; 0: it works once, and a second use ends the session",
    )
    trusted_proxies: str = Field(
        "",
        description="addresses and networks of your proxies, separated by commas; Hubbub believes "
        "their X-Forwarded-For",
    )
    metrics_token: SecretStr | None = Field(
        None,
        description="with this bearer token, programs on other machines may read /metrics and the "
        "problems in /readyz",
    )
    processes: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="with MySQL: how many processes of `serve` answer on this port"
    )
    github_app_id: str | None = Field(None, description="the App's id, from its settings page")
    github_private_key: SecretStr | None = Field(
        None, description="the App's private key: the PEM text, or the path of the file"
    )
    github_webhook_secret: SecretStr | None = Field(
        None, description="the secret with which GitHub signs the App's webhooks"
    )
    github_webhook_secret_old: SecretStr | None = Field(
        None,
        description="the webhook secret before it was changed; deliveries signed with it are "
        "still accepted",
    )
    github_api_url: str = Field(
        "https://api.github.com",
        description="the address of GitHub's API; for GitHub Enterprise Server https://HOST/api/v3",
    )
    github_client_id: str | None = Field(
        None, description="the App's client id; without it Hubbub asks GitHub"
    )
    github_client_secret: SecretStr | None = Field(
        None, description="a client secret of the App; without it people cannot log in"
    )
    github_url: str | None = Field(
        None,
        description="the address of GitHub's web pages; by default Hubbub derives it from "
        "HUBBUB_GITHUB_API_URL",
    )
    github_oidc_issuer: str | None = Field(
        None,
        description="who issues the tokens of GitHub Actions, if it is not the issuer that belongs "
        "to the address of the API: an enterprise may have its own",
    )
    github_timeout_s: Annotated[float, Field(ge=1, le=60)] = Field(
        10,
        description="seconds that a request to GitHub may take; after a server has died, another "
        "server waits four times as long and 5 seconds before it sends",
    )
    oauth_clients: str = Field(
        "",
        description="OAuth clients without a metadata document, as name=redirect address, "
        "separated by spaces",
    )
    intake: Literal["webhook", "pull"] = Field(
        "webhook",
        description="pull if GitHub cannot reach this machine: Hubbub fetches the deliveries",
    )
    pull_every_s: Annotated[float, Field(ge=1, le=300)] = Field(
        10, description="with pull: the seconds between two reads of GitHub's log"
    )
    keep_deliveries_days: Annotated[int, Field(ge=4, le=3650)] = Field(
        14, description="how long processed deliveries are kept; GitHub's own log covers three days"
    )
    keep_history_days: Annotated[int, Field(ge=7, le=3650)] = Field(
        90,
        description="how long events, audit, commands, writes, checks and ended leases are kept",
    )
    idle_after_s: Annotated[int, Field(ge=60, le=86_400)] = Field(
        300, description="the seconds after its last call until an agent is idle"
    )
    inactive_after_s: Annotated[int, Field(ge=60, le=30 * 86_400)] = Field(
        3600,
        description="the seconds after its last call until it is inactive; not before it is idle",
    )
    grace_days: Annotated[int, Field(ge=0, le=3650)] = Field(
        30, description="the days until the data of a removed installation is deleted"
    )
    currency: Annotated[str, Field(pattern=CURRENCY)] = Field(
        "USD", description="the currency in which agents report their spend, as in ISO 4217"
    )
    spend_caps: str = Field(
        "",
        description="caps on reported spend, such as task=20, agent=100, installation=500: on each "
        "task, and on a day of each agent and of each installation",
    )
    quotas: str = Field(
        "",
        description="changes quotas of agents, such as calls_a_minute=600/20000, "
        "queued_writes=100: of one agent / of all agents of an installation",
    )
    largest_file: Annotated[int, Field(ge=1024, le=2**30)] = Field(
        50 * 2**20, description="bytes of the largest file that can be attached"
    )
    refuse_files: str = Field(
        "",
        description="kinds of files that nobody may attach: executable, archive, or both with a "
        "comma; without it they are kept, and never opened",
    )
    backup_dir: str = Field(
        "", description="the folder into which `serve` writes backups; without it, it makes none"
    )
    backup_every: str = Field("6h", description="how often `serve` makes a backup, as 6h or 1d")
    backup_keep: Annotated[int, Field(ge=1, le=10_000)] = Field(
        28, description="how many of the newest backups stay in the folder"
    )
    backup_passphrase: SecretStr | None = Field(
        None,
        description="at least 16 characters, with which backups are encrypted; better in a file "
        "that HUBBUB_BACKUP_PASSPHRASE_FILE names",
    )
    trusted_origins: str = Field(
        "",
        description="origins, separated by commas, such as http://tools.internal:9000, where tool "
        "servers, agents with addresses of their own, models and hosts of plug-ins may be besides "
        "the public internet",
    )
    tool_servers_file: str | None = Field(
        None,
        description="a YAML file with MCP servers that Hubbub runs as processes of this machine",
    )
    notify_origins: str = Field(
        "",
        description="origins such as http://alerts.internal:9000, separated by commas, to which "
        "notifications may go although they are private or use http",
    )
    smtp_host: str = Field("", description="the mail server for notifications")
    smtp_port: Annotated[int, Field(ge=1, le=65_535)] = Field(587, description="its port")
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="tls if the port speaks TLS from the first byte on, such as 465"
    )
    smtp_user: str = Field("", description="the user name, if the mail server needs one")
    smtp_password: SecretStr | None = Field(None, description="the password of that user")
    smtp_from: Annotated[str, Field(pattern=MAIL_FROM)] = Field(
        "hubbub@localhost", description="the address from which the mails come"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="how much is logged"
    )
    log_format: Literal["console", "json"] = Field(
        "console", description="console for people, json for one JSON object on each line"
    )
    token: SecretStr | None = Field(
        None,
        description="for `hubbub mcp` and `hubbub call`: the agent's token; without it, `call` "
        "uses the session of `hubbub login`",
    )
    url: str | None = Field(
        None,
        description="for `hubbub mcp`, `call`, `login`, `logout` and `token redeem`: the server's "
        "address",
    )

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, value: str) -> str:
        file = value.removeprefix("sqlite:///")
        if value.startswith("sqlite:///") and file and file != ":memory:":
            return value
        if names_mysql(value):
            try:
                port_of = urlsplit(value).port
            except ValueError as exc:
                raise ValueError(
                    "the port must be a number, for example mysql://…@host:3306/…"
                ) from exc
            if port_of != 0:
                return value
        raise ValueError(
            "must be sqlite:///path/to/file.db or mysql://user:password@host:3306/name"
        )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for each in split_list(value):
            try:
                ip_network(each, strict=False)
            except ValueError as exc:
                raise ValueError(f"{each!r} is not an address or network, as 10.0.0.0/8") from exc
        return value

    @field_validator("notify_origins", "trusted_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for each in split_list(value):
            if not re.fullmatch(r"https?://[^/\s@?#]+", each):
                raise ValueError(f"{each!r} is not an origin such as http://alerts.internal:9000")
        return value

    @field_validator("quotas")
    @classmethod
    def _has_quotas(cls, value: str) -> str:
        table.parse(value)
        return value

    @field_validator("refuse_files")
    @classmethod
    def _has_families(cls, value: str) -> str:
        refused_families(value)
        return value

    @field_validator("spend_caps")
    @classmethod
    def _has_caps(cls, value: str) -> str:
        parse_caps(value)
        return value

    @field_validator("inactive_after_s")
    @classmethod
    def _is_not_before_idle(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("idle_after_s", 0):
            raise ValueError("must not be less than HUBBUB_IDLE_AFTER_S")
        return value

    @field_validator("backup_every")
    @classmethod
    def _is_a_length(cls, value: str) -> str:
        if times.seconds(value) < 60:
            raise ValueError("must be at least 1m")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("github_api_url", "github_oidc_issuer", "github_url", "public_url", "url")
    @classmethod
    def _is_a_web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address such as https://hubbub.example.com")
        # People also paste the address that `hubbub demo` prints for MCP clients.
        return value.rstrip("/").removesuffix("/mcp")


def split_list(given: str) -> list[str]:
    """The entries of a setting with several, which commas separate."""
    return [each.strip() for each in given.split(",") if each.strip()]


REMEDIES = {
    "github_app_id": "Set it to the App ID on the App's settings page on GitHub.",
    "github_private_key": "Generate a private key on the App's settings page and set it to the "
    "path of the .pem file.",
    "github_webhook_secret": "Set it to the webhook secret on the App's settings page.",
}


@dataclass(frozen=True)
class GitHubApp:
    """The identity with which `serve` acts as the App."""

    id: str
    private_key: str
    webhook_secret: str
    api_url: str
    # Seconds that a request may take.
    time_out_s: float
    # The webhook secret before it was changed.
    webhook_secret_old: str = ""
    # Seconds between two reads of GitHub's log; None if webhooks reach this server.
    pull_every_s: float | None = None

    @property
    def webhook_secrets(self) -> tuple[str, str]:
        """While GitHub changes to another secret, deliveries may be signed with either."""
        return self.webhook_secret, self.webhook_secret_old


@dataclass(frozen=True)
class GitHubLogin:
    """What people need to log in with GitHub through the App."""

    # Empty if GitHub must be asked for it.
    client_id: str
    client_secret: str = field(repr=False)
    # The addresses of GitHub's web pages and of its API.
    web_url: str
    api_url: str
    # Seconds that a request may take.
    time_out_s: float


def load(**given: Any) -> Settings:
    """Read the settings. Raise WrongSettings, which names each wrong setting."""
    try:
        return Settings(**(_from_files() | given))
    except UnicodeDecodeError as exc:
        raise WrongSettings("The file .env in this folder is not UTF-8. Save it as UTF-8.") from exc
    except ValidationError as exc:
        wrong = [
            f"HUBBUB_{str(e['loc'][0]).upper()}: {_problem(e)}"
            for e in exc.errors(include_url=False)
        ]
        raise WrongSettings("\n".join(wrong)) from exc


def _environment() -> dict[str, str | None]:
    """The variables of `.env` and of the environment, which has priority."""
    return {**DotEnvSettingsSource(Settings).env_vars, **EnvSettingsSource(Settings).env_vars}


def secret_settings() -> list[str]:
    """The settings that a file may hold: the secrets, and the address with a password in it."""
    fields = Settings.model_fields.items()
    secret = [name for name, each in fields if SecretStr in get_args(each.annotation)]
    return ["database_url", *secret]


def _from_files() -> dict[str, str]:
    """The secrets whose variables name a file, as containers and systemd hand them over."""
    given = _environment()
    found = {}
    for name in secret_settings():
        if path := given.get(f"{PREFIX}{name}{FILE}"):
            if given.get(f"{PREFIX}{name}"):
                raise WrongSettings(
                    f"{_variable(name)} and {_variable(name + FILE)} are both set. Remove one."
                )
            found[name] = _file_content(_variable(name + FILE), Path(path))
    return found


def _file_content(variable: str, path: Path) -> str:
    try:
        with path.expanduser().open() as file:
            text = file.read(LARGEST_SECRET + 1).strip()
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise WrongSettings(f"{variable}: cannot read {path}: {why}.") from exc
    if not text or len(text) > LARGEST_SECRET:
        problem = "is empty" if not text else f"has more than {LARGEST_SECRET} characters"
        raise WrongSettings(f"{variable}: {path} {problem}. It must hold one secret.")
    return text


def database_url_reader() -> Callable[[], str] | None:
    """Reads HUBBUB_DATABASE_URL again. None if it stands in no file, so that it cannot change."""
    variable = f"{PREFIX}database_url"
    in_file = variable in DotEnvSettingsSource(Settings).env_vars
    if variable in EnvSettingsSource(Settings).env_vars:
        in_file = False
    return _read_database_url if in_file or f"{variable}{FILE}" in _environment() else None


def _read_database_url() -> str:
    return load().database_url


def logs_as_json() -> bool:
    """Also when another setting is wrong, so that `load` fails."""
    return (_environment().get(f"{PREFIX}log_format") or "").strip() == "json"


def unknown() -> dict[str, str | None]:
    """The HUBBUB_… names that no setting has, each with the setting that was probably meant."""
    given = _environment()
    known = [*Settings.model_fields, *(name + FILE for name in secret_settings())]
    names = [name.removeprefix(PREFIX) for name in given if name.startswith(PREFIX)]
    return {_variable(each): _nearest(each, known) for each in names if each not in known}


def _nearest(name: str, known: list[str]) -> str | None:
    """Also the one setting of which only the beginning or the end was given, such as app_id."""
    parts = [each for each in known if each.endswith(f"_{name}") or each.startswith(f"{name}_")]
    near = parts if len(parts) == 1 else get_close_matches(name, known, 1, LIKENESS)
    return _variable(near[0]) if near else None


def _variable(name: str) -> str:
    return f"{PREFIX}{name}".upper()


# By pydantic's type of the error.
PROBLEMS = {
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must be three capital letters, such as EUR",
}


def _problem(error: ErrorDetails) -> str:
    words = PROBLEMS.get(error["type"])
    if words is None:
        return error["msg"].removeprefix("Value error, ")
    return words.format(**error.get("ctx", {}))


def github_app(settings: Settings) -> GitHubApp:
    """The App's identity. Raise WrongSettings if a setting is missing or wrong."""
    pulls = settings.intake == "pull"
    needed = [name for name in REMEDIES if not (pulls and name == "github_webhook_secret")]
    missing = [name for name in needed if not getattr(settings, name)]
    if missing:
        raise WrongSettings(
            "\n".join(f"HUBBUB_{name.upper()} is not set. {REMEDIES[name]}" for name in missing)
        )
    app_id = str(settings.github_app_id)
    if not re.fullmatch(r"[A-Za-z0-9.]+", app_id):
        raise WrongSettings(
            f"HUBBUB_GITHUB_APP_ID {app_id!r} is not an App ID. {REMEDIES['github_app_id']}"
        )
    return GitHubApp(
        id=app_id,
        private_key=_pem(_text(settings.github_private_key)),
        # With a random secret, no signature is valid: pull mode accepts no webhook.
        webhook_secret=_text(settings.github_webhook_secret) or secrets.token_hex(32),
        api_url=settings.github_api_url,
        time_out_s=settings.github_timeout_s,
        webhook_secret_old=_text(settings.github_webhook_secret_old),
        pull_every_s=settings.pull_every_s if pulls else None,
    )


def github_login(settings: Settings) -> GitHubLogin | None:
    """None if the App has no client secret, so that nobody can log in."""
    if not settings.github_client_secret:
        return None
    app_id = settings.github_app_id or ""
    return GitHubLogin(
        # GitHub also accepts the client id as the App's id.
        client_id=settings.github_client_id or ("" if app_id.isdecimal() else app_id),
        client_secret=_text(settings.github_client_secret),
        web_url=settings.github_url or web_url(settings.github_api_url),
        api_url=settings.github_api_url,
        time_out_s=settings.github_timeout_s,
    )


def web_url(api_url: str) -> str:
    """Where GitHub's web pages are, by the address of its API."""
    parts = urlsplit(api_url)
    host = parts.netloc
    if host == "api.github.com" or (host.startswith("api.") and host.endswith(".ghe.com")):
        host = host.removeprefix("api.")
    return f"{parts.scheme}://{host}{parts.path.removesuffix('/api/v3')}"


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def _pem(value: str) -> str:
    """The PEM text. The value is that text, maybe with escaped line ends, or a file's path."""
    # Slow to load, and agents' commands have no private key.
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    text = value.replace("\\n", "\n")
    try:
        if "-----BEGIN" not in text:
            text = Path(text).expanduser().read_text()
        key = load_pem_private_key(text.encode(), password=None)
    except OSError as exc:
        raise WrongSettings(
            "HUBBUB_GITHUB_PRIVATE_KEY is not a PEM text and not the path of a readable file "
            f"({exc.strerror}). {REMEDIES['github_private_key']}"
        ) from exc
    except (ValueError, TypeError) as exc:
        raise WrongSettings(
            "HUBBUB_GITHUB_PRIVATE_KEY contains no private key, or a key with a passphrase. "
            f"{REMEDIES['github_private_key']}"
        ) from exc
    if not isinstance(key, RSAPrivateKey):
        raise WrongSettings(
            "HUBBUB_GITHUB_PRIVATE_KEY contains a key that is not RSA; GitHub Apps have RSA keys. "
            f"{REMEDIES['github_private_key']}"
        )
    return text
