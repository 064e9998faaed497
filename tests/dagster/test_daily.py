"""A day's run in Dagster: parts of it alone, past days, what fails it, and when it is tried again."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

import dagster as dg
from dagster_runs import QUIET, checks, definitions, failed_checks, failure_of, materialised, run_assets, run_day
from desk import BEIJING, SINGAPORE, Desk, rows
from pulltasks.capture.day import GRACE_AFTER_MIDNIGHT
from pulltasks.errors import LakeBusy
from pulltasks.lake.lake import Lake
from pulltasks.lake.tidy import open_tidy
from pulltasks.run import steps
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.tables import TABLES
from pulltasks.warehouse.build import publish
from pulltasks.warehouse.build.open_tables import read_latest
from pulltasks.warehouse.sql.models import load_models
from pulltasks_dagster.definitions import build_defs
from pulltasks_dagster.models import shown_models
from pulltasks_dagster.partitions import FIRST_DATE
from sampling import sampled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pulltasks.warehouse.sql.models import Models

# Dagster's own code warns on its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
DAY = date(2026, 11, 22)
TWICE = dg.RetryPolicy(max_retries=2, delay=0)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Few tasks: what is tried here is no matter of size."""
    sandbox = Sandbox((replace(BEIJING, task_count=12), replace(SINGAPORE, task_count=5)))
    with serving(sandbox) as url:
        yield Desk(sandbox, url, tmp_path, sandbox.places)


SIMULATED = {"ops": {"snapshot": {"config": {"simulated": True}}}, "loggers": QUIET}


def job_of_the_workspace() -> dg.JobDefinition:
    """As a process of its own finds it."""
    return build_defs(retry=dg.RetryPolicy(max_retries=0)).resolve_job_def("daily_snapshot")


def attempts(result: dg.ExecuteInProcessResult) -> int:
    return 1 + sum(event.event_type == dg.DagsterEventType.STEP_RESTARTED for event in result.all_events)


def statuses(instance: dg.DagsterInstance, defs: dg.Definitions) -> set[str]:
    """How the checks of a run are kept, those that it planned and did not make included."""
    return {
        record.status.value
        for key in defs.resolve_asset_graph().asset_check_keys
        for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
    }


def test_a_target_that_is_not_complete_fails_the_run_after_publishing_and_is_named(desk: Desk) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    result = run_day(desk, DAY)
    assert not result.success
    assert "warehouse" in materialised(result)
    assert failed_checks(result) == {"every_target_complete", "all_targets_complete"}
    check = checks(result)["warehouse", "all_targets_complete"]
    assert check.metadata["targets_complete"].value == 1
    (row,) = check.metadata["not_complete"].value.records
    assert (row.data["target"], row.data["reason"], row.data["known_from"]) == ("singapore", "forbidden", "never")
    error = failure_of(result)
    for text in (check.description, error.message, checks(result)["raw/captures", "every_target_complete"].description):
        assert re.search(r"failed \(forbidden\)(, never complete)?: HTTP 403 .*\n    singapore$", text, re.MULTILINE)
        assert "grant live:stream:listPullTask" in text
    assert error.message.startswith("2026-11-22: 1 of 2 targets complete\n")
    assert (error.cls_name, error.stack, error.cause) == ("Failure", [], None)


def test_a_target_that_missed_a_day_is_a_warning_and_one_beyond_its_limit_an_error(desk: Desk) -> None:
    def severity(day: date) -> dg.AssetCheckSeverity:
        return checks(run_day(desk, day))["warehouse", "all_targets_complete"].severity

    assert run_day(desk, DAY).success
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    assert severity(DAY + timedelta(days=1)) == dg.AssetCheckSeverity.WARN
    desk.extra = '[alerts]\nmax_target_age = "0m"\n'
    assert severity(DAY + timedelta(days=2)) == dg.AssetCheckSeverity.ERROR


def test_the_page_is_an_asset_that_a_day_with_gaps_has_as_well(desk: Desk) -> None:
    desk.extra = "[dashboard]\nenabled = true\n"
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    result = run_day(desk, DAY)
    assert not result.success
    page = materialised(result)["dashboard"].metadata
    assert page["page"].value == desk.lake.dashboard.as_uri()
    assert page["bytes"].value == desk.lake.dashboard.stat().st_size
    assert (page["targets_complete"].value, page["targets_expected"].value) == (1, 2)


def test_a_run_again_from_the_failure_lists_what_is_missing_and_succeeds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLTASKS_CONFIG", str(desk.config_file))
    today = datetime.now(UTC).date()
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    job = dg.reconstructable(job_of_the_workspace)
    with dg.instance_for_test() as instance:
        tags = {"dagster/partition": str(today)}
        failed = dg.execute_job(job, instance, run_config=SIMULATED, tags=tags)
        assert not failed.success
        desk.sandbox.faults.clear()
        desk.sandbox.log.clear()
        options = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
        assert dg.execute_job(job, instance, reexecution_options=options, run_config=SIMULATED, tags=tags).success
    listed = [path for _, path, _, _ in desk.sandbox.log if "pull" in path]
    assert listed
    assert all(SINGAPORE.project_id in path for path in listed)
    assert rows(desk, "select count(*) from rpt_snapshot_coverage where coverage = 'complete'") == [(2,)]


def test_a_passing_trouble_is_tried_again_and_the_lake_is_free_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = Lake.lock
    seen: list[str] = []

    @contextmanager
    def watched(lake: Lake) -> Iterator[None]:
        with lock(lake):
            seen.append("held")
            yield
        seen.append("free")

    monkeypatch.setattr(Lake, "lock", watched)
    desk.sandbox.faults[SINGAPORE.project_id, None] = "unavailable"
    assert attempts(run_day(desk, DAY, retry=TWICE)) == 3
    assert seen == ["held", "free"] * 3
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    assert attempts(run_day(desk, DAY, retry=TWICE)) == 1


def test_a_refused_credential_is_never_tried_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "unavailable"  # worth another attempt by itself
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "wrong")
    result = run_day(desk, DAY, retry=TWICE)
    assert attempts(result) == 1
    assert "credential_refused" in failure_of(result).message
    assert sum(status == 401 for *_, status in desk.sandbox.log) == 2  # one for each of two projects


def test_a_lake_that_is_busy_is_tried_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Lake.lock
    busy = [True]

    def once_busy(lake: Lake):
        if busy.pop() if busy else False:
            raise LakeBusy("another run is writing")
        return lock(lake)

    monkeypatch.setattr(Lake, "lock", once_busy)
    result = run_day(desk, DAY, retry=TWICE)
    assert (result.success, attempts(result)) == (True, 2)


def test_one_tidy_table_is_made_alone(desk: Desk) -> None:
    run_day(desk, DAY)
    for path in desk.lake.tidy.rglob("*.parquet"):
        path.unlink()
    desk.lake.manifest_file(DAY).unlink()
    built = desk.lake.published.resolve()
    result = run_assets(desk, DAY, "tidy/pull_tasks")
    assert result.success
    assert set(materialised(result)) == {"tidy/pull_tasks"}
    assert desk.lake.tidy_dates() == [DAY]
    assert desk.lake.published.resolve() == built


def test_a_run_with_nothing_new_builds_nothing_and_shows_what_is_published(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_day(desk, DAY)
    built = desk.lake.published.resolve()
    monkeypatch.setattr(publish, "working_copy", None)
    again = run_day(desk, DAY)
    assert again.success
    assert desk.lake.published.resolve() == built
    assert {name: check.passed for name, check in checks(again).items()} == dict.fromkeys(checks(first), True)
    assert set(materialised(again)) == set(materialised(first))
    for model in shown_models(load_models()):
        before, after = (materialised(result)[model.name].metadata for result in (first, again))
        assert "nothing is new since" in after["built"].value
        assert "built" not in before
        previews = [shown["preview"].value for shown in (before, after)]
        assert previews[0].schema == previews[1].schema
        assert len(previews[0].records) == len(previews[1].records)
        assert after.get("dagster/row_count") == before.get("dagster/row_count")


def test_one_model_is_made_alone_and_publishes_nothing(desk: Desk) -> None:
    run_day(desk, DAY)
    built = desk.lake.published.resolve()
    result = run_assets(desk, None, "dim_targets")
    assert result.success
    assert set(materialised(result)) == {"dim_targets"}
    assert desk.lake.published.resolve() == built
    desk.lake.published.unlink()
    assert run_assets(desk, None, "dim_targets").success
    assert not desk.lake.published.exists()


def test_one_model_alone_whose_rows_are_wrong_fails_and_names_its_check(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(models: Models) -> Models:
        return replace(
            models,
            in_order=tuple(
                replace(each, checks=("1 = 2",)) if each.name == "dim_targets" else each for each in models.in_order
            ),
        )

    desk.tidy(DAY)
    monkeypatch.setattr(steps, "load_models", lambda: breaking(load_models()))
    for key in ("dim_targets", "warehouse"):
        result = run_assets(desk, None, key)
        assert not result.success
        assert "dim_targets: 1 = 2 (2 rows, such as" in failure_of(result).message
    assert failed_checks(result) == {"tables_are_valid"}
    assert "dim_targets: 1 = 2" in checks(result)["warehouse", "tables_are_valid"].description


def test_without_a_partition_what_has_none_is_made_and_the_others_say_which_to_choose(desk: Desk) -> None:
    run_day(desk, DAY)
    desk.tidy(DAY + timedelta(days=1))
    result = run_assets(desk, None, "dim_dates", "warehouse")
    assert result.success
    assert materialised(result)["dim_dates"].partition is None
    assert rows(desk, "select max(snapshot_date) from dim_dates") == [(DAY + timedelta(days=1),)]
    asked = len(desk.sandbox.log)
    job = definitions(desk).resolve_job_def("daily_snapshot")
    error = failure_of(job.execute_in_process(raise_on_error=False))
    assert re.match(r"this run has no partition, .* launch it again for one: \d{4}-\d\d-\d\d lists", error.message)
    assert (error.cls_name, error.stack) == ("Failure", [])
    assert len(desk.sandbox.log) == asked


def test_a_lake_without_tidy_tables_is_told_what_to_materialise_first(desk: Desk) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_assets(desk, None, "warehouse", instance=instance)
        said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert (result.success, materialised(result)) == (True, {})
    assert any("materialise `raw/captures` and `tidy/…` for today first" in text for text in said)


def test_a_check_asked_for_without_its_asset_does_nothing_and_says_what_to_do(desk: Desk) -> None:
    selection = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("warehouse"), "all_targets_complete"))
    job = dg.define_asset_job("check", selection=selection, executor_def=dg.in_process_executor)
    defs = dg.Definitions.merge(definitions(desk), dg.Definitions(jobs=[job]))
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("check").execute_in_process(instance=instance)
        assert any(
            "materialise the asset for a day" in entry.user_message for entry in instance.all_logs(result.run_id)
        )
    assert (result.success, checks(result), desk.sandbox.log) == (True, {}, [])


def test_the_page_is_made_alone_of_what_is_published(desk: Desk) -> None:
    run_day(desk, DAY)
    desk.extra = "[dashboard]\nenabled = true\n"
    result = run_assets(desk, None, "dashboard")
    assert result.success
    assert desk.lake.dashboard.is_file()
    assert set(materialised(result)) == {"dashboard"}


def test_the_open_tables_are_made_alone_of_what_is_published(desk: Desk) -> None:
    run_day(desk, DAY)
    assert not desk.lake.latest_tables.exists()
    desk.extra = "[publish]\ntables = true\n"
    result = run_assets(desk, None, "open_tables")
    assert result.success
    latest = read_latest(desk.lake)
    made = materialised(result)["open_tables"].metadata
    assert (made["version"].value, made["tables"].value) == (latest.version, len(latest.tables))
    assert made["bytes"].value == sum(
        path.stat().st_size for path in (desk.lake.open_tables / latest.version).rglob("*.parquet")
    )
    assert desk.lake.published.resolve().stem.endswith(latest.version)


def test_the_capture_is_made_alone_and_fails_where_a_target_does(desk: Desk) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    result = run_assets(desk, DAY, "raw/captures")
    assert not result.success
    assert re.fullmatch(r" *failed \(forbidden\): HTTP 403 .*\n    singapore", failure_of(result).message)
    assert set(materialised(result)) == {"raw/captures"}
    assert desk.lake.tidy_dates() == []


def test_a_past_day_with_raw_files_is_rebuilt_from_them(desk: Desk) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    desk.run(yesterday)
    before = rows(desk, "from fct_pull_task_days order by all")
    for path in desk.lake.tidy.rglob("*.parquet"):
        path.unlink()
    desk.lake.manifest_file(yesterday).unlink()
    desk.sandbox.log.clear()
    result = run_day(desk, yesterday, simulated=False)
    assert result.success
    assert desk.sandbox.log == []
    found = materialised(result)
    assert {"raw/captures", "tidy/pull_tasks", "dim_targets", "warehouse"} <= set(found)
    shown = {name: value.value for name, value in found["raw/captures"].metadata.items()}
    assert (shown["raw_files"], shown["targets_complete"], shown["tasks_known"]) == (2, 2, len(before))
    assert checks(result)["raw/captures", "every_target_complete"].passed
    assert rows(desk, "from fct_pull_task_days order by all") == before


def test_the_numbers_of_a_partition_are_of_that_day(desk: Desk) -> None:
    """Each day is another: 3 days, one of them not complete; then the first is materialised again, after the last."""
    days = [DAY + timedelta(days=n) for n in range(3)]
    desk.sandbox.faults[SINGAPORE.project_id, days[1]] = "forbidden"
    with dg.DagsterInstance.ephemeral() as instance:
        for day in days:
            run_day(desk, day, instance=instance)
        run_day(desk, days[0], instance=instance, simulated=False)
        run_day(desk, days[1], instance=instance, simulated=False)

        def shown(key: str, day: date | None) -> dict[str, object]:
            partitions = [str(day)] if day else None
            (record,) = instance.fetch_materializations(
                dg.AssetRecordsFilter(dg.AssetKey(key.split("/")), asset_partitions=partitions), limit=1
            ).records
            assert record.partition_key == (str(day) if day else None)
            return {name: value.value for name, value in record.asset_materialization.metadata.items()}

        for day in days:
            with open_tidy(desk.lake) as tidy:
                for table in TABLES:
                    ((count,),) = tidy.execute(
                        f"select count(*) from {table.name} where snapshot_date = $1", [day]
                    ).fetchall()
                    assert shown(f"tidy/{table.name}", day)["dagster/partition_row_count"] == count
            ((complete, expected, tasks),) = rows(
                desk,
                "select count(*) filter (coverage = 'complete'), count(*), sum(task_count)::bigint "
                f"from rpt_snapshot_coverage where snapshot_date = date '{day}'",
            )
            captures = shown("raw/captures", day)
            assert (captures["targets_complete"], captures["targets_expected"]) == (complete, expected)
            assert captures["tasks_known"] == tasks
            verdicts = {each.data["target"]: each.data["verdict"] for each in captures["verdicts"].records}
            assert verdicts == {"beijing": "complete", "singapore": "failed" if day == days[1] else "complete"}
        for model in shown_models(load_models()):
            numbers = shown(model.name, None)
            assert numbers["built_through"] == str(days[2])
            if model.is_checked:
                assert [(numbers["dagster/row_count"],)] == rows(desk, f"select count(*) from {model.name}")
        key = dg.AssetCheckKey(dg.AssetKey(["raw", "captures"]), "every_target_complete")
        last, *_ = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        check = last.event.dagster_event.event_specific_data
        assert check.description.startswith(f"{days[1]}:\nsingapore: failed (forbidden)")
        assert (check.metadata["day"].value, check.metadata["targets_complete"].value) == (str(days[1]), 1)


def test_a_run_that_lists_nothing_does_not_fail_because_of_a_target_of_another_day(desk: Desk) -> None:
    assert run_day(desk, DAY).success
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    assert not run_day(desk, DAY + timedelta(days=1)).success
    for again in (run_day(desk, DAY, simulated=False), run_assets(desk, None, "warehouse")):
        assert again.success
        assert failed_checks(again) == {"all_targets_complete"}
        assert materialised(again)["warehouse"].metadata["judged_on"].value == str(DAY + timedelta(days=1))


def test_a_past_day_whose_raw_files_were_removed_shows_what_its_tables_hold(desk: Desk) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    desk.run(yesterday)
    shutil.rmtree(desk.lake.raw / f"snapshot_date={yesterday}")
    result = run_assets(desk, yesterday, "raw/captures", "tidy/captures", simulated=False)
    assert result.success
    found = materialised(result)
    assert found["tidy/captures"].metadata["dagster/partition_row_count"].value == 2
    captures = found["raw/captures"].metadata
    assert (captures["raw_files"].value, captures["targets_complete"].value) == (0, 2)


@pytest.mark.parametrize("key", sampled(["", "tidy/pull_tasks", "raw/captures"], 0, 1))
def test_a_past_day_without_raw_files_turns_nothing_red_has_no_number_and_says_why(desk: Desk, key: str) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    with dg.DagsterInstance.ephemeral() as instance:
        if key:
            result = run_assets(desk, yesterday, key, instance=instance, simulated=False)
        else:
            result = run_day(desk, yesterday, instance=instance, simulated=False)
        said = [entry.user_message for entry in instance.all_logs(result.run_id)]
        assert statuses(instance, definitions(desk)) <= {"PLANNED", "FAILED"}
    assert result.success
    found = materialised(result)
    assert set(found) == ({"raw/captures", *(f"tidy/{table.name}" for table in TABLES)} if not key else {key})
    for made in found.values():  # a backfill wants a materialisation for each day, whatever it holds
        numbers = {name for name, value in made.metadata.items() if isinstance(value, dg.IntMetadataValue)}
        assert numbers <= {"raw_files"}
        assert any("there is no raw archive of this day" in str(value.value) for value in made.metadata.values())
    assert {check.severity for check in checks(result).values()} <= {dg.AssetCheckSeverity.WARN}
    assert failed_checks(result) == (set() if key == "tidy/pull_tasks" else {"every_target_complete"})
    assert desk.sandbox.log == []
    assert any(f"{yesterday}: there " in text for text in said)


def test_checks_that_a_failed_run_did_not_come_to_are_not_kept_as_failed(desk: Desk) -> None:
    (desk.folder / "lake").mkdir()
    (desk.folder / "lake" / "warehouse").write_text("in the way")
    with dg.DagsterInstance.ephemeral() as instance:
        assert not run_day(desk, DAY, instance=instance).success
        assert statuses(instance, definitions(desk)) == set()


def test_partitions_begin_with_the_first_day_of_the_lake(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Lake) -> list[date]:
        raise PermissionError

    def first() -> str:
        job = build_defs(desk.config_file).resolve_job_def("daily_snapshot")
        return job.partitions_def.get_first_partition_key()

    assert first() == str((datetime.now(UTC) - GRACE_AFTER_MIDNIGHT).date())
    desk.run(DAY)
    assert first() == str(min(DAY, datetime.now(UTC).date()))
    monkeypatch.setattr(Lake, "raw_dates", refused)
    assert first() == str(FIRST_DATE)


def test_a_damaged_earlier_day_fails_the_run_after_publishing_and_is_named(desk: Desk) -> None:
    before = DAY - timedelta(days=1)
    desk.run(before)
    raw = desk.lake.raw_file(before, BEIJING.project_id, BEIJING.region)
    raw.write_bytes(raw.read_bytes()[:-9])
    desk.lake.manifest_file(before).unlink()
    result = run_day(desk, DAY)
    assert not result.success
    assert f"{before}: " in failure_of(result).message
    assert "restore it from a backup" in failure_of(result).message
    assert DAY in desk.lake.tidy_dates()
    assert "warehouse" in materialised(result)
    assert failed_checks(result) == set()


def test_a_check_over_several_models_that_fails_is_shown_though_nothing_is_published(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(models: Models) -> Models:
        first, *others = models.checks
        return replace(models, checks=(replace(first, sql="select 1 as wrong"), *others))

    monkeypatch.setattr(steps, "load_models", lambda: breaking(load_models()))
    result = run_day(desk, DAY)
    assert not result.success
    assert failed_checks(result) == {load_models().checks[0].name}
    assert "nothing was published, these checks failed" in failure_of(result).message
    assert "warehouse" not in materialised(result)
