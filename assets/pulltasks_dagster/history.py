"""Report to Dagster what the lake contains but Dagster does not show yet, as events without a run.

Lives here: comparing tidy days and the published build with what Dagster has; the sensor and the command that report.
Does not live here: the events of a run (daily), what each asset reports (its module).

The data versions of Dagster's own events tell what it already has. So nothing is reported twice, whether a run, the
sensor or the command reported it first.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import NamedTuple

import duckdb
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

import dagster as dg
from pulltasks import config
from pulltasks.errors import NoWarehouse, PulltasksError
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import Manifest, read_if_valid
from pulltasks.lake.tidy import read_verdicts
from pulltasks.run.results import RunResult
from pulltasks.settings import Settings
from pulltasks.tables import CAPTURES, TABLES
from pulltasks.warehouse.build.open_tables import read_latest
from pulltasks.warehouse.build.publish import all_passed, as_published
from pulltasks.warehouse.build.template import rules_of
from pulltasks.warehouse.read.published import open_file, published_file
from pulltasks.warehouse.read.status import read_newest_day
from pulltasks.warehouse.sql.models import load_models
from pulltasks.words import counted
from pulltasks_dagster.captures import known
from pulltasks_dagster.daily import Event, evaluation
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.models import built, shown_models
from pulltasks_dagster.tidy import VERSION, tidied, version_of
from pulltasks_dagster.warehouse import build_of, cross_checked, published

# A tick must end within a minute, and Dagster stores each event by itself.
MOST_EVENTS = 200
INTERVAL_SECONDS = 60
USAGE = 2  # the exit code of a wrong configuration
MADE_ELSEWHERE = "found in the lake; made outside Dagster"


class Group(NamedTuple):
    """Events that are reported together: those of a day, or of the published build; `at` is when it was made."""

    events: list[Event]
    partition: str | None
    at: datetime


def history_sensor(settings: Settings, keys: Keys) -> dg.SensorDefinition:
    """Return the sensor that reports what was made elsewhere; its cursor is the state of the lake at its last look."""

    @dg.sensor(
        name="lake_history",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Shows captures, tidy days and published tables that the command line or cron made.",
    )
    def lake_history(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        state = state_of(Lake(settings.lake.root))
        if state == context.cursor:
            return dg.SensorResult(skip_reason="nothing in the lake has changed", cursor=state)
        if is_running(context.instance):
            return dg.SensorResult(skip_reason="a run is writing; it reports itself", cursor=context.cursor)
        try:
            events, is_all = report_history(context.instance, settings, keys)
        except PulltasksError as error:
            return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
        more = "" if is_all else "; the next tick continues"
        return dg.SensorResult(
            skip_reason=f"{events} events of the lake are shown now{more}", cursor=state if is_all else context.cursor
        )

    return lake_history


def state_of(lake: Lake) -> str:
    """Return a hash that changes with the manifests and the published build."""
    try:
        manifests = sorted((file.name, file.stat().st_mtime_ns) for file in os.scandir(lake.manifests))
    except OSError:
        manifests = []
    return hashlib.sha256(repr((manifests, build_of(lake.published))).encode()).hexdigest()


def is_running(instance: dg.DagsterInstance) -> bool:
    """Tell whether a run is under way: its files are there before its events."""
    return bool(instance.get_run_ids(dg.RunsFilter(statuses=list(IN_PROGRESS_RUN_STATUSES)), limit=1))


def report_history(
    instance: dg.DagsterInstance, settings: Settings, keys: Keys, most: int = MOST_EVENTS
) -> tuple[int, bool]:
    """Report what Dagster does not have yet; return the number of events, and whether nothing is left.

    Whole groups are reported, so that an end in between repeats at most one.
    """
    lake = Lake(settings.lake.root)
    # Dagster hides what lies before the wipe of an asset.
    wipes = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_WIPED)
    wiped = instance.event_log_storage.get_event_records(wipes, limit=1)
    earliest = wiped[0].timestamp + 1 if wiped else 0
    done = 0
    for group in _groups(instance, settings, keys, lake):
        if done and done + len(group.events) > most:
            return done, False
        for event in group.events:
            _store(instance, event, group.partition, max(group.at.timestamp(), earliest))
        done += len(group.events)
    return done, True


def _groups(instance: dg.DagsterInstance, settings: Settings, keys: Keys, lake: Lake) -> Iterator[Group]:
    new = dict(_new_days(instance, keys, lake))
    verdicts = read_verdicts(lake, list(new))
    for day, (manifest, tables) in new.items():
        ended = [each.finished_at for each in verdicts.get(day, ()) if each.finished_at]
        made_at = datetime.fromtimestamp(lake.manifest_file(day).stat().st_mtime, UTC)
        of_capture = (
            known(keys, day, verdicts.get(day), len(lake.raw_files(day)), "by a run outside Dagster")
            if CAPTURES.name in tables
            else ()
        )
        wanted = {keys.of(f"tidy.{name}") for name in tables}
        of_tables = (event for event in tidied(keys, manifest, lake) if event.asset_key in wanted)
        yield Group([*of_capture, *of_tables], str(day), max(ended, default=made_at))
    yield from _published(instance, settings, keys, lake)


def _new_days(instance: dg.DagsterInstance, keys: Keys, lake: Lake) -> Iterator[tuple[date, tuple[Manifest, set[str]]]]:
    """Yield the days with tidy tables of which Dagster has none or an older file, each with these tables."""
    storage, kind = instance.event_log_storage, dg.DagsterEventType.ASSET_MATERIALIZATION
    of_table = {table.name: keys.of(f"tidy.{table.name}") for table in TABLES}
    held = {name: instance.get_materialized_partitions(key) for name, key in of_table.items()}
    versions = {
        name: storage.get_latest_tags_by_partition(key, kind, [DATA_VERSION_TAG]) for name, key in of_table.items()
    }
    for day in lake.tidy_dates():
        manifest = read_if_valid(lake.manifest_file(day))
        new = set()
        for name, entry in manifest.tables.items() if manifest else ():
            version = versions[name].get(str(day), {}).get(DATA_VERSION_TAG, "")
            # A day that an earlier version of this program materialised has another kind of version, and is known.
            if str(day) not in held[name] or (version.startswith(VERSION) and version != version_of(entry)):
                new.add(name)
        if manifest and new:
            yield day, (manifest, new)


def _published(instance: dg.DagsterInstance, settings: Settings, keys: Keys, lake: Lake) -> Iterator[Group]:
    """Yield the published tables, file, open tables and page, if Dagster has another build.

    A file of an earlier version has other tables, so it is left to the next run, which publishes another.
    """
    last = instance.get_latest_materialization_event(keys.warehouse)
    held = last.asset_materialization.tags or {} if last and last.asset_materialization else {}
    try:
        file = published_file(lake.published)
        if held.get(DATA_VERSION_TAG) == build_of(file):
            return
        models = load_models()
        with open_file(file) as connection:
            ((rules,),) = connection.execute("select rules from meta_build").fetchall()
            if not rules.startswith(rules_of(models)):
                return
            status = read_newest_day(connection)
        events: list[Event] = [
            built(keys, each) for each in as_published(file, models, [model.name for model in shown_models(models)])
        ]
    except (NoWarehouse, duckdb.Error):
        return
    latest = read_latest(lake)
    result = RunResult(
        captures=(),
        built_days=(),
        damaged_days=(),
        published=lake.published,
        status=status,
        surprises=(),
        is_complete=status.is_complete,
        dashboard=lake.dashboard if settings.dashboard.enabled and lake.dashboard.is_file() else None,
        tables=latest if settings.publish.tables and latest and build_of(file).endswith(latest.version) else None,
    )
    built_at = status.built_at.replace(tzinfo=UTC)
    events += [*cross_checked(keys, all_passed(models)), *published(keys, settings, result, (), built_at)]
    yield Group(events, None, built_at)


def _store(instance: dg.DagsterInstance, event: Event, partition: str | None, at: float) -> None:
    """Store an event under the time at which it was made, so that ages and plots are right."""
    if isinstance(event, dg.AssetCheckResult):
        kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
        data: dg.AssetCheckEvaluation | StepMaterializationData = evaluation(event)
    else:
        version = {DATA_VERSION_TAG: event.data_version.value} if event.data_version else {}
        shown = dg.AssetMaterialization(
            event.asset_key or [],
            metadata={**(event.metadata or {}), "reported": MADE_ELSEWHERE},
            partition=partition,
            tags={**(event.tags or {}), **version},
        )
        kind, data = dg.DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(shown)
    instance.report_dagster_event(
        DagsterEvent(kind.value, RUNLESS_JOB_NAME, event_specific_data=data),
        run_id=RUNLESS_RUN_ID,
        timestamp=at,
    )


def main() -> int:
    """Report all that Dagster does not have yet, before the UI opens; return the exit code."""
    try:
        settings = config.load(None, need_targets=False)
        with dg.DagsterInstance.get() as instance:
            is_all, total = False, 0
            while not is_all:
                done, is_all = report_history(instance, settings, Keys(settings.lake.name))
                total += done
    except PulltasksError as error:
        print(error, file=sys.stderr)
        return USAGE
    if total:
        print(f"Dagster shows {settings.lake.root} now: {counted(total, 'event')} of runs that it did not make")
    return 0


if __name__ == "__main__":
    sys.exit(main())
