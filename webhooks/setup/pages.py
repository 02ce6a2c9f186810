"""The pages of `hubbub setup`, in a browser on the same machine."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from aiohttp import web

from bot.setup.agents_guide import GUIDE
from bot.setup.clients.table import CLIENTS
from bot.setup.journal import Journal
from webhooks.html_page import page

# Without scripts, the person presses the button.
SUBMIT = "document.forms[0].submit()"


def create(journal: Journal, target: str, manifest: Mapping[str, Any]) -> web.Response:
    """The form with the manifest. A login at GitHub may redirect its answer to other sites."""
    app = journal.app
    owner = f"the organization {app.organization}" if app.organization else "your account"
    reach = (
        f"GitHub delivers webhooks to {app.public_url}"
        if not app.pulls
        else "GitHub cannot reach this server, so Hubbub fetches the deliveries"
    )
    asked = "".join(f"<li>{escape(each)}</li>" for each in levels(manifest["default_permissions"]))
    return page(
        "Create the App on GitHub",
        f"<p>This opens GitHub, where you create the App <b>{escape(app.name)}</b> for "
        f"{escape(owner)}. You can change the name there. {escape(reach)}.</p>"
        f'<form method="post" action="{escape(target)}"><input type="hidden" name="manifest" '
        f'value="{escape(json.dumps(manifest))}"><button>Continue to GitHub</button></form>'
        f"<details><summary>What the App may do</summary><ul>{asked}</ul></details>",
        form_target=None,
        script=SUBMIT,
    )


def levels(permissions: Mapping[str, str]) -> list[str]:
    return [f"{name.replace('_', ' ')}: {level}" for name, level in permissions.items()]


def review(
    name: str, owner: str, lines: Sequence[str], files: Sequence[str], token: str
) -> web.Response:
    """Exactly what is written, before it is written."""
    listed = "".join(f"<li><code>{escape(each)}</code></li>" for each in files)
    shown = escape("\n".join(lines))
    return page(
        f"GitHub created {name}",
        f"<p>It belongs to <b>{escape(owner)}</b> on GitHub. If that is not you or your "
        "organization, close this page.</p>"
        "<p>These lines are added to the settings. Nothing that is there is changed.</p>"
        f"<pre><code>{shown}</code></pre>"
        f"<p>Files, which only you can read:</p><ul>{listed}</ul>"
        f'<form method="post" action="write">{_token(token)}'
        "<button>Write the settings and install the App</button></form>"
        "<p>GitHub then asks on which repositories.</p>",
        # The answer is a redirect to GitHub.
        form_target=None,
    )


def done_page(
    account: str, checks: Iterable[tuple[bool, str]], results: Sequence[str], token: str
) -> web.Response:
    """What was checked, and which clients to connect."""
    listed = "".join(f"<li>{'✓' if right else '✗'} {escape(words)}</li>" for right, words in checks)
    boxes = "".join(
        f'<label><input type="checkbox" name="client" value="{name}"> {escape(each.title)}</label>'
        for name, each in CLIENTS.items()
    )
    done = "".join(f"<p>{escape(each)}</p>" for each in results)
    return page(
        f"The App is installed on {account}",
        f"<ul>{listed}</ul>{done}"
        f'<form method="post" action="connect">{_token(token)}<fieldset>'
        "<legend>Connect your clients</legend>"
        "<p>Each gets a token of its own, in its file in your home folder.</p>"
        f"{boxes}<button>Connect</button></fieldset></form>"
        "<h2>For AGENTS.md</h2><p>It tells agents how to work together. Copy it into your "
        f"repository.</p><pre><code>{escape(GUIDE)}</code></pre>"
        f'<form method="post" action="finish">{_token(token)}<button>Finish</button></form>',
    )


def end_page() -> web.Response:
    return page(
        "The setup is complete",
        "<p>The command has ended and says how to start the server. You can close this page.</p>",
    )


def failure(title: str, why: str, status: int) -> web.Response:
    return page(title, f'<p>{escape(why)}</p><p><a href="./">Back to the beginning</a></p>', status)


def waiting(installation_page: str) -> web.Response:
    return page(
        "Waiting for the installation",
        f'<p><a href="{escape(installation_page)}">Install the App on GitHub</a>. Then load this '
        "page again.</p>",
    )


def _token(token: str) -> str:
    return f'<input type="hidden" name="token" value="{escape(token)}">'
