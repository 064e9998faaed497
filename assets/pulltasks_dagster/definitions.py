"""The definitions for Dagster, built by one function.

Lives here: `build_defs`, and `defs`, which `workspace.yaml` loads.
Does not live here: the assets themselves.
"""

import re
import uuid
import warnings
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
from pulltasks import config
from pulltasks.clock import Clock
from pulltasks.warehouse.sql.models import load_models
from pulltasks_dagster.compaction import compaction_asset
from pulltasks_dagster.daily import RETRY, daily_assets
from pulltasks_dagster.history import history_sensor
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.partitions import daily_partitions, first_day, monthly_partitions
from pulltasks_dagster.schedules import daily_schedule, monthly_schedule
from pulltasks_dagster.sensors import alert_sensors

JOB = "daily_snapshot"
MONTHLY_JOB = "monthly_compaction"
# The longest value that Dagster allows.
MAX_TAG = 63
CLOCK = Clock(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()))


def build_defs(
    config_file: Path | None = None, *, first: date | None = None, clock: Clock = CLOCK, retry: dg.RetryPolicy = RETRY
) -> dg.Definitions:
    """Return the definitions for one configuration; without a file everything loads, and runs report what is missing.

    Args:
        config_file: the configuration; by default `pulltasks.toml`.
        first: the first partition, for simulated dates; by default the lake's first day.
        clock: time and identifiers.
        retry: the retries of a failed step.

    Raises:
        ConfigError: when there is a configuration and it cannot be used.
    """
    settings = config.load(config_file, need_targets=False)
    keys = Keys(settings.lake.name)
    first = first or first_day(settings, clock.now())
    partitions = daily_partitions(first, settings.timezone)
    # By this tag an instance runs only one run per lake at a time (deploy/dagster).
    tags = {"pulltasks/lake": tag_of(settings.lake.root)}
    job = dg.define_asset_job(
        JOB,
        # Without planned checks, Dagster does not show a check as failed that the run did not reach.
        selection=(dg.AssetSelection.all() - dg.AssetSelection.assets(keys.closed_months)).without_checks(),
        executor_def=dg.in_process_executor,
        description="Capture today, normalise, build the models, check, publish, close months.",
        tags=tags,
    )
    monthly_job = dg.define_asset_job(
        MONTHLY_JOB,
        selection=dg.AssetSelection.assets(keys.closed_months),
        executor_def=dg.in_process_executor,
        description="Show a closed month, and close months and remove old raw files as each daily run does.",
        tags=tags,
    )
    with warnings.catch_warnings():
        # Dagster warns that code references may change; its version is fixed to a minor one.
        warnings.simplefilter("ignore", dg.BetaWarning)
        daily = daily_assets(settings, keys, load_models(), partitions, clock, retry)
    return dg.Definitions(
        assets=[
            daily,
            compaction_asset(settings, keys, monthly_partitions(first, settings.timezone), clock, retry),
        ],
        jobs=[job, monthly_job],
        schedules=[daily_schedule(JOB, settings), monthly_schedule(MONTHLY_JOB, settings)],
        sensors=[*alert_sensors(settings, keys, clock, job, monthly_job), history_sensor(settings, keys)],
        executor=dg.in_process_executor,
    )


def tag_of(root: Path) -> str:
    """Return the lake's path as the value of a tag: only allowed characters, and at most `MAX_TAG` of them."""
    text = re.sub(r"[^A-Za-z0-9._-]+", "-", str(root.absolute())).strip("-._")
    # The end of a path distinguishes lakes better than its begin.
    return text[-MAX_TAG:].strip("-._") or "lake"


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions for the configuration in the working folder."""
    return build_defs()
