"""What Prometheus reads: the metrics of a lake."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from desk import BEIJING, SINGAPORE, SMALL_DAYS, Desk, copied
from pulltasks.cli.prometheus import metrics, size_of
from pulltasks.settings import Limits
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.read.status import judge, read_newest_day
from terminals import PULLTASKS

DAY = SMALL_DAYS[1]


def call(desk: Desk, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [PULLTASKS, *arguments, "--config", desk.config_file]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_real_client_reads_the_metrics(one_day: Desk, tmp_path: Path) -> None:
    desk = copied(one_day, tmp_path)
    desk.sandbox.faults[SINGAPORE.project_id, DAY] = "forbidden"
    assert call(desk, "snapshot", "--simulated-date", str(DAY)).returncode == 3
    answer = call(desk, "status", "--format", "prometheus", "--per-target")
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


def test_only_targets_that_are_not_complete_have_series_and_regions_have_the_sums(
    one_day: Desk, tmp_path: Path
) -> None:
    desk = copied(one_day, tmp_path)
    desk.sandbox.faults[SINGAPORE.project_id, DAY] = "forbidden"
    call(desk, "snapshot", "--simulated-date", str(DAY))
    found = {}
    with open_published(desk.lake) as connection:
        status, now = read_newest_day(connection), datetime.now(UTC)
        freshness = judge(status, now, Limits(timedelta(hours=26), timedelta(hours=50)))
        for per_target in (False, True):
            text = metrics(connection, status, freshness, now, desk.lake, None, per_target=per_target)
            samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
            found[per_target] = {(s.name, s.labels.get("name"), s.labels["region"], s.labels.get("coverage")): s.value
                                 for s in samples if "region" in s.labels}  # fmt: skip
    few, all_of_them = found.values()
    assert {name for _, name, *_ in few} == {"singapore", None}
    assert {name for _, name, *_ in all_of_them} == {"singapore", "beijing", None}
    assert few.keys() < all_of_them.keys()
    of_beijing, of_singapore = (BEIJING.region, "complete"), (SINGAPORE.region, "failed")
    assert (
        few["pulltasks_region_targets", None, *of_beijing] == few["pulltasks_region_targets", None, *of_singapore] == 1
    )
    for count in ("tasks", "requests", "answer_bytes"):
        one = all_of_them[f"pulltasks_target_{count}", "beijing", BEIJING.region, None]
        assert few[f"pulltasks_region_{count}", None, *of_beijing] == one > 0
    # what is not known is no series, and never 0
    assert ("pulltasks_region_tasks", None, *of_singapore) not in few


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
