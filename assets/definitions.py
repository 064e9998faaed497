"""All that Dagster is told, put together by one function.

Lives here: `build_defs` and the `defs` that `workspace.yaml` points at.
Does not live here: the assets themselves.
"""

from pathlib import Path

import dagster as dg

from assets.captures import capture_asset
from assets.compaction import CLOSED_MONTHS, compaction_asset
from assets.models import model_assets, warehouse_asset
from assets.partitions import daily_partitions, monthly_partitions
from assets.resources import workplace
from assets.schedules import daily_schedule, monthly_schedule
from assets.sensors import alert_sensors
from assets.tidy import tidy_assets
from pipelines import config
from pipelines.models import load_models

JOB = "daily_snapshot"
MONTHLY_JOB = "monthly_compaction"


def build_defs(config_file: Path | None = None) -> dg.Definitions:
    """Definitions for one configuration; without a file everything loads, and runs say what is missing.

    Raises:
        ConfigError: when the configuration is there and cannot be used.
    """
    settings = config.load(config_file, need_targets=False)
    partitions = daily_partitions(settings.timezone)
    models = load_models()
    assets = [
        capture_asset(partitions),
        tidy_assets(partitions),
        model_assets(models, partitions),
        warehouse_asset(models, partitions, page=settings.dashboard.enabled, max_age=settings.alerts.max_age),
        compaction_asset(monthly_partitions(settings.timezone)),
    ]
    job = dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(CLOSED_MONTHS),
        executor_def=dg.in_process_executor,
        description="Capture today, normalise, build the models, check, publish.",
    )
    monthly_job = dg.define_asset_job(
        MONTHLY_JOB,
        selection=dg.AssetSelection.assets(CLOSED_MONTHS),
        executor_def=dg.in_process_executor,
        description="Write a closed month of each tidy table as one sorted file.",
    )
    return dg.Definitions(
        assets=assets,
        jobs=[job, monthly_job],
        schedules=[daily_schedule(JOB, settings), monthly_schedule(MONTHLY_JOB, settings)],
        sensors=alert_sensors(settings, job, monthly_job),
        resources={"workplace": workplace.configured({"config_file": str(config_file or "")})},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `workspace.yaml` loads: the configuration of the working folder."""
    return build_defs()
