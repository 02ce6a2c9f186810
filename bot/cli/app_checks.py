"""What `hubbub doctor` says about the App as GitHub describes it. Pure functions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bot.cli import app_requirements
from bot.github.payloads import at, maybe_number, maybe_time, text
from bot.settings import Settings
from bot.times import from_now

WEBHOOK_PATH = "/webhooks/github"
SETTINGS_PAGE = "on the App's settings page"


@dataclass(frozen=True)
class Finding:
    """What a check found, and whether all is right.

    `private`: the parts of the words that a public bug report must not show.
    """

    words: str
    right: bool = True
    private: tuple[str, ...] = ()


def wrong(words: str, private: tuple[str, ...] = ()) -> Finding:
    return Finding(words, right=False, private=private)


def permissions(app: Any) -> Finding:
    missing = app_requirements.missing_permissions(_permissions_in(app))
    if missing:
        return wrong(
            f"the App lacks {', '.join(missing)}. Change this {SETTINGS_PAGE}, under Permissions; "
            "then each account that installed the App must accept the change."
        )
    return Finding("the App has all that Hubbub needs")


def events(app: Any) -> Finding:
    named = at(app, "events")
    subscribed = [text(each) for each in named] if isinstance(named, list) else []
    if missing := app_requirements.missing_events(subscribed):
        return wrong(
            f"the App does not subscribe to {', '.join(missing)}. Subscribe {SETTINGS_PAGE}, under "
            "Permissions & events."
        )
    return Finding("the App subscribes to all that Hubbub needs")


def hook(config: Any, settings: Settings) -> Finding:
    """The address of the App's webhook. With pull mode, any address will do."""
    url = text(at(config, "url"))
    if not url:
        return wrong(f"the App has no webhook address. Enter one {SETTINGS_PAGE}.")
    if settings.intake == "pull":
        return Finding(f"{url}; not used, because Hubbub pulls the deliveries")
    if problem := _address_problem(url, settings.public_url):
        return wrong(f"{url} {problem}. Change it {SETTINGS_PAGE}.")
    if text(at(config, "content_type")) != "json":
        return wrong(f"the content type is not application/json. Change it {SETTINGS_PAGE}.")
    if not text(at(config, "secret")):
        return wrong(f"the App has no webhook secret. Enter one {SETTINGS_PAGE}.")
    return Finding(url)


def _address_problem(url: str, public_url: str | None) -> str | None:
    if urlsplit(url).path != WEBHOOK_PATH:
        return f"does not end with {WEBHOOK_PATH}"
    if public_url and urlsplit(url).netloc.casefold() != urlsplit(public_url).netloc.casefold():
        return f"is not at HUBBUB_PUBLIC_URL, {public_url}"
    return None


# By the status that GitHub got from this server, or shows instead of one.
CAUSES = {
    401: "the webhook secret of the App is not HUBBUB_GITHUB_WEBHOOK_SECRET",
    404: "something else answers at the address",
    502: "GitHub cannot reach the address",
    503: "the server could not store them",
    504: "the server took too long to answer",
}


def deliveries(
    log: Sequence[Any], now: int, settings: Settings, *, was_served: bool = True
) -> Finding:
    """The newest deliveries, the newest first. `was_served`: whether a server ever ran here."""
    if not log:
        return Finding("GitHub has sent none in the last three days")
    if settings.intake == "pull":
        return Finding("GitHub's log can be read")
    failed = [each for each in log if not 200 <= _status(each) < 300]
    when = from_now(maybe_time(at(log[0], "delivered_at")) or now, now)
    newest = f"GitHub sent the newest {when} and got {_status(log[0])}"
    if not failed:
        return Finding(newest)
    counts = Counter(map(_status, failed)).most_common()
    words = f"{newest}. Of the last {len(log)}, {_counts(counts)}"
    if not was_served and counts[0][0] == 502 and len(counts) == 1:
        return Finding(f"{words}. The first `hubbub serve` fetches what was missed")
    return wrong(words) if failed[0] is log[0] else Finding(words)


def _counts(counts: Sequence[tuple[int, int]]) -> str:
    return ", ".join(
        f"{n} got {status}" + (f" ({CAUSES[status]})" if status in CAUSES else "")
        for status, n in counts
    )


def _status(delivery: Any) -> int:
    return maybe_number(at(delivery, "status_code")) or 0


def installations(found: Sequence[Any]) -> Finding:
    """What each account granted. An account must accept each new permission of the App."""
    if not found:
        return Finding("none yet: install the App on an account")
    words = [_installation(each) for each in found]
    accounts = tuple(text(at(each, "account", "login")) for each in found)
    problems = [each for each in words if each.endswith(".")]
    if problems:
        return wrong(" ".join(problems), accounts)
    return Finding(", ".join(words), private=accounts)


def _installation(value: Any) -> str:
    """A sentence with a full stop if something is wrong; else the account."""
    account = text(at(value, "account", "login"))
    if at(value, "suspended_at"):
        return f"{account} (suspended)"
    missing = app_requirements.missing_permissions(_permissions_in(value))
    if missing:
        return (
            f"{account} has not granted {', '.join(missing)}. Accept the request for new "
            f"permissions in the settings of {account}, under GitHub Apps."
        )
    return account


def _permissions_in(value: Any) -> dict[str, str]:
    found = at(value, "permissions")
    return found if isinstance(found, dict) else {}
