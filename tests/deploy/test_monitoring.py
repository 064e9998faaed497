"""Alerts and dashboard ask for what is printed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import promql_parser
from prometheus_client.parser import text_string_to_metric_families

from deployed import DEPLOY, documents
from desk import Desk, copied
from pulltasks.settings import AlertSettings
from terminals import PULLTASKS


def queries() -> list[str]:
    """The expressions of the alerts and of the dashboard."""
    (rules,) = documents("monitoring/pulltasks.rules.yaml")
    dashboard = json.loads((DEPLOY / "monitoring" / "grafana.json").read_text(encoding="utf-8"))
    return [
        *(rule["expr"] for group in rules["groups"] for rule in group["rules"]),
        *(target["expr"] for panel in dashboard["panels"] for target in panel["targets"]),
        *(each["query"]["query"] for each in dashboard["templating"]["list"] if each["type"] == "query"),
    ]


def test_alerts_and_dashboard_ask_for_metrics_and_labels_that_are_printed(one_day: Desk, tmp_path: Path) -> None:
    desk = copied(one_day, tmp_path)
    command = [PULLTASKS, "status", "--format", "prometheus", "--per-target", "--config", desk.config_file]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    labels = {
        family.name: {name for sample in family.samples for name in sample.labels}
        for family in text_string_to_metric_families(printed)
    }
    for query in queries():
        asked = re.findall(r"\bpulltasks_\w+", re.sub(r'"[^"]*"', '""', query))
        assert asked or re.search(r"\b(node_textfile|kube_cronjob)_", query), query
        assert {*asked} <= labels.keys(), query
        named = {
            name
            for found in re.findall(r"by \(([^)]*)\)|[{](\w+)=", query)
            for name in re.split(r",\s*", "".join(found))
        }
        assert all(named <= labels[name] for name in asked), query


def test_alerts_wait_as_long_as_the_settings_say_by_default() -> None:
    ages = {
        age
        for query in queries()
        for age in re.findall(r"pulltasks_(?:lake|target)_age_seconds > (\d+) \* 3600", query)
    }
    limits = AlertSettings()
    assert ages == {str(int(each.total_seconds()) // 3600) for each in (limits.max_age, limits.max_target_age)}


def test_alerts_and_dashboard_are_written_in_promql() -> None:
    for query in queries():
        if not query.startswith("label_values("):
            promql_parser.parse(query)
