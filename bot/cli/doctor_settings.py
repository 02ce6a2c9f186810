"""The settings for a bug report: none that is a secret, a name or an address."""

from typing import Any, Literal, get_origin
from urllib.parse import urlsplit

from bot import settings
from bot.settings import Settings
from store.engine.mysql_address import address, names_mysql

# Texts whose format leaves no room for a name.
SAFE = {"quotas", "spend_caps", "currency", "log_level", "log_format", "intake"}
KNOWN_HOSTS = {"github.com", "api.github.com", "token.actions.githubusercontent.com"}


def without_secrets(loaded: Settings) -> dict[str, Any]:
    """Each setting by its variable: its value if that is harmless, else whether it is set."""
    return {f"HUBBUB_{name.upper()}": _shown_value(loaded, name) for name in Settings.model_fields}


def private_texts(loaded: Settings) -> list[str]:
    """The values that no other part of a bug report may show."""
    dumped = loaded.model_dump(mode="python").items()
    found = [(name, str(each)) for name, each in dumped if isinstance(each, str)]
    private = [each for name, each in found if name not in SAFE and not _is_known(each)]
    hosts = [urlsplit(each).hostname or "" for each in private if "://" in each]
    return [each for each in (*private, *hosts) if len(each) > 2]


def secrets(loaded: Settings) -> list[str]:
    """The values of the secrets."""
    held = [getattr(loaded, name) for name in settings.secret_settings()]
    found = [each.get_secret_value() for each in held if hasattr(each, "get_secret_value")]
    if names_mysql(loaded.database_url):
        found.append(address(loaded.database_url).password)
    return [each for each in found if each]


def _shown_value(loaded: Settings, name: str) -> Any:
    value = getattr(loaded, name)
    if name not in loaded.model_fields_set:
        return "default"
    if value is None or isinstance(value, int | float) or name in SAFE or _is_choice(name):
        return value
    if name == "database_url":
        return _database(value)
    return value if isinstance(value, str) and _is_known(value) else "set"


def _is_choice(name: str) -> bool:
    return get_origin(Settings.model_fields[name].annotation) is Literal


def _is_known(value: str) -> bool:
    return urlsplit(value).hostname in KNOWN_HOSTS or value in _defaults()


def _defaults() -> list[Any]:
    return [each.default for each in Settings.model_fields.values()]


def _database(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://…{'?' + rest.partition('?')[2] if '?' in rest else ''}"
