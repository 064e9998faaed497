"""The first run of this version under a DAGSTER_HOME and on a lake of schema 3."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dagster as dg
from dagster_runs import ONCE, run_day
from desk import BEIJING, SINGAPORE, Desk
from pulltasks import config
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks_dagster.definitions import JOB, build_defs
from pulltasks_dagster.history import report_history
from pulltasks_dagster.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Iterator

LAKES = Path(__file__).parents[1] / "lakes"


@pytest.fixture
def before(tmp_path: Path) -> Iterator[tuple[Desk, dg.DagsterInstance]]:
    """Lake, configuration and DAGSTER_HOME: a day that was complete, one that was not, a past one that was refused."""
    places = (replace(BEIJING, task_count=5), replace(SINGAPORE, task_count=3))
    with tarfile.open(LAKES / "dagster-schema-3.tar.xz") as packed:
        packed.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)  # Python 3.11.3 knows none
        packed.extractall(tmp_path)
    desk = Desk(Sandbox(()), "http://127.0.0.1:1", tmp_path, places)
    desk.lake.prepare()
    sandbox = Sandbox(places)
    with serving(sandbox) as url, dg.DagsterInstance.from_config(str(tmp_path / ".dagster")) as instance:
        yield replace(desk, sandbox=sandbox, url=url), instance


# Models that came after schema 3.
MADE_SINCE = (
    "fct_status_spells",
    "pull_tasks",
    "rpt_daily_changes",
    "rpt_daily_totals",
    "rpt_stream_conflicts",
    "rpt_target_reliability",
    "stg_changed_tasks",
    "stg_listed_tasks",
    "stg_moved_tasks",
    "tasks_scheduled_at",
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_runs_partitions_and_checks_of_before_stay_readable_and_nothing_is_asked_twice(
    before: tuple[Desk, dg.DagsterInstance],
) -> None:
    desk, instance = before
    complete, incomplete = date(2026, 11, 20), date(2026, 11, 21)
    ended = {run.tags["dagster/partition"]: run.status.value for run in instance.get_runs()}
    assert ended == {"2026-11-19": "FAILURE", "2026-11-20": "SUCCESS", "2026-11-21": "FAILURE"}
    assert all(len(instance.all_logs(run.run_id)) > 50 for run in instance.get_runs())

    defs = build_defs(desk.config_file, retry=ONCE)
    graph = defs.resolve_asset_graph()
    first = defs.resolve_job_def(JOB).partitions_def.get_first_partition_key()
    assert first == str(complete)
    not_made = {dg.AssetKey(["tidy", "closed_months"])} | {dg.AssetKey([name]) for name in MADE_SINCE}
    for key in graph.get_all_asset_keys() - not_made:
        assert instance.get_materialized_partitions(key) == {str(complete), str(incomplete)}, key
    check = dg.AssetCheckKey(dg.AssetKey("warehouse"), "all_targets_complete")
    assert check in graph.asset_check_keys
    history = instance.event_log_storage.get_asset_check_execution_history(check, limit=9)
    assert {"FAILED", "SUCCEEDED"} <= {record.status.value for record in history}

    schedule = defs.resolve_schedule_def("daily_snapshot")
    tick = datetime(2026, 11, 21, 2, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=tick, repository_def=defs.get_repository_def()) as context:
        (request,) = schedule.evaluate_tick(context).run_requests
    assert (request.partition_key, request.run_key) == ("2026-11-21", "2026-11-21T02")
    settings = config.load(desk.config_file)
    assert report_history(instance, settings, Keys()) == (0, True), "the days are known, the file is of that version"
    assert run_day(desk, incomplete, instance=instance).success
    assert report_history(instance, settings, Keys()) == (0, True)
    asked = {path.split("/")[2] for _, path, *_ in desk.sandbox.log if "pull" in path}
    assert asked == {SINGAPORE.project_id}
