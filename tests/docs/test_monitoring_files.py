"""The dashboard, the alerts and the example for Prometheus: what they name is in /metrics."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.debian_packages import install_missing, path_of

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "docs/deploy/prometheus"
DASHBOARD = json.loads((ROOT / "docs/deploy/grafana/hubbub.json").read_text())
ALERTS = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
CASES = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
PAGE = (ROOT / "docs/how-to/monitor.md").read_text()
# The page is equal to /metrics, as tests/background/test_health.py shows.
REFERENCE = (ROOT / "docs/reference/metrics.md").read_text()
DOCUMENTED = {
    name: (kind, set(re.findall(r"`(\w+)`", labels)))
    for name, kind, labels in re.findall(
        r"^\| `(hubbub_\w+)` \| (\w+) \|([^|]*)\|", REFERENCE, re.MULTILINE
    )
}
# Prometheus's own, beside the labels of each metric.
OWN_LABELS = {"job", "instance", "le"}
SERIES = re.compile(r"\b(hubbub_\w+)(?:\{([^}]*)\})?")
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
# Those of Grafana's units that the dashboard uses.
UNITS = {"short", "s", "ms", "reqps", "percent", "percentunit", "bytes", "decmbytes"}


def charts() -> list[Any]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    for panel in charts():
        yield from (target["expr"] for target in panel["targets"])
    yield from (series["series"] for case in CASES for series in case["input_series"])


def family(series: str) -> str:
    """The metric of a series. A histogram has series of three names."""
    base = re.sub(r"_(bucket|count|sum)$", "", series)
    return base if DOCUMENTED.get(base, ("",))[0] == "histogram" else series


def test_every_metric_of_dashboard_and_alerts_exists_with_its_labels() -> None:
    for query in queries():
        for series, matchers in SERIES.findall(query):
            assert family(series) in DOCUMENTED, query
            named = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            assert named <= DOCUMENTED[family(series)][1] | OWN_LABELS, query


def test_what_is_grouped_by_a_label_has_it() -> None:
    labels = {label for _, of in DOCUMENTED.values() for label in of} | OWN_LABELS
    for query in queries():
        named = re.findall(r"\b(?:by|on|ignoring|without) \(([^)]*)\)", query)
        assert {each.strip() for names in named for each in names.split(",")} <= labels, query


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        family(series)
        for panel in charts()
        for target in panel["targets"]
        for series, _ in SERIES.findall(target["expr"])
    }
    # Its label is a text that people compare by hand.
    assert DOCUMENTED.keys() - shown == {"hubbub_audit_last_seal"}


def test_the_dashboard_can_be_imported() -> None:
    assert DASHBOARD["uid"] == "hubbub"
    assert "id" not in DASHBOARD
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"
    for panel in charts():
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_every_alert_has_its_section_in_the_runbook() -> None:
    sections = set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE))
    assert sections == {rule["alert"] for rule in RULES}
    for rule in RULES:
        anchor = f"docs/how-to/monitor.md#{rule['alert'].lower()}"
        assert rule["annotations"]["runbook_url"] == anchor
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_every_alert_is_tested_to_fire_and_to_stay_quiet() -> None:
    fires, quiet = set[str](), set[str]()
    for case in CASES:
        for each in case["alert_rule_test"]:
            (fires if each.get("exp_alerts") else quiet).add(each["alertname"])
    assert fires == quiet == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
        # Without --syntax-only it looks for the file of the token.
        ("check", "config", "--syntax-only", "prometheus.yml"),
    ],
)
def test_prometheus_accepts_the_files(words: tuple[str, ...]) -> None:
    install_missing(["promtool"], ["prometheus"])
    ran = subprocess.run(
        [path_of("promtool"), *words], check=False, cwd=PROMETHEUS, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
