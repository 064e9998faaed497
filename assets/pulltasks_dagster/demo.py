"""The demo: a simulated week through the Dagster job, against the sandbox, in one process.

Lives here: the week's script and the short report at its end.
Does not live here: anything that a real run needs.
"""

import shutil
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
from pulltasks import config
from pulltasks.lake.lake import Lake
from pulltasks.sandbox.cli import places_of, targets_toml
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.read.status import read_status
from pulltasks.words import counted
from pulltasks_dagster.daily import SNAPSHOT
from pulltasks_dagster.definitions import JOB, build_defs
from pulltasks_dagster.history import report_history
from pulltasks_dagster.keys import Keys

FOLDER = Path(".demo")
DAYS = 7
TASKS = 250
PROJECTS = 3

# What the UI shows as the place of a run: the location and repository of workspace.yaml.
REPOSITORY = {".dagster/repository": "__repository__@pulltasks"}
CONFIG = """# Written by `make demo`; its sandbox stops at the end of the demo.
[lake]
root = "lake"

[schedule]
enabled = false   # else Dagster would complete what the demo leaves incomplete

[api]
endpoint = "{url}"
iam_endpoint = "{url}"
requests_per_second = 1000

[dashboard]
enabled = true

[publish]
tables = true

{targets}"""


def main() -> int:
    """Run the week; return 0 if every day was published, else 1."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    places = places_of(PROJECTS, TASKS)
    today = datetime.now(UTC).date()
    week = [today - timedelta(days=DAYS - 1 - n) for n in range(DAYS)]
    sandbox = Sandbox(
        places,
        faults={
            (places[1].project_id, week[3]): "short_page",  # a listing that contradicts itself: incomplete
            (places[2].project_id, week[6]): "forbidden",  # a permission that was taken away today: failed
        },
    )
    with serving(sandbox) as url:
        file = FOLDER / "pulltasks.toml"
        file.write_text(CONFIG.format(url=url, targets=targets_toml(places)), encoding="utf-8")
        job = build_defs(file, first=week[0], retry=dg.RetryPolicy(max_retries=0)).resolve_job_def(JOB)
        lake = Lake(FOLDER / "lake")
        print(f"a simulated week against a sandbox at {url}, {PROJECTS} projects of about {TASKS} tasks\n")
        with dg.DagsterInstance.from_config(str(_home())) as instance:
            for day in week:
                if not _run(job, day, instance):
                    return 1
                _print_day(lake, day)
            report_history(instance, config.load(file), Keys())
    _print_report(lake)
    return 0


def _home() -> Path:
    """Return the folder with Dagster's state, which `make dev` opens."""
    home = (FOLDER / "dagster").absolute()
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    return home


def _run(job: dg.JobDefinition, day: date, instance: dg.DagsterInstance) -> bool:
    """Run one day in this process, and tell whether it was published.

    A run that published and then failed because of an incomplete target counts as well: the demo has such days.
    """
    # Errors are not raised: days with an incomplete target fail after they are published.
    result = job.execute_in_process(
        partition_key=str(day),
        run_config={
            "ops": {SNAPSHOT: {"config": {"simulated": True}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
        instance=instance,
        tags=REPOSITORY,
    )
    materialised = {event.asset_key for event in result.get_asset_materialization_events()}
    if Keys().warehouse not in materialised:
        failures = [event.message or "" for event in result.all_events if event.is_failure]
        print(f"{day}: the run failed before it published\n" + "\n".join(failures), file=sys.stderr)
    return Keys().warehouse in materialised


def _print_day(lake: Lake, day: date) -> None:
    with open_published(lake) as connection:
        status = read_status(connection, day)
    marks = ", ".join(
        f"{target.name} {target.coverage}"
        + (f" ({target.reason})" if target.reason else f" ({counted(target.task_count or 0, 'task')})")
        for target in status.targets
    )
    print(f"{day}  {marks}")


def _print_report(lake: Lake) -> None:
    with open_published(lake) as connection:
        rows = connection.execute(
            """
            select
                target_name,
                count(*) as tasks,
                count(*) filter (source_type = 'PullVodPushLive') as vod,
                count(*) filter (not has_backup) as without_backup,
                min(state_date) as known_as_of
            from pull_tasks
            group by all
            order by all
            """
        ).fetchall()
    print("\nwhat is listed now\n")
    print(f"  {'target':<18}{'tasks':>6}{'vod':>6}{'no backup':>11}   known as of")
    for name, tasks, vod, without_backup, known in rows:
        print(f"  {name:<18}{tasks:>6}{vod:>6}{without_backup:>11}   {known}")
    print(  # the SQL is for the reader
        f"""
published {lake.published}; continue with

  make dev                             # Dagster's UI over this lake
  .venv/bin/pulltasks status --config {FOLDER}/pulltasks.toml
  .venv/bin/pulltasks query --config {FOLDER}/pulltasks.toml \\
      "from rpt_daily_totals order by all"
  .venv/bin/pulltasks dashboard --open --config {FOLDER}/pulltasks.toml
  .venv/bin/pulltasks sandbox          # a sandbox that keeps running, with a configuration for it
"""
    )


if __name__ == "__main__":
    sys.exit(main())
