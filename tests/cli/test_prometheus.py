"""What Prometheus reads: the metrics of a lake."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from desk import BEIJING, SINGAPORE, SMALL_DAYS, Desk, copied
from pulltasks.cli.prometheus import size_of
from terminals import PULLTASKS

DAY = SMALL_DAYS[1]


def call(desk: Desk, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [PULLTASKS, *arguments, "--config", desk.config_file]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_real_client_reads_the_metrics(one_day: Desk, tmp_path: Path) -> None:
    desk = copied(one_day, tmp_path)
    desk.sandbox.faults[SINGAPORE.project_id, DAY] = "forbidden"
    assert call(desk, "snapshot", "--simulated-date", str(DAY)).returncode == 3
    answer = call(desk, "status", "--format", "prometheus")
    assert answer.returncode == 3
    families = {family.name: family for family in text_string_to_metric_families(answer.stdout)}
    assert all(family.documentation and family.type == "gauge" for family in families.values())
    samples = [sample for family in families.values() for sample in family.samples]
    assert {sample.labels.get("lake") for sample in samples} == {str(desk.lake.root)}
    complete = {sample.labels["name"]: sample.value for sample in families["pulltasks_target_complete"].samples}
    assert set(complete) == {"beijing", "singapore"}
    requests = {sample.labels["project_id"]: sample.value for sample in families["pulltasks_target_requests"].samples}
    assert requests[BEIJING.project_id] >= 1
    assert families["pulltasks_lake_bytes"].samples[0].value == pytest.approx(size_of(desk.lake.root), rel=0.05)
    assert families["pulltasks_last_run_success"].samples[0].value == 0
    assert families["pulltasks_last_run_timestamp_seconds"].samples[0].value > 1.7e9
    assert {"pulltasks_target_age_seconds", "pulltasks_target_tasks", "pulltasks_target_retries",
            "pulltasks_target_duration_seconds", "pulltasks_target_answer_bytes", "pulltasks_lake_age_seconds",
            "pulltasks_targets_complete", "pulltasks_targets_expected"} <= families.keys()  # fmt: skip


def test_samples_of_two_lakes_differ_and_a_lake_goes_by_its_name(one_day: Desk, tmp_path: Path) -> None:
    found = []
    for folder in ("one", "two", "l1-live_00", "l1_live-00"):
        desk = copied(one_day, tmp_path / folder)
        desk.extra = f'[lake]\nname = "{folder}"' if folder.startswith("l1") else ""
        answer = call(desk, "status", "--format", "prometheus").stdout
        families = text_string_to_metric_families(answer)
        found.append({(s.name, *sorted(s.labels.items())) for family in families for s in family.samples})
    one, two, *named = found
    assert len(one) == len(two) > 10
    assert not one & two
    assert [{dict(sample[1:])["lake"] for sample in each} for each in named] == [{"l1-live_00"}, {"l1_live-00"}]
