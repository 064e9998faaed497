"""Run the Dagster job `daily_snapshot` for today, in this process with its own instance; print the number of events.

With --empty N, run a job of N assets that does nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import JobDefinition


def daily_job(config: Path) -> JobDefinition:
    """Return the daily job of the project."""
    from pulltasks_dagster.definitions import JOB, build_defs

    return build_defs(config).resolve_job_def(JOB)


def empty_job(assets: int) -> JobDefinition:
    """Return a job with this number of empty assets, which is one step like the real job."""
    import dagster as dg

    days = dg.DailyPartitionsDefinition("2026-01-01", end_offset=1)
    keys = [f"asset_{number}" for number in range(assets)]

    @dg.multi_asset(specs=[dg.AssetSpec(key, partitions_def=days) for key in keys])
    def nothing():
        yield from (dg.MaterializeResult(key) for key in keys)

    job = dg.define_asset_job("empty", selection=dg.AssetSelection.all())
    return dg.Definitions(assets=[nothing], jobs=[job]).resolve_job_def("empty")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--empty", type=int, metavar="ASSETS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DAGSTER_HOME"] = home
        (Path(home) / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
        import dagster as dg

        job = empty_job(options.empty) if options.empty else daily_job(options.config)
        with dg.DagsterInstance.get() as instance:
            result = job.execute_in_process(
                partition_key=str(datetime.now(UTC).date()),
                instance=instance,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
            events = instance.all_logs(result.run_id)
            size = sum(path.stat().st_size for path in Path(home).rglob("*") if path.is_file())
    assets = len(job.asset_layer.executable_asset_keys)
    print(json.dumps({"success": result.success, "assets": assets, "events": len(events), "state_bytes": size}))


if __name__ == "__main__":
    main()
