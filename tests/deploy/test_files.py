"""The files for deployment name settings, ports, paths and times as the code has them."""

import os
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.background import loops
from bot.cli import processes
from bot.settings import Settings, load, secret_settings
from webhooks import github, listener, websocket
from webhooks.websocket import PING_EVERY_S

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs/deploy"
SETTING = re.compile(r"\bHUBBUB_[A-Z_]+\b")
# What the files themselves use.
OF_THE_FILES = {f"HUBBUB_{each}" for each in ("DOMAIN", "UPSTREAM", "CONFIG", "PROGRAM", "STATE")}
# Built from a name.
GENERIC = {"HUBBUB_", "HUBBUB__FILE"}
USER = "10001"
MiB = 2**20


def text(name: str) -> str:
    return (ROOT / name).read_text()


def manifest(name: str) -> Any:
    return yaml.safe_load(text(f"docs/deploy/kubernetes/{name}.yaml"))


def files() -> list[Path]:
    found = [each for each in DEPLOY.rglob("*") if each.is_file() and each.suffix != ".pyc"]
    return [ROOT / "Dockerfile", *found]


def seconds(written: str) -> int:
    return int(written.removesuffix("s"))


@pytest.mark.parametrize("path", files(), ids=lambda each: str(each.relative_to(ROOT)))
def test_each_setting_that_a_file_names_is_one(path: Path) -> None:
    known = {f"HUBBUB_{name.upper()}" for name in Settings.model_fields}
    known |= {f"HUBBUB_{name.upper()}_FILE" for name in secret_settings()}
    named = set(SETTING.findall(path.read_text(errors="replace")))
    assert named - known - OF_THE_FILES - GENERIC == set()


def test_each_installation_has_the_secrets_as_files_and_no_secret_in_a_setting() -> None:
    required = {"database_url", "secret_key", "github_private_key", "github_webhook_secret"}
    compose = yaml.safe_load(text("docs/deploy/compose/compose.yml"))
    config = text("docs/deploy/kubernetes/config.env")
    unit = text("docs/deploy/systemd/hubbub.service")
    for each in required:
        variable = f"HUBBUB_{each.upper()}_FILE"
        assert compose["services"]["serve"]["environment"][variable] == f"/run/secrets/{each}"
        assert f"{variable}=/run/secrets/hubbub/{each}\n" in config
        secret = f"/etc/hubbub/credentials/{each}"
        if each == "database_url":
            # Of a running service, systemd's copy stays as it was.
            assert f"Environment={variable}={secret}\n" in unit
            assert "ExecReload=kill -HUP $MAINPID\n" in unit
        else:
            assert f"Environment={variable}=%d/{each}\n" in unit
            assert f"LoadCredential={each}:{secret}\n" in unit
    plain = {f"HUBBUB_{name.upper()}" for name in secret_settings()}
    for path in files():
        given = re.findall(r"^\W*(HUBBUB_\w+)[=:]", path.read_text(errors="replace"), re.MULTILINE)
        assert plain.isdisjoint(given), path


def test_the_example_settings_of_systemd_are_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in text("docs/deploy/systemd/hubbub.env").splitlines():
        if line and not line.startswith("#"):
            monkeypatch.setenv(*line.split("=", 1))
    assert (load().host, load().port) == ("127.0.0.1", Settings.model_fields["port"].default)


def test_an_administrator_may_name_another_database_and_a_file_in_the_folder_of_the_service(
    tmp_path: Path,
) -> None:
    for each in ("database_url", "secret_key"):
        (tmp_path / "credentials").mkdir(exist_ok=True)
        (tmp_path / "credentials" / each).touch()
    (tmp_path / "hubbub.env").write_text("HUBBUB_LOG_FORMAT=json\n")
    (tmp_path / "setpriv").write_text("#!/bin/sh\npwd\nexec env\n")
    (tmp_path / "setpriv").chmod(0o755)
    told = subprocess.run(
        ["sh", DEPLOY / "systemd/hubbub-admin", "restore", "monday.backup"],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "HUBBUB_CONFIG": str(tmp_path),
            "HUBBUB_STATE": str(tmp_path),
            "HUBBUB_DATABASE_URL": "sqlite:///rehearsal.db",
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert told[0] == str(tmp_path)
    assert "HUBBUB_DATABASE_URL=sqlite:///rehearsal.db" in told
    assert f"HUBBUB_SECRET_KEY_FILE={tmp_path}/credentials/secret_key" in told
    assert not any(each.startswith("HUBBUB_DATABASE_URL_FILE") for each in told)
    assert "HUBBUB_LOG_FORMAT=console" in told
    assert not any(re.match("HUBBUB_(CONFIG|STATE)=", each) for each in told)


def test_all_files_agree_on_the_port_and_the_user() -> None:
    port = str(Settings.model_fields["port"].default)
    image = text("Dockerfile")
    assert f"HUBBUB_PORT={port} " in image
    assert f"EXPOSE {port}\n" in image
    assert f"USER {USER}:{USER}\n" in image
    (box,) = manifest("deployment")["spec"]["template"]["spec"]["containers"]
    assert [str(each["containerPort"]) for each in box["ports"]] == [port]
    assert f" {port}\n" in re.findall(r"dynamic a .*\n", text("docs/deploy/Caddyfile"))[0]
    assert f"server 127.0.0.1:{port} " in text("docs/deploy/nginx.conf")
    for name in ("deployment", "migrate-job"):
        pod = manifest(name)["spec"]["template"]["spec"]
        assert str(pod["securityContext"]["runAsUser"]) == USER
        assert pod["enableServiceLinks"] is False, "HUBBUB_PORT would be tcp://…"


def test_probes_ask_addresses_that_the_server_has() -> None:
    routes = set(re.findall(r'app\.router\.add_get\("(/\w+)"', text("webhooks/app.py")))
    (box,) = manifest("deployment")["spec"]["template"]["spec"]["containers"]
    asked = {
        probe: box[probe]["httpGet"]["path"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert asked == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert set(asked.values()) | {"/metrics", "/ws"} <= routes
    assert "/healthz" in text("Dockerfile")
    assert "location /metrics {" in text("docs/deploy/nginx.conf")
    assert "path /metrics" in text("docs/deploy/Caddyfile")


def test_a_stop_has_the_time_that_it_may_take() -> None:
    request = Settings.model_fields["github_timeout_s"].default
    stop = processes.STOP_S
    assert stop > loops.FINISH_S + loops.RELEASE_S + 2
    pod = manifest("deployment")["spec"]["template"]["spec"]
    wait = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert wait > request
    assert pod["terminationGracePeriodSeconds"] >= wait + stop
    compose = yaml.safe_load(text("docs/deploy/compose/compose.yml"))
    assert seconds(compose["services"]["serve"]["stop_grace_period"]) > stop
    unit = text("docs/deploy/systemd/hubbub.service")
    assert int(re.findall(r"TimeoutStopSec=(\d+)", unit)[0]) > stop


def test_the_proxies_let_through_what_the_server_takes_for_as_long_as_it_takes() -> None:
    nginx, caddy = text("docs/deploy/nginx.conf"), text("docs/deploy/Caddyfile")
    ingress = manifest("ingress")["metadata"]["annotations"]
    prefix = "nginx.ingress.kubernetes.io/proxy-"
    sizes = [
        *re.findall(r"client_max_body_size (\d+)m;", nginx),
        *re.findall(r"max_size (\d+)MB", caddy),
        ingress[f"{prefix}body-size"].removesuffix("m"),
    ]
    # Of Caddy a MB has 1,000,000 bytes: 26 MB are 24.8 MiB, so it has its own line.
    assert [int(each) for each in sizes] == [26, 27, 26]
    assert 26 * MiB >= github.LARGEST
    assert github.LARGEST <= 27 * 10**6
    waits = [
        *re.findall(r"(?:proxy|read|write)_(?:read_|send_)?timeout (\d+)s", nginx + caddy),
        ingress[f"{prefix}read-timeout"],
        ingress[f"{prefix}send-timeout"],
    ]
    longest = max(50, PING_EVERY_S)
    assert len(waits) == 6
    assert all(int(each) > 2 * longest for each in waits)
    kept = re.findall(r"keepalive(?:_timeout)? (\d+)s", nginx + caddy)
    assert kept == ["60", "60"]
    assert all(int(each) < listener.KEEPALIVE_S for each in kept)
    assert 26 * MiB > websocket.LARGEST


def test_nothing_is_buffered_and_a_websocket_passes() -> None:
    nginx, caddy = text("docs/deploy/nginx.conf"), text("docs/deploy/Caddyfile")
    assert "proxy_buffering off;" in nginx
    assert "proxy_set_header Upgrade $http_upgrade;" in nginx
    assert "flush_interval -1" in caddy
    annotations = manifest("ingress")["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    # Hubbub believes the last entry that is no proxy, so each proxy must append the peer.
    assert "X-Forwarded-For $proxy_add_x_forwarded_for;" in nginx


def test_compose_trusts_the_address_that_its_proxy_has() -> None:
    compose = yaml.safe_load(text("docs/deploy/compose/compose.yml"))
    proxy = compose["services"]["proxy"]["networks"]["inside"]["ipv4_address"]
    assert compose["services"]["serve"]["environment"]["HUBBUB_TRUSTED_PROXIES"] == proxy
    made = re.findall(r"^make (\w+)", text("docs/deploy/compose/make-secrets.sh"), re.MULTILINE)
    assert {*made, "github_private_key"} == set(compose["secrets"])


def test_kustomize_lists_every_manifest() -> None:
    listed = manifest("kustomization")["resources"]
    found = {each.name for each in (DEPLOY / "kubernetes").glob("*.yaml")}
    assert set(listed) == found - {"kustomization.yaml"}


def test_a_server_is_always_ready_during_a_rolling_update_and_a_drain() -> None:
    spec = manifest("deployment")["spec"]
    assert spec["replicas"] == manifest("autoscaler")["spec"]["minReplicas"] == 3
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert manifest("pod-disruption-budget")["spec"]["maxUnavailable"] == 1


def test_the_network_policy_lets_through_what_a_server_sends() -> None:
    """A mail or a trace that is dropped here fails only after its time is over."""
    rules = manifest("network-policy")["spec"]["egress"]
    allowed = {port["port"] for each in rules for port in each["ports"]}
    mail = Settings.model_fields["smtp_port"].default
    assert allowed == {53, 443, 3306, mail, 465, 4318}


def test_the_units_of_systemd_are_hardened_alike() -> None:
    hardening = [
        text(f"docs/deploy/systemd/{each}.service").split("# What the process cannot do.")[1]
        for each in ("hubbub", "hubbub-migrate")
    ]
    assert hardening[0].partition("[Install]")[0].strip() == hardening[1].strip()


def test_the_image_and_its_context_hold_what_the_wheel_has_and_no_more() -> None:
    wheel = tomllib.loads(text("pyproject.toml"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text("Dockerfile"), re.MULTILINE)
    sources = set(chain.from_iterable(line.split() for line in copied))
    allowed = re.findall(r"^!(.+)$", text(".dockerignore"), re.MULTILINE)
    assert sources == set(allowed)
    assert set(wheel["only-include"]) <= sources
    assert text(".dockerignore").splitlines()[1] == "*"


def test_the_run_time_part_of_the_lock_has_hashes_and_no_development_package() -> None:
    from docs.deploy import locked  # noqa: PLC0415 - a program beside the documents

    blocks = locked.blocks(text("requirements.lock"))
    project = tomllib.loads(text("pyproject.toml"))
    names = locked.needed(blocks, locked.run_time(project["project"], ["fast"]))
    assert {"aiohttp", "mcp", "asyncmy", "pymysql", "cffi"} <= set(names)
    assert {"pytest", "mypy", "ruff", "sphinx", "hatchling", "uv"}.isdisjoint(names)
    assert all("--hash=sha256:" in blocks[name] for name in names)
    with pytest.raises(SystemExit, match=r"requirements\.lock has no nothing-like-it"):
        locked.needed(blocks, ["nothing-like-it"])
