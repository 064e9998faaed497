"""A day's run as one step, any part of which can be selected alone.

Lives here: the selected parts of a run, its steps as events, failures and retries of the step.
Does not live here: the order of the steps (pulltasks.run.order), the metadata of each asset (its module).
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import dagster as dg
from pulltasks.alerts.rules import Failure
from pulltasks.capture.day import CaptureOptions
from pulltasks.clock import Clock
from pulltasks.lake.error_reports import reporter
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import read_if_valid
from pulltasks.run.order import Step, may_try_again, partition_steps, steps_without_day
from pulltasks.run.report import failed_attempts, what_is_wrong
from pulltasks.run.results import Captured, Kept, Parts, RunResult, Skipped, Tidied
from pulltasks.run.steps import Run, opened
from pulltasks.settings import Settings
from pulltasks.tables import TABLES
from pulltasks.warehouse.build.publish import Built, CrossChecked
from pulltasks.warehouse.sql.models import Models
from pulltasks_dagster.captures import capture_check_spec, capture_spec, captured, kept, known
from pulltasks_dagster.failures import reported_as_failure
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.models import built, model_specs, shown_models
from pulltasks_dagster.tidy import tidied, tidy_specs, without_files
from pulltasks_dagster.warehouse import cross_checked, published, warehouse_check_specs, warehouse_specs

Event = dg.MaterializeResult | dg.AssetCheckResult

SNAPSHOT = "snapshot"
# The schedule tries again within the hour anyway: these retries are for troubles that pass within minutes.
RETRY = dg.RetryPolicy(max_retries=2, delay=300)
NO_PARTITION = (
    "this run has no partition, and raw captures and tidy tables have one per day; launch it again for one: {today} "
    "lists the targets now, an earlier day is rebuilt from its raw files"
)


class CaptureConfig(dg.Config):
    """The configuration of a run in Dagster's launchpad."""

    refresh: bool = False
    # PROJECT_ID/REGION of targets whose listing counts today even if it lost many tasks
    accept_drop: list[str] = []  # noqa: RUF012 - a field of pydantic, copied for each run
    simulated: bool = False


def daily_assets(
    settings: Settings,
    keys: Keys,
    models: Models,
    partitions: dg.PartitionsDefinition[str],
    clock: Clock,
    retry: dg.RetryPolicy,
) -> dg.AssetsDefinition:
    """Return all assets of a day as one step, because a step per asset costs more than most assets."""

    @dg.multi_asset(
        name=SNAPSHOT,
        specs=[
            capture_spec(keys, partitions, settings.alerts.limits),
            *tidy_specs(keys, partitions),
            *model_specs(keys, models),
            *warehouse_specs(keys, models, settings),
        ],
        check_specs=[capture_check_spec(keys), *warehouse_check_specs(keys, models)],
        can_subset=True,
        retry_policy=retry,
    )
    def snapshot(context: dg.AssetExecutionContext, config: CaptureConfig) -> Iterator[Event]:
        if not context.selected_asset_keys:
            context.log.warning("a check runs only with its asset: materialise the asset for a day")
            return
        day = date.fromisoformat(context.partition_key) if context.has_partition_key else None
        failures: list[Failure] = []
        progress = _Progress(context.log)
        lake = Lake(settings.lake.root)
        may_retry = context.retry_number < retry.max_retries
        parts = _parts(keys, context.selected_asset_keys, models)
        with reported_as_failure(reporter(lake), lambda: progress.step, may_retry=may_retry) as fail:
            today = settings.today(clock.now())
            if day is None and (parts.capture or parts.tidy):
                fail(NO_PARTITION.format(today=today), may_pass=False)
            with opened(settings, clock, "dagster", progress, failures.append) as run:
                if day and (parts.capture or parts.tidy):
                    steps = partition_steps(run, day, _options(context, config), parts)
                else:
                    steps = steps_without_day(run, parts)
                yield from _selected(context, _events(keys, steps, lake, context.log))
                result = run.result(day or today)
            if result:
                for text in (*result.damaged_days, *result.surprises):
                    context.log.warning(text)
                yield from _selected(context, published(keys, settings, result, tuple(failures), clock.now()))
            if lines := _wrong(run, result, parts, settings.timezone):
                fail("\n".join(lines), may_pass=may_try_again(run.found.captures))

    return snapshot


def _options(context: dg.AssetExecutionContext, config: CaptureConfig) -> CaptureOptions:
    # The run began when Dagster launched it: one that waits past midnight keeps its date.
    record = context.instance.get_run_record_by_id(context.run.run_id)
    split = [name.partition("/") for name in config.accept_drop]
    return CaptureOptions(
        refresh=config.refresh,
        accept_drop={(project_id, region) for project_id, _, region in split},
        simulated=config.simulated,
        began_at=datetime.fromtimestamp(record.start_time, UTC) if record and record.start_time else None,
    )


def _parts(keys: Keys, selected: set[dg.AssetKey], models: Models) -> Parts:
    return Parts(
        capture=keys.raw_captures in selected,
        tidy=any(keys.of(f"tidy.{table.name}") in selected for table in TABLES),
        models=frozenset(model.name for model in shown_models(models) if keys.of(model.name) in selected),
        publish=keys.warehouse in selected,
        page=keys.dashboard in selected,
        tables=keys.open_tables in selected,
        backup=keys.backup in selected,
    )


def _events(keys: Keys, steps: Iterator[Step], lake: Lake, log: dg.DagsterLogManager) -> Iterator[Event]:
    """Yield the Dagster events of each step."""
    for step in steps:
        match step:
            case Captured():
                yield from captured(keys, step)
            case Kept():
                yield from kept(keys, lake, step.day)
            case Tidied():
                yield from tidied(keys, step.manifest, lake)
            case Built():
                yield built(keys, step)
            case CrossChecked():
                yield from cross_checked(keys, step)
            case Skipped():
                log.warning(step.reason)
                yield from _skipped(keys, step, lake)


def _skipped(keys: Keys, step: Skipped, lake: Lake) -> Iterator[Event]:
    """Yield the events of a day without raw files: what its tables hold, if it has some."""
    if step.day:
        manifest = read_if_valid(lake.manifest_file(step.day))
        yield from kept(keys, lake, step.day) if manifest else known(keys, step.day, None, 0, step.reason)
        yield from tidied(keys, manifest, lake) if manifest else without_files(keys, step.reason)


def _selected(context: dg.AssetExecutionContext, events: Iterator[Event]) -> Iterator[Event]:
    """Yield the events of selected assets, and log checks that the run did not plan.

    Dagster warns about an unplanned check that a step yields, so those are logged. A logged event reaches Dagster with
    the next yielded one, so each materialisation is held back until the checks after it are logged.
    """
    held: dg.MaterializeResult | None = None
    try:
        for event in events:
            if event.asset_key not in context.selected_asset_keys:
                continue
            if isinstance(event, dg.MaterializeResult):
                if held:
                    yield held
                held = event
            elif _key(event) in context.selected_asset_check_keys:
                if held:
                    yield held
                    held = None
                yield event
            else:
                context.log_event(evaluation(event))
    except Exception:  # raised again below
        # The asset was materialised before the error, so its event must not be lost.
        if held:
            yield held
        raise
    if held:
        yield held


def evaluation(check: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    """Return the result of a check as an event that no step plans."""
    return dg.AssetCheckEvaluation(
        asset_key=_key(check).asset_key,
        check_name=_key(check).name,
        passed=check.passed,
        metadata=check.metadata,
        severity=check.severity,
        description=check.description,
    )


def _key(check: dg.AssetCheckResult) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(dg.AssetKey.from_coercible(check.asset_key or []), check.check_name or "")


def _wrong(run: Run, result: RunResult | None, parts: Parts, timezone: str) -> list[str]:
    """Return the lines with which the step fails, if any, by the same rules as the command line's exit code.

    A run that asked no target does not fail because of one: what is not complete on the newest day is not of its day,
    and the check `all_targets_complete` shows it.
    """
    found = run.found
    if result and parts.publish and found.captures:
        return [] if result.is_complete else what_is_wrong(result, timezone)
    return [*failed_attempts(found.captures), *found.damaged, *(trouble.text for trouble in found.troubles)]


class _Progress:
    """Logs the progress of a run: one line per tenth of a step, whatever its number of parts."""

    def __init__(self, log: dg.DagsterLogManager) -> None:
        self.step = "opening the lake"
        self._log: Callable[[str], None] = log.info
        self._total = 0
        self._done = 0

    def started(self, run_id: str) -> None:
        self._log(f"run {run_id}")

    def remark(self, note: str) -> None:
        self._log(note)

    def under_way(self, note: str) -> None:
        """Ignore single pages: they are too many for a log."""

    def begin(self, step: str, total: int) -> None:
        self.step, self._total, self._done = step, total, 0

    def advance(self, note: str, *, is_good: bool = True) -> None:  # noqa: ARG002 - the end of the run reports failures
        before, self._done = self._done, self._done + 1
        if self._total and self._done * 10 // self._total > before * 10 // self._total:
            self._log(f"{self.step}: {self._done} of {self._total}, {note}")
