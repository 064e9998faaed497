"""The Dagster job `daily_snapshot` of today, in process with an instance of its own; prints how many events it left."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DAGSTER_HOME"] = home
        (Path(home) / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
        import dagster as dg
        from pulltasks_dagster.definitions import JOB, build_defs

        job = build_defs(options.config).resolve_job_def(JOB)
        with dg.DagsterInstance.get() as instance:
            result = job.execute_in_process(
                partition_key=str(datetime.now(UTC).date()),
                instance=instance,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
            events = instance.all_logs(result.run_id)
            size = sum(path.stat().st_size for path in Path(home).rglob("*") if path.is_file())
    print(json.dumps({"success": result.success, "events": len(events), "state_bytes": size}))


if __name__ == "__main__":
    main()
