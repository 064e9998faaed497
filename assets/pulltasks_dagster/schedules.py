"""The schedules of the jobs.

Lives here: the daily schedule, hourly from the configured hour on, whose ticks skip if every target is complete; the
monthly one.
Does not live here: the work of the jobs (daily, compaction).
"""

from datetime import timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from pulltasks.lake.lake import Lake
from pulltasks.settings import Settings
from pulltasks.warehouse.read.status import is_day_complete

LAST_HOUR = 23
# The runs of a month's first day have closed the month before; it is shown on the second, between two ticks of the
# daily schedule, because only one run at a time may write.
MONTHLY_DAY, MONTHLY_MINUTE = 2, 30


def _status(settings: Settings) -> dg.DefaultScheduleStatus:
    """Return the default status: running if there is a target, because a missed day cannot be captured later."""
    is_on = settings.targets and settings.schedule.enabled
    return dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED


def daily_schedule(job_name: str, settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule of the daily job; later ticks of a day only list targets that are still missing."""
    zone = ZoneInfo(settings.timezone)

    @dg.schedule(
        name="daily_snapshot",
        job_name=job_name,
        cron_schedule=f"0 {settings.schedule.hour}-{LAST_HOUR} * * *",
        execution_timezone=settings.timezone,
        description="Hourly from the daily hour on; does nothing once every target is complete.",
        default_status=_status(settings),
    )
    def daily_snapshot(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time.astimezone(zone)
        if is_day_complete(Lake(settings.lake.root), tick.date(), {target.key for target in settings.targets}):
            return dg.SkipReason(f"{tick.date()}: every target is complete")
        # One key per hour: a daemon that restarts does not start the run of this hour twice.
        return dg.RunRequest(run_key=f"{tick:%Y-%m-%dT%H}", partition_key=str(tick.date()))

    return daily_snapshot


def monthly_schedule(job_name: str, settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule of the job that shows the previous month, which the daily job has compacted."""

    @dg.schedule(
        name="monthly_compaction",
        job_name=job_name,
        cron_schedule=f"{MONTHLY_MINUTE} {settings.schedule.hour} {MONTHLY_DAY} * *",
        execution_timezone=settings.timezone,
        description="On the second day of a month: shows the month before, which a daily run has closed.",
        default_status=_status(settings),
    )
    def monthly_compaction(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        tick = context.scheduled_execution_time.astimezone(ZoneInfo(settings.timezone)).date()
        month = (tick.replace(day=1) - timedelta(days=1)).replace(day=1)
        return dg.RunRequest(run_key=f"{month:%Y-%m}", partition_key=str(month))

    return monthly_compaction
