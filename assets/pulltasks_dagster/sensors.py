"""Alarms after runs, and hourly without one.

Lives here: the sensors that call the same function as the command line; the failures of a run as Dagster stored them.
Does not live here: the rules for alarms, and sending them (pulltasks.alerts).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
from pulltasks.alerts.notify import announce
from pulltasks.alerts.rules import RUN_ENDED, Failure
from pulltasks.clock import Clock
from pulltasks.settings import Settings
from pulltasks_dagster.captures import FAILURES
from pulltasks_dagster.keys import Keys

HOUR_SECONDS = 3600


def alert_sensors(
    settings: Settings, keys: Keys, clock: Clock, daily_job: Any, monthly_job: Any
) -> list[dg.SensorDefinition]:
    """Return the sensors that send alarms; they are running by default if a receiver is set.

    Args:
        settings: the receivers, the lake.
        keys: the asset keys.
        clock: the time.
        daily_job: the result of `define_asset_job`, whose type Dagster does not export.
        monthly_job: likewise.
    """

    def send(failures: Sequence[Failure] = (), *, has_run: bool = True) -> dg.SkipReason:
        """Send the alarms that are due; the tick shows whether that worked, as no sensor requests a run."""
        # Two assets of a run store the same failures.
        trouble = announce(settings, clock.now(), list(dict.fromkeys(failures)), has_run=has_run)
        return dg.SkipReason(trouble or "nothing is left to report")

    status = dg.DefaultSensorStatus.RUNNING if settings.alerts.are_sent else dg.DefaultSensorStatus.STOPPED

    @dg.run_failure_sensor(
        name="alert_on_failure",
        monitored_jobs=[daily_job, monthly_job],
        default_status=status,
        description="A run failed: sends which targets are not complete, or why nothing was published.",
    )
    def alert_on_failure(context: dg.RunFailureSensorContext) -> dg.SkipReason:
        return send([*_failures_beside(keys, context), *_failures_of(keys, context)])

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="alert_on_success",
        monitored_jobs=[daily_job],
        default_status=status,
        description="A run succeeded: sends unexpected content of the answers.",
    )
    def alert_on_success(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        return send(list(_failures_beside(keys, context)))

    @dg.sensor(
        name="alert_on_age",
        minimum_interval_seconds=HOUR_SECONDS,
        default_status=status,
        description="Hourly, without any run: sends what is older than alerts.max_age and alerts.max_target_age allow.",
    )
    def alert_on_age(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        return send(has_run=False)

    return [alert_on_failure, alert_on_success, alert_on_age]


def _materialisation(context: dg.RunStatusSensorContext, key: dg.AssetKey) -> dg.AssetMaterialization | None:
    """Return the materialisation of an asset in a run, or None if the run did not reach it."""
    records = context.instance.get_records_for_run(
        context.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    ).records
    found = [record.event_log_entry.asset_materialization for record in records]
    return next((each for each in found if each is not None and each.asset_key == key), None)


def _failures_beside(keys: Keys, context: dg.RunStatusSensorContext) -> Iterator[Failure]:
    """Yield the failures of a run beside its targets, from the metadata of its assets."""
    for key in (keys.raw_captures, keys.warehouse):
        event = _materialisation(context, key)
        stored = event.metadata.get(FAILURES) if event else None
        value: Any = stored.value if isinstance(stored, dg.JsonMetadataValue) else None
        for failure in value or []:
            yield Failure(failure["reason"], failure["text"])


def _failures_of(keys: Keys, context: dg.RunFailureSensorContext) -> list[Failure]:
    """Return a failed run as a failure, with our own message if one ended it; other texts may have secrets.

    A run that published stores its failures itself, so nothing is returned for it.
    """
    run = context.dagster_run
    if _materialisation(context, keys.warehouse):
        return []
    for message in _messages(context):
        return [Failure(run.job_name, RUN_ENDED.format(text=message))]
    return [Failure(run.job_name, f"run {run.run_id} of {run.job_name} failed; its log in Dagster has the cause")]


def _messages(context: dg.RunFailureSensorContext) -> Iterator[str]:
    """Yield the texts of failures that `reported_as_failure` raised."""
    events = [*context.get_step_failure_events(), context.failure_event]
    for event in events:
        error = event.step_failure_data.error if event.is_step_failure else event.job_failure_data.error
        if error and error.cls_name == dg.Failure.__name__:
            yield error.message
