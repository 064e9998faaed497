"""The command line: verbs, their options, what they print, their exit codes.

Lives here: reading arguments, progress, tables on the terminal; the real clock.
Does not live here: what a verb does (run, doctor, warehouse); imports of those wait until a verb needs them.

Exit codes: 0 all complete; 1 nothing published; 2 usage or configuration; 3 published, but not all complete.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pulltasks.cli.ending import alarms, end, fail, stop_on_signals, told_after_publishing
from pulltasks.cli.fleet import fleet_app, sql
from pulltasks.cli.lake import lake_app
from pulltasks.cli.lazy_imports import import_at_need
from pulltasks.cli.options import ConfigOption, duration_option, read_settings, real_clock
from pulltasks.cli.output import (
    NOT_COMPLETE,
    Format,
    Progress,
    print_age,
    print_captures,
    print_end,
    print_not_complete,
    print_reports,
    print_service_messages,
    print_status,
    print_status_json,
    spans,
)
from pulltasks.outside_text import visible

if TYPE_CHECKING:
    from pulltasks.cli.log import LogFormat
    from pulltasks.settings import Settings

# Written out here, as importing the sandbox would slow down `--help`; a test holds it to the sandbox's own list.
SANDBOX_FAULTS = (
    "forbidden, project_unavailable, region_not_allowed, unavailable, maintenance, throttled, empty_object, html, "
    "torn_json, null_tasks, short_page, capped, page_index, no_total, churn, shuffled, lost"
)

# The verbs in the order in which they are needed.
ORDER = (
    "init", "doctor", "snapshot", "status", "query", "shell", "dashboard", "rebuild", "compact", "forget", "lake",
    "fleet", "sql", "sandbox",
)  # fmt: skip


class _InOrder(TyperGroup):
    """Lists the verbs in the order of use."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is click's
        """The names of the verbs."""
        return sorted(self.commands, key=ORDER.index)


app = typer.Typer(
    name="pulltasks",
    cls=_InOrder,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(lake_app, name="lake")
app.add_typer(fleet_app, name="fleet")
app.command()(sql)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"pulltasks {version('pulltasks')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """A daily, provably complete record of Huawei Cloud Live's pull tasks."""


class ReportFormat(StrEnum):
    """How `doctor` and `status` report."""

    TEXT = "text"
    JSON = "json"


class StatusFormat(StrEnum):
    """How `status` reports."""

    TEXT = "text"
    JSON = "json"
    PROMETHEUS = "prometheus"


class LogForm(StrEnum):
    """How a run logs where no terminal shows its progress."""

    TEXT = "text"
    JSON = "json"


LogOption = Annotated[
    LogForm | None,
    typer.Option("--log-format", help="Log to standard error as text or json, also on a terminal; else text off it."),
]


def _form(log_format: LogForm | None) -> LogFormat | None:
    return None if log_format is None else log_format.value


def command() -> None:
    """What the installed `pulltasks` calls: `main` in a process of its own."""
    import_at_need()
    stop_on_signals()
    main()


def main() -> None:
    """Run the command line."""
    end(app)


@app.command()
def snapshot(
    config: ConfigOption = None,
    day: Annotated[
        str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="The snapshot date; only today is accepted.")
    ] = None,
    simulated_date: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="A made-up date; only a sandbox accepts it.")
    ] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="List targets again that are complete today.")] = False,
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME or PROJECT_ID/REGION", help="List only this target; may be given several times."),
    ] = None,
    accept_drop: Annotated[
        bool,
        typer.Option("--accept-drop", help="Let the listing of --target count today, however many tasks it lost."),
    ] = False,
    log_format: LogOption = None,
) -> None:
    """Capture all targets today, build the tables, publish the warehouse.

    Example: pulltasks snapshot --target event-beijing
    """
    from pulltasks.run.order import snapshot as run_snapshot

    if day and simulated_date:
        fail("--date and --simulated-date: name one of them", 2)
    if accept_drop and not target:
        fail("--accept-drop: name the target whose drop is right, with --target", 2)
    asked = _date(day, "--date")
    simulated = _date(simulated_date, "--simulated-date")
    settings = read_settings(config)
    clock = real_clock()
    wanted = simulated or asked or settings.today(clock.now())
    only = _targets(settings, target)
    with alarms(settings) as failures, Progress(lambda: datetime.now(UTC), _form(log_format)) as progress:
        result = run_snapshot(
            settings,
            wanted,
            clock,
            refresh=refresh,
            only=only,
            accept_drop=(only or ()) if accept_drop else (),
            simulated=simulated is not None,
            watcher=progress,
            tell=failures.append,
        )
    with told_after_publishing(0 if result.is_complete else NOT_COMPLETE):
        print_captures(wanted, result, settings.timezone)
        print_end(result)


@app.command()
def rebuild(
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="First date, included.")],
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD", help="Last date, included.")],
    config: ConfigOption = None,
    log_format: LogOption = None,
) -> None:
    """Write past dates again from the raw archive alone, and publish.

    Example: pulltasks rebuild --from 2026-11-01 --to 2026-11-07
    """
    from pulltasks.run.order import rebuild as run_rebuild

    begin, end = _date(first, "--from"), _date(last, "--to")
    if begin is None or end is None or begin > end:
        fail(f"--from {first} lies after --to {last}", 2)
    settings = read_settings(config, need_targets=False)
    with alarms(settings) as failures, Progress(lambda: datetime.now(UTC), _form(log_format)) as progress:
        result = run_rebuild(settings, begin, end, real_clock(), watcher=progress, tell=failures.append)
    with told_after_publishing(0 if result.is_complete else NOT_COMPLETE):
        typer.echo(f"rebuilt {len(result.built_days)} days from the raw archive: {spans(result.built_days)}")
        if result.days_without_raw:
            typer.echo(f"left as they are, without raw archive: {', '.join(map(str, result.days_without_raw))}")
        print_not_complete(result.status)
        print_end(result)


@app.command()
def forget(
    day: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="The day that was written wrongly.")],
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only said what would be done.")] = False,
    for_good: Annotated[
        bool, typer.Option("--for-good", help="Even if there is no raw archive of the day to make it again from.")
    ] = False,
) -> None:
    """Take a wrong day out of the lake; its files go into lake/forgotten/.

    Example: pulltasks forget --date 2026-11-22 --yes
    """
    from pulltasks.run.order import forget as run_forget

    wanted = _date(day, "--date")
    settings = read_settings(config, need_targets=False)
    if wanted is None or not yes:
        fail(
            f"{wanted} would be taken out of {settings.lake.root} and of all history; its files would go into "
            "forgotten/ there. Say --yes to do it",
            2,
        )
    with Progress(lambda: datetime.now(UTC)) as progress:
        found = run_forget(settings, wanted, real_clock(), for_good=for_good, watcher=progress)
    with told_after_publishing(NOT_COMPLETE if found.troubles else 0):
        typer.echo(f"{wanted} is forgotten; its files lie in {found.folder}")
        for text in found.troubles:
            typer.echo(text, err=True)
        if settings.backup.is_set:
            typer.echo(
                f"the backup still holds its files, in a folder of {settings.backup.place}/replaced/; to remove them "
                "for good, delete that folder with the tools of the store"
            )
        typer.echo(
            f"published {found.published}" if found.published else "no day is left, so nothing is published any more"
        )


@app.command()
def compact(config: ConfigOption = None) -> None:
    """Write each closed month as one sorted file a table; remove raw files older than keep_raw_days, if that is set.

    Example: pulltasks compact
    """
    from pulltasks.run.order import compact as run_compact
    from pulltasks.run.report import words_of_needed_raw

    settings = read_settings(config, need_targets=False)
    with Progress(lambda: datetime.now(UTC)) as progress:
        months, without_raw, needed = run_compact(settings, settings.today(datetime.now(UTC)), watcher=progress)
    for month in months:
        typer.echo(
            f"{month.month:%Y-%m}: {month.days} days, {month.rows} rows, "
            f"{month.bytes_before / 1e6:.1f} MB -> {month.bytes_after / 1e6:.1f} MB"
        )
    if without_raw:
        typer.echo(f"removed the raw archive of {len(without_raw)} days: {spans(tuple(without_raw))}")
    if needed:
        typer.echo(words_of_needed_raw(needed), err=True)
        raise typer.Exit(NOT_COMPLETE)
    if not months and not without_raw:
        typer.echo("nothing to do: every closed month is compacted")


@app.command()
def status(
    config: ConfigOption = None,
    max_age: Annotated[
        str | None,
        typer.Option(
            metavar="26h", help="A line for monitors; exit code 3 if the lake or a target is too old (m, h, d)."
        ),
    ] = None,
    output_format: Annotated[
        StatusFormat, typer.Option("--format", help="text, or json or prometheus for monitors.")
    ] = StatusFormat.TEXT,
    unredacted: Annotated[
        bool,
        typer.Option("--unredacted", help="Show the service's own words as well, secrets included; the owner only."),
    ] = False,
) -> None:
    """Show which targets are complete on the newest day; the exit code says whether all are.

    Example: pulltasks status --max-age 26h --format json
    """
    from pulltasks.lake.lake import Lake
    from pulltasks.lake.manners import read_manners
    from pulltasks.lake.tidy import read_service_messages
    from pulltasks.settings import Limits
    from pulltasks.warehouse.read.published import open_published
    from pulltasks.warehouse.read.status import judge, read_newest_complete, read_status, words_of_a_day_ahead

    allowed = duration_option(max_age, "--max-age")
    if unredacted and (output_format is not StatusFormat.TEXT or allowed is not None):
        raise typer.BadParameter(
            "it goes with the text for people: leave out --format and --max-age", param_hint="--unredacted"
        )
    settings = read_settings(config, need_targets=False)
    now = datetime.now(UTC)
    limits = Limits(settings.alerts.max_age if allowed is None else allowed, settings.alerts.max_target_age)
    lake = Lake(settings.lake.root)
    with open_published(lake) as connection:
        found = read_status(connection, settings.today(now), now)
        newest = read_newest_complete(connection)
        freshness = judge(found, now, limits)
        if output_format is StatusFormat.PROMETHEUS:
            from pulltasks.cli.prometheus import metrics, size_of
            from pulltasks.lake.run_log import read_runs

            last_run = next(reversed(read_runs(lake)), None)
            name = settings.lake.name or str(lake.root)
            text = metrics(connection, found, freshness, now, last_run, size_of(lake.root), name)
    is_good = found.is_complete if allowed is None else freshness.level != "red"
    if found.is_ahead:
        typer.echo(words_of_a_day_ahead(found.day, settings.today(now)), err=True)
    if output_format is StatusFormat.PROMETHEUS:
        typer.echo(text, nl=False)
    elif allowed is not None and output_format is StatusFormat.TEXT:
        print_age(found, freshness, now, limits)
    else:
        manners, damage = read_manners(lake)
        if damage:
            typer.echo(damage, err=True)
        if output_format is StatusFormat.JSON:
            print_status_json(found, freshness, newest, now, manners, is_good=is_good)
        else:
            print_status(found, freshness, now, limits, manners)
        if unredacted:
            print_service_messages(found, read_service_messages(lake, found.day))
    raise typer.Exit(0 if is_good else NOT_COMPLETE)


@app.command()
def dashboard(
    config: ConfigOption = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Write the page of what is published, one file that works from disk; print its path.

    Example: pulltasks dashboard --open
    """
    from pulltasks.dashboard import write_dashboard_alone

    page = write_dashboard_alone(read_settings(config, need_targets=False))
    typer.echo(page)
    if open_it:
        import webbrowser

        if not webbrowser.open(page.absolute().as_uri()):
            typer.echo("no browser could be started; open the page in one", err=True)


@app.command()
def query(
    sql: Annotated[
        str | None,
        typer.Argument(help="SQL that reads; `show tables` lists what there is; - reads standard input."),
    ] = None,
    config: ConfigOption = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="Read the SQL from a file.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the rows to a file; .csv, .json and .parquet say how.")
    ] = None,
    output_format: Annotated[Format | None, typer.Option("--format", help="How rows are shown.")] = None,
    excel: Annotated[
        bool, typer.Option("--excel", help="CSV for a spreadsheet: it shows every character and runs no cell.")
    ] = False,
    all_rows: Annotated[
        bool, typer.Option("--all", help="On a terminal show all rows, columns and cells whole.")
    ] = False,
    unredacted: Annotated[
        bool,
        typer.Option("--unredacted", help="Read the tidy tables instead, secrets included; the lake's owner only."),
    ] = False,
) -> None:
    """Ask the warehouse.

    Example: pulltasks query "select target_name, count(*) from dim_pull_tasks where is_current group by all"
    """
    import duckdb

    from pulltasks.cli.query import answer, format_of, text_of_query
    from pulltasks.lake.lake import Lake

    if excel and output_format:
        fail("--excel and --format: name one of them", 2)
    lake = Lake(read_settings(config, need_targets=False).lake.root)
    wanted = Format.EXCEL if excel else format_of(output_format, output)
    try:
        answer(lake, text_of_query(sql, file), wanted, unredacted=unredacted, output=output, all_rows=all_rows)
    except duckdb.Error as error:
        fail(f"the query failed: {error}", 2)


@app.command()
def shell(config: ConfigOption = None) -> None:
    """Open DuckDB's own shell on the published file, read-only.

    Example: pulltasks shell
    """
    from pulltasks.cli.query import shell_command
    from pulltasks.lake.lake import Lake

    command = shell_command(Lake(read_settings(config, need_targets=False).lake.root))
    os.execv(command[0], command)  # noqa: S606 - the user asked for that program, and no shell reads its arguments


@app.command()
def doctor(
    config: ConfigOption = None,
    output_format: Annotated[
        ReportFormat, typer.Option("--format", help="text, or json to share.")
    ] = ReportFormat.TEXT,
    test_alarm: Annotated[bool, typer.Option("--test-alarm", help="Send one alarm to the webhook as a test.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="Write what the service answered to a file, without ids, names and addresses."),
    ] = None,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Ask how the service behaves instead, at most six requests a target; the lake keeps what was learnt.",
        ),
    ] = False,
) -> None:
    """Look at the lake, and ask each target what it allows and how it answers; only --probe writes, one file.

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


@app.command()
def init(
    config: ConfigOption = None,
    region: Annotated[str, typer.Option(help="The region whose IAM is asked.")] = "cn-north-4",
) -> None:
    """Write pulltasks.toml from the projects that the credential may see; never over one that is there.

    Example: pulltasks init --region cn-east-3
    """
    import asyncio

    from pulltasks import config as configuration
    from pulltasks.doctor.targets import first_configuration, projects_of_regions
    from pulltasks.huawei.iam import list_auth_projects

    file = config or configuration.DEFAULT_FILE
    if file.exists():
        fail(f"{file} is there already and is left as it is; name another with --config", 2)
    settings = configuration.from_environment()
    projects = projects_of_regions(asyncio.run(list_auth_projects(settings, region, lambda: datetime.now(UTC))))
    if not projects:
        fail("the credential sees no project of a region; let an administrator give it access to one", 1)
    with file.open("x", encoding="utf-8") as stream:
        stream.write(first_configuration(projects, configuration.zone_of_this_machine()))
    for project_id, place, name in projects:
        typer.echo(f"{project_id}  {place}  {visible(name)}")
    typer.echo(f"wrote {file} with {len(projects)} targets; look it over, then run `pulltasks doctor`")


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes a free one.")] = 8787,
    seed: Annotated[int, typer.Option(help="Other seeds make other data.")] = 1,
    projects: Annotated[int, typer.Option(min=1, max=1000, help="Made-up projects.")] = 3,
    tasks: Annotated[int, typer.Option(min=0, max=10_000, help="About so many tasks in each.")] = 250,
    latency_ms: Annotated[int, typer.Option(min=0, max=60_000, help="How long each answer takes.")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROJECT_ID[@DATE]=FAULT", help=f"Let a project go wrong, every day or on one: {SANDBOX_FAULTS}."
        ),
    ] = None,
) -> None:
    """Serve a made-up ListPullTasks API on this machine, to try everything without an account.

    Example: pulltasks sandbox --projects 5 --tasks 1000 --latency-ms 20
    """
    from pulltasks.sandbox.cli import serve

    serve(port, seed, projects, tasks, fault or [], latency_ms)


def _targets(settings: Settings, wanted: list[str] | None) -> set[tuple[str, str]] | None:
    """The keys of the targets that are named; None stands for all."""
    if not wanted:
        return None
    found = {name: [t.key for t in settings.targets if name in (t.name, "/".join(t.key))] for name in wanted}
    if unknown := [name for name, keys in found.items() if not keys]:
        known = ", ".join(t.name or "/".join(t.key) for t in settings.targets)
        fail(f"--target {', '.join(unknown)}: not in the configuration; its targets are {known}", 2)
    return {key for keys in found.values() for key in keys}


def _date(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{option}: {text!r} is no date; write it like 2026-11-22", 2)
