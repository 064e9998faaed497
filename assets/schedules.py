"""When the daily job runs.

Lives here: one schedule, hourly from the configured hour on; a tick that finds all complete asks for nothing.
Does not live here: what the job does.
"""

from zoneinfo import ZoneInfo

import dagster as dg

from pipelines.config import Settings
from pipelines.coverage import is_day_complete
from pipelines.lake import Lake

LAST_HOUR = 23


def daily_schedule(job_name: str, settings: Settings) -> dg.ScheduleDefinition:
    """The schedule of a daily job; later ticks of a day fetch only what is still missing."""
    zone = ZoneInfo(settings.timezone)

    @dg.schedule(
        name="daily_snapshot",
        job_name=job_name,
        cron_schedule=f"0 {settings.schedule.hour}-{LAST_HOUR} * * *",
        execution_timezone=settings.timezone,
        description="Hourly from the daily hour on; does nothing once every target is complete.",
    )
    def daily_snapshot(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time.astimezone(zone)
        if is_day_complete(Lake(settings.lake.root), tick.date(), {target.key for target in settings.targets}):
            return dg.SkipReason(f"{tick.date()}: every target is complete")
        return dg.RunRequest(run_key=f"{tick:%Y-%m-%dT%H}", partition_key=str(tick.date()))

    return daily_snapshot
