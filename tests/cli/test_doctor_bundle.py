"""`hubbub doctor --bundle`: every text and name in the database is a canary, and none gets out."""

import json
import stat
from pathlib import Path
from zipfile import ZipFile

import pytest

from bot.cli.doctor_bundle import kind_of
from bot.identity.keyring import Keys
from fixtures.github import SimulatedGitHub
from store.engine.database import open_store
from store.engine.transaction import Tx
from tests.support import two_tenants
from tests.support.command_line import hubbub
from tests.support.server_process import SECRET, settings
from tests.support.story import Clock
from tests.support.two_tenants import ABROAD, HOME, VAULT

PRIVATE_HOST = "hubbub.walnut.example"


async def fail(tx: Tx) -> None:
    """Let rows fail with errors that quote private text."""
    for table in ("deliveries", "writes", "pending_reads"):
        state = {"deliveries": "dead", "writes": "refused", "pending_reads": "answered"}[table]
        error = {
            "deliveries": "ValueError: amberx wrote ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "writes": json.dumps({"code": "forbidden", "message": "amberx may not"}),
            "pending_reads": "451: cobalt is blocked",
        }[table]
        await tx.run(f"UPDATE {table} SET state = :s, error = :e, not_before = 1", s=state, e=error)
    for table in ("plugin_forwards", "endpoint_deliveries"):
        await tx.run(f"UPDATE {table} SET state = 'dead'")


async def test_a_bug_report_has_no_secret_and_no_private_text(own_url: str, tmp_path: Path) -> None:
    await two_tenants.build(own_url, Clock(), Keys(SECRET))
    store = await open_store(own_url)
    await store.write(fail)
    await store.close()
    async with SimulatedGitHub() as github:
        github.app.slug = "amberx-app"
        github.app.webhook_url = f"https://{PRIVATE_HOST}/other"
        github.install("amberx-org", [], permissions={"issues": "read"})
        given = settings(own_url, github) | {
            "HUBBUB_PUBLIC_URL": f"https://{PRIVATE_HOST}",
            "HUBBUB_GITHUB_CLIENT_SECRET": "5ecret0f7he51mulated61tHub",
            "HUBBUB_METRICS_TOKEN": "metrics-token-of-walnut",
            "HUBBUB_TRUSTED_PROXIES": "10.11.12.13",
        }
        code, out, err = await hubbub("doctor", "--bundle", "report.zip", folder=tmp_path, **given)
        again, _, refused = await hubbub(
            "doctor", "--bundle", "report.zip", folder=tmp_path, **given
        )
        nowhere = await hubbub("doctor", "--bundle", "no/report.zip", folder=tmp_path, **given)
    assert (code, err, again) == (1, "", 2), out
    assert "exists already" in refused
    assert nowhere[0] == 2
    assert f"Cannot write {tmp_path / 'no/report.zip'}: No such file or directory." in nowhere[2]
    path = tmp_path / "report.zip"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with ZipFile(path) as file:
        read = {name: file.read(name).decode() for name in file.namelist()}
    parts = {name.removeprefix("hubbub-report/"): text for name, text in read.items()}
    assert sorted(parts) == [
        "README.txt",
        "checks.jsonl",
        "counts.json",
        "errors.json",
        "migrations.json",
        "settings.json",
        "versions.json",
    ]
    whole = "\n".join(parts.values())
    secrets = [
        given[name]
        for name in given
        if name.endswith(("KEY", "SECRET", "TOKEN")) and "ID" not in name
    ]
    key_lines = github.app.private_key.splitlines()[1:-1]
    private = [each.word for each in (HOME, VAULT, ABROAD)] + [str(HOME.digits), str(VAULT.digits)]
    for each in (*secrets, *key_lines, *private, PRIVATE_HOST, "10.11.12.13", str(tmp_path)):
        assert each.casefold() not in whole.casefold()
    checks = [json.loads(line) for line in parts["checks.jsonl"].splitlines()]
    assert {each["check"]: each["ok"] for each in checks}["installations"] is False
    assert "[private] has not granted" in parts["checks.jsonl"]
    errors = json.loads(parts["errors.json"])
    assert [errors[name][0]["error"] for name in ("deliveries", "writes", "pending_reads")] == [
        "ValueError",
        "forbidden",
        "451",
    ]
    assert json.loads(parts["counts.json"])["rows"]["deliveries"].keys() == {"dead"}
    migrations = json.loads(parts["migrations.json"])
    assert migrations["schema"] == migrations["newest"]
    assert all(each["applied"] for each in migrations["revisions"])
    shown = json.loads(parts["settings.json"])
    assert shown["HUBBUB_SECRET_KEY"] == shown["HUBBUB_PUBLIC_URL"] == "set"
    assert (shown["HUBBUB_PORT"], shown["HUBBUB_INTAKE"]) == (0, "default")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("404: Not Found", "404"),
        ("DataError: (1406, 'walnut')", "DataError"),
        ("walnutError is my name", "walnutError"),
        ("Walnut: no", "[private]"),
        ("", "[private]"),
        ('{"code": "walnut"}', "[private]"),
    ],
)
def test_of_an_error_only_its_kind_is_shown(error: str, kind: str) -> None:
    assert kind_of(error) == kind
