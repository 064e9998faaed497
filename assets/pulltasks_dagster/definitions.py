"""All that Dagster is told, put together by one function.

Lives here: `build_defs` and the `defs` that `workspace.yaml` points at.
Does not live here: the assets themselves.
"""

import re
import uuid
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
from pulltasks import config
from pulltasks.clock import Clock
from pulltasks.warehouse.sql.models import load_models
from pulltasks_dagster.compaction import compaction_asset
from pulltasks_dagster.daily import RETRY, daily_assets
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.partitions import daily_partitions, first_day, monthly_partitions
from pulltasks_dagster.schedules import daily_schedule, monthly_schedule
from pulltasks_dagster.sensors import alert_sensors

JOB = "daily_snapshot"
MONTHLY_JOB = "monthly_compaction"
MAX_TAG = 63
CLOCK = Clock(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()))


def build_defs(
    config_file: Path | None = None, *, first: date | None = None, clock: Clock = CLOCK, retry: dg.RetryPolicy = RETRY
) -> dg.Definitions:
    """Definitions for one configuration; without a file everything loads, and runs say what is missing.

    Args:
        config_file: default `pulltasks.toml`.
        first: the day that partitions begin with, for simulated dates; default the lake's first one.
        clock: time and identifiers.
        retry: when a step that failed is tried again.

    Raises:
        ConfigError: when the configuration is there and cannot be used.
    """
    settings = config.load(config_file, need_targets=False)
    keys = Keys(settings.lake.name)
    first = first or first_day(settings, clock.now())
    partitions = daily_partitions(first, settings.timezone)
    # an instance lets one run of a lake go at a time by this (deploy/dagster)
    tags = {"pulltasks/lake": tag_of(settings.lake.root)}
    job = dg.define_asset_job(
        JOB,
        # a check that a run does not come to is not shown as failed where the run did not plan it
        selection=(dg.AssetSelection.all() - dg.AssetSelection.assets(keys.closed_months)).without_checks(),
        executor_def=dg.in_process_executor,
        description="Capture today, normalise, build the models, check, publish.",
        tags=tags,
    )
    monthly_job = dg.define_asset_job(
        MONTHLY_JOB,
        selection=dg.AssetSelection.assets(keys.closed_months),
        executor_def=dg.in_process_executor,
        description="Write a closed month of each tidy table as one sorted file.",
        tags=tags,
    )
    return dg.Definitions(
        assets=[
            daily_assets(settings, keys, load_models(), partitions, clock, retry),
            compaction_asset(settings, keys, monthly_partitions(first, settings.timezone), clock, retry),
        ],
        jobs=[job, monthly_job],
        schedules=[daily_schedule(JOB, settings), monthly_schedule(MONTHLY_JOB, settings)],
        sensors=alert_sensors(settings, keys, clock, job, monthly_job),
        executor=dg.in_process_executor,
    )


def tag_of(root: Path) -> str:
    """The lake as a tag's value: its path, without what a tag may not have, and no longer than one may be."""
    text = re.sub(r"[^A-Za-z0-9._-]+", "-", str(root.absolute())).strip("-._")
    return text[-MAX_TAG:].strip("-._") or "lake"


@dg.definitions
def defs() -> dg.Definitions:
    """What `workspace.yaml` loads: the configuration of the working folder."""
    return build_defs()
