"""The first run of this version on lakes of earlier ones: what was right stays to the row, what was wrong is mended or told."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

import dagster as dg
from dagster_runs import ONCE, run_day
from desk import BEIJING, SINGAPORE, Desk
from history import differences
from pulltasks.lake.compaction import compact_month
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import read_manifest, stale_dates
from pulltasks.lake.tidy import open_tidy
from pulltasks.run.order import rebuild
from pulltasks.run.results import EVERYTHING
from pulltasks.run.steps import Run, opened
from pulltasks.sandbox.data import Place
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.warehouse.read.published import open_published
from pulltasks_dagster.definitions import JOB, build_defs
from raw_files import rewritten

if TYPE_CHECKING:
    from collections.abc import Iterator

LAKES = Path(__file__).parents[1] / "lakes"
HONEST = sorted(LAKES.glob("published-0.1.0-*.tar.xz"))
# Version 0.1.0 lost 4 of 12 tasks of one target on this day, and published them as removed and returned.
POISONED_DAY = date(2026, 11, 2)
POISONED = Place("0123456789abcdef0123456789abcdef", "cn-north-4", 0, name="poisoned")
OTHER = Place("fedcba9876543210fedcba9876543210", "cn-north-4", 0, name="honest")
DAYS = [date(2026, 11, n) for n in range(1, 5)]


def unpacked(archive: Path, folder: Path, *places: Place) -> Desk:
    with tarfile.open(archive) as packed:
        packed.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)  # Python 3.11.3 knows none
        packed.extractall(folder)
    desk = Desk(Sandbox(()), "http://127.0.0.1:1", folder, places)
    desk.lake.prepare()
    return desk


@pytest.fixture
def poisoned(tmp_path: Path) -> Desk:
    return unpacked(LAKES / "poisoned-0.1.0.tar.xz", tmp_path, POISONED, OTHER)


def rows(lake: Lake, query: str) -> list[tuple]:
    with open_published(lake) as connection:
        return connection.sql(query).fetchall()


def publish(desk: Desk) -> Run:
    with opened(desk.settings, desk.clock, "snapshot") as run:
        for _ in run.build(EVERYTHING):
            pass
        return run


def differing_rows(before: Path, after: Path) -> dict[str, tuple[int, int]]:
    """Per table of both files how many rows each lacks of the other, over the columns that both have."""
    found = {}
    with duckdb.connect() as connection:
        for name, path in (("before", before), ("after", after)):
            connection.execute(f"attach '{path}' as {name} (read_only)")
        held = (
            {
                row[0]
                for row in connection.sql(
                    f"select table_name from duckdb_tables() where database_name = '{name}'"
                ).fetchall()
            }
            for name in ("before", "after")
        )
        for table in sorted(set.intersection(*held)):
            if table.startswith("meta_"):
                continue
            columns = [set(connection.sql(f"from {name}.{table}").columns) for name in ("before", "after")]
            # messages of 0.1 quoted the service: of them only the advice is left
            shared = ", ".join(sorted(columns[0] & columns[1] - {"error_message"}))
            one, other = (f"select {shared} from {name}.{table}" for name in ("before", "after"))
            counts = [
                connection.sql(f"select count(*) from ({a} except all {b})").fetchall()[0][0]
                for a, b in ((one, other), (other, one))
            ]
            found[table] = (counts[0], counts[1])
    return found


@pytest.mark.parametrize("archive", HONEST, ids=lambda path: path.name)
def test_what_was_published_is_published_again_row_by_row(archive: Path, tmp_path: Path) -> None:
    desk = unpacked(archive, tmp_path, replace(BEIJING, task_count=5), replace(SINGAPORE, task_count=3))
    old = desk.lake.published.resolve()
    kept = desk.folder / "before.duckdb"
    shutil.copyfile(old, kept)
    manifests = {path: path.read_bytes() for path in (desk.lake.tidy / "manifests").iterdir()}
    months = desk.lake.compacted_months()
    assert stale_dates(desk.lake) == []  # adopted as they are
    result = publish(desk)
    assert (result.built, result.troubles) == ([], [])
    assert desk.lake.published.resolve() != old
    differing = differing_rows(kept, desk.lake.published.resolve())
    assert len(differing) >= 4
    assert set(differing.values()) == {(0, 0)}
    assert {path: path.read_bytes() for path in (desk.lake.tidy / "manifests").iterdir()} == manifests
    assert desk.lake.compacted_months() == months
    assert bool(months) == archive.name.endswith("schema-2.tar.xz")
    assert not old.exists()  # nobody knows how its masks were


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_poisoned_day_is_made_again_from_its_raw_files(poisoned: Desk, is_closed: bool) -> None:
    lake = poisoned.lake
    changes = "select snapshot_date, change, count(*) from fct_pull_task_changes group by all order by all"
    assert rows(lake, changes) == [(DAYS[1], "removed", 4), (DAYS[2], "returned", 4)]
    if is_closed:
        with lake.lock():
            compact_month(lake, date(2026, 11, 1))
    result = publish(poisoned)
    assert (result.built, result.troubles) == ([POISONED_DAY], [])
    assert rows(lake, changes) == [(DAYS[1], "changed", 1), (DAYS[2], "changed", 1)]  # the odd number came and went
    assert rows(lake, "select distinct coverage, task_count from rpt_snapshot_coverage") == [("complete", 12)]
    assert rows(lake, f"select count(*) from pull_tasks_as_of(date '{POISONED_DAY}')") == [(24,)]
    for day in DAYS:
        assert set(differences(lake, day).values()) == {(0, 0)}
    with open_tidy(lake) as tidy:
        assert tidy.sql("select snapshot_date, field, rule, raw_text from data_quality").fetchall() == [
            (POISONED_DAY, "bitrate", "unknown_field", "null"),
            (POISONED_DAY, "bitrate", "unreadable_number", "1e999"),
        ]
    assert read_manifest(lake.manifest_file(POISONED_DAY)).sources
    assert publish(poisoned).built == []  # once


def test_a_poisoned_day_without_raw_files_counts_as_incomplete_and_stops_nothing(poisoned: Desk) -> None:
    lake = poisoned.lake
    shutil.rmtree(lake.targets_file(POISONED_DAY).parent)
    result = publish(poisoned)
    assert result.built == []
    (trouble,) = result.troubles
    assert trouble.startswith(f"{POISONED_DAY}: its tables hold other tasks")
    assert trouble.endswith("counts as incomplete for poisoned")
    assert rows(lake, "from fct_pull_task_changes") == []
    assert rows(
        lake,
        "select target_name, snapshot_date, coverage, verdict_reason from rpt_snapshot_coverage where coverage <> 'complete'",
    ) == [("poisoned", POISONED_DAY, "incomplete", "rows_differ_from_verdict")]
    assert publish(poisoned).troubles == []


def test_a_capture_that_the_version_before_did_not_normalise_is_not_forgotten(poisoned: Desk) -> None:
    """It was killed between the capture and the tables: the manifest names no sources, the table's captures tell."""
    lake = poisoned.lake
    raw = lake.raw_file(DAYS[3], POISONED.project_id, POISONED.region)
    other = lake.raw_file(DAYS[2], POISONED.project_id, POISONED.region)
    rewritten(other, raw, day=DAYS[3])  # any capture that the tables were not made of
    assert stale_dates(lake) == [DAYS[3]]


def test_a_rebuild_of_an_earlier_lake_gives_manifests_that_name_their_sources(poisoned: Desk) -> None:
    rebuild(poisoned.settings, DAYS[0], DAYS[3], poisoned.clock)
    for day in DAYS:
        sources = read_manifest(poisoned.lake.manifest_file(day)).sources
        assert [source.key for source in sources.captures] == [
            (POISONED.project_id, POISONED.region),
            (OTHER.project_id, OTHER.region),
        ]
        assert all(source.capture_id for source in sources.captures)


@pytest.fixture
def before(tmp_path: Path) -> Iterator[tuple[Desk, dg.DagsterInstance]]:
    """Lake, configuration and DAGSTER_HOME of 0.1.0: a day that was complete, one that was not, a past one that was refused."""
    places = (replace(BEIJING, task_count=5), replace(SINGAPORE, task_count=3))
    desk = unpacked(LAKES / "dagster-0.1.0.tar.xz", tmp_path, *places)
    sandbox = Sandbox(places)
    with serving(sandbox) as url, dg.DagsterInstance.from_config(str(tmp_path / ".dagster")) as instance:
        yield replace(desk, sandbox=sandbox, url=url), instance


# Models that came after version 0.1.
MADE_SINCE = (
    "fct_status_spells",
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
    assert run_day(desk, incomplete, instance=instance).success
    asked = {path.split("/")[2] for _, path, *_ in desk.sandbox.log if "pull" in path}
    assert asked == {SINGAPORE.project_id}
