"""Alarms after runs, and without one.

Lives here: when Dagster calls the function that the command line calls too; what it knows of how a run ended.
Does not live here: what an alarm is, and how it is sent (pulltasks.alerts).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
from pulltasks.alerts.notify import announce
from pulltasks.alerts.rules import RUN_ENDED, Failure
from pulltasks.clock import Clock
from pulltasks.settings import Settings
from pulltasks_dagster.captures import TOLD
from pulltasks_dagster.keys import Keys

HOUR_SECONDS = 3600


def alert_sensors(
    settings: Settings, keys: Keys, clock: Clock, daily_job: Any, monthly_job: Any
) -> list[dg.SensorDefinition]:
    """The sensors that send alarms; they run by themselves once a webhook is set.

    Args:
        settings: the webhook, the lake.
        keys: what assets are called.
        clock: the time.
        daily_job: what `define_asset_job` gave, which Dagster has no public name for.
        monthly_job: likewise.
    """

    def tell(failures: Sequence[Failure] = (), *, has_run: bool = True) -> dg.SkipReason:
        """No sensor asks for a run; its tick says whether all could be told."""
        told = announce(settings, clock.now(), list(dict.fromkeys(failures)), has_run=has_run)
        return dg.SkipReason(told or "nothing is left to be told")

    status = dg.DefaultSensorStatus.RUNNING if settings.alerts.are_sent else dg.DefaultSensorStatus.STOPPED

    @dg.run_failure_sensor(
        name="alert_on_failure",
        monitored_jobs=[daily_job, monthly_job],
        default_status=status,
        description="A run failed: sends which targets are not complete, or why nothing was published.",
    )
    def alert_on_failure(context: dg.RunFailureSensorContext) -> dg.SkipReason:
        return tell([*_told(keys, context), *_failures_of(keys, context)])

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="alert_on_success",
        monitored_jobs=[daily_job],
        default_status=status,
        description="A run succeeded: sends what in the answers was not expected.",
    )
    def alert_on_success(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        return tell(list(_told(keys, context)))

    @dg.sensor(
        name="alert_on_age",
        minimum_interval_seconds=HOUR_SECONDS,
        default_status=status,
        description="Hourly, without any run: sends what is older than alerts.max_age and alerts.max_target_age allow.",
    )
    def alert_on_age(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        return tell(has_run=False)

    return [alert_on_failure, alert_on_success, alert_on_age]


def _made(context: dg.RunStatusSensorContext, key: dg.AssetKey) -> dg.AssetMaterialization | None:
    """The materialisation of an asset in a run, if it went as far."""
    records = context.instance.get_records_for_run(
        context.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    ).records
    made = [record.event_log_entry.asset_materialization for record in records]
    return next((each for each in made if each is not None and each.asset_key == key), None)


def _told(keys: Keys, context: dg.RunStatusSensorContext) -> Iterator[Failure]:
    """The failures of a run beside its targets, as far as it went."""
    for key in (keys.raw_captures, keys.warehouse):
        made = _made(context, key)
        told = made.metadata.get(TOLD) if made else None
        value: Any = told.value if isinstance(told, dg.JsonMetadataValue) else None
        for failure in value or []:
            yield Failure(failure["reason"], failure["text"])


def _failures_of(keys: Keys, context: dg.RunFailureSensorContext) -> list[Failure]:
    """Our own message, where one of ours ended the run; the text of any other error may hold anything.

    A run that published has no failure beside what it tells itself.
    """
    run = context.dagster_run
    if _made(context, keys.warehouse):
        return []
    for message in _messages(context):
        return [Failure(run.job_name, RUN_ENDED.format(text=message))]
    return [Failure(run.job_name, f"run {run.run_id} of {run.job_name} failed; its log in Dagster says why")]


def _messages(context: dg.RunFailureSensorContext) -> Iterator[str]:
    """The texts that `told_as_failure` let a step fail with."""
    events = [*context.get_step_failure_events(), context.failure_event]
    for event in events:
        error = event.step_failure_data.error if event.is_step_failure else event.job_failure_data.error
        if error and error.cls_name == dg.Failure.__name__:
            yield error.message
