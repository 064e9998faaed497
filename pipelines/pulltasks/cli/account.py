"""The verbs about the account: `init` and `doctor`; and `sandbox`, which simulates one.

Lives here: their arguments, what they print.
Does not live here: asking the service (doctor), the sandbox itself (sandbox), the other verbs (runs, reads, …).
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from pulltasks.cli.ending import fail
from pulltasks.cli.options import ConfigOption, read_settings, real_clock
from pulltasks.cli.output import NOT_COMPLETE, print_reports
from pulltasks.outside_text import visible
from pulltasks.words import counted

# A copy of the sandbox's list, because importing the sandbox would slow down `--help`; a test compares both.
SANDBOX_FAULTS = (
    "forbidden, project_unavailable, region_not_allowed, unavailable, maintenance, throttled, empty_object, html, "
    "torn_json, null_tasks, short_page, capped, page_index, no_total, churn, shuffled, lost"
)


class ReportFormat(StrEnum):
    """Formats of `doctor`."""

    TEXT = "text"
    JSON = "json"


def doctor(
    config: ConfigOption = None,
    output_format: Annotated[
        ReportFormat, typer.Option("--format", help="text, or json to share.")
    ] = ReportFormat.TEXT,
    test_alarm: Annotated[bool, typer.Option("--test-alarm", help="Send one alarm to the webhook as a test.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the service's answers to a file, without ids, names and addresses."),
    ] = None,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Learn how the service behaves instead, in at most six requests per target; the lake stores it.",
        ),
    ] = False,
) -> None:
    """Check the lake and each target, and print advice. Only --probe and --report write, one file each.

    Example: pulltasks doctor --test-alarm
    """
    import asyncio
    import json
    from dataclasses import asdict
    from importlib.metadata import version

    from pulltasks.doctor.lake import examine_lake
    from pulltasks.doctor.probe import probe_and_keep
    from pulltasks.doctor.targets import examine, report_for_maintainers
    from pulltasks.lake.lake import Lake
    from pulltasks.lake.manners import read_manners

    settings = read_settings(config)
    now = datetime.now(UTC)
    if test_alarm:
        from pulltasks.alerts.notify import send_test

        send_test(settings, now)
        typer.echo("a test alarm was sent and accepted", err=output_format is ReportFormat.JSON)
    clock = real_clock()
    of_the_lake = [examine_lake(settings, now)]
    if probe:
        reports, kept = asyncio.run(probe_and_keep(settings, clock.now, clock.new_id))
        of_the_lake.append(kept)
    else:
        reports = asyncio.run(examine(settings, clock.now))
    if report:
        known, _ = read_manners(Lake(settings.lake.root))
        report.write_bytes(report_for_maintainers(reports, version("pulltasks"), known.values()))
    if settings.backup.is_set:
        from pulltasks.doctor.backup import examine_backup

        of_the_lake.append(examine_backup(settings, now))
    reports = [*of_the_lake, *reports]
    if output_format is ReportFormat.JSON:
        typer.echo(json.dumps([asdict(report) for report in reports], ensure_ascii=False, indent=2))
    else:
        print_reports(reports)
    raise typer.Exit(0 if all(report.is_healthy for report in reports) else NOT_COMPLETE)


def init(
    config: ConfigOption = None,
    region: Annotated[str, typer.Option(help="Region of the IAM service to ask.")] = "cn-north-4",
) -> None:
    """Write pulltasks.toml from the projects that your key can see.

    An existing file is never overwritten.

    Example: pulltasks init --region cn-east-3
    """
    # imported here, as in all verbs, so that a verb imports only what it needs (tests/whole/test_costs.py)
    import asyncio

    from pulltasks import config as configuration
    from pulltasks.doctor.targets import first_configuration, projects_of_regions
    from pulltasks.huawei.iam import list_auth_projects

    file = configuration.file_of(config)
    if file.exists():
        fail(f"{file} exists already and is unchanged; name another file with --config", 2)
    settings = configuration.from_environment()
    projects = projects_of_regions(asyncio.run(list_auth_projects(settings, region, lambda: datetime.now(UTC))))
    if not projects:
        fail("this key cannot see any project of a region; ask an administrator for access", 1)
    # "x" fails if the file was created since the check above
    with file.open("x", encoding="utf-8") as stream:
        zone, given = configuration.zone_of_this_machine(), configuration.given_by_variables()
        stream.write(first_configuration(projects, zone, given))
    for project_id, place, name in projects:
        typer.echo(f"{project_id}  {place}  {visible(name)}")
    typer.echo(f"wrote {file} with {counted(len(projects), 'target')}; check it, then run `pulltasks doctor`")


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes a free one.")] = 8787,
    seed: Annotated[int, typer.Option(help="Random seed of the simulated data.")] = 1,
    projects: Annotated[int, typer.Option(min=1, max=1000, help="Number of simulated projects.")] = 3,
    tasks: Annotated[int, typer.Option(min=0, max=10_000, help="Approximate tasks per project.")] = 250,
    latency_ms: Annotated[int, typer.Option(min=0, max=60_000, help="Delay of each answer, in milliseconds.")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROJECT_ID[@DATE]=FAULT", help=f"Fault of a project, on every day or on one: {SANDBOX_FAULTS}."
        ),
    ] = None,
) -> None:
    """Serve a simulated ListPullTasks API, to try pulltasks.

    It runs on this machine and needs no account.

    Example: pulltasks sandbox --projects 5 --tasks 1000 --latency-ms 20
    """
    from pulltasks.sandbox.cli import serve

    serve(port, seed, projects, tasks, fault or [], latency_ms)
