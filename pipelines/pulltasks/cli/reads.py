"""The verbs that read: `status`, `query`, `shell`, `dashboard`.

Lives here: their arguments, what they print.
Does not live here: reading the data (warehouse.read, dashboard), the other verbs (runs, account, lake, fleet).
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from pulltasks.cli.ending import fail
from pulltasks.cli.options import ConfigOption, duration_option, read_settings
from pulltasks.cli.output import (
    NOT_COMPLETE,
    Format,
    print_age,
    print_service_messages,
    print_status,
    print_status_json,
)

if TYPE_CHECKING:
    from pulltasks.lake.lake import Lake
    from pulltasks.lake.manners import Probed


class Language(StrEnum):
    """Languages of the brief."""

    EN = "en"
    ZH = "zh"


class StatusFormat(StrEnum):
    """Formats of `status`."""

    TEXT = "text"
    JSON = "json"
    PROMETHEUS = "prometheus"


def status(
    config: ConfigOption = None,
    max_age: Annotated[
        str | None,
        typer.Option(
            metavar="26h", help="Print one line; exit with 3 if the lake is older (m, h, d) or a target is too old."
        ),
    ] = None,
    output_format: Annotated[
        StatusFormat, typer.Option("--format", help="text, or json or prometheus for monitors.")
    ] = StatusFormat.TEXT,
    unredacted: Annotated[
        bool,
        typer.Option("--unredacted", help="Also show the service's messages, secrets included (lake owner only)."),
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="List every target, one line each.")] = False,
    per_target: Annotated[bool, typer.Option("--per-target", help="Prometheus: complete targets too.")] = False,
) -> None:
    """Show which targets are complete on the newest day. The exit code is 0 if all are, else 3.

    Example: pulltasks status --max-age 26h --format json
    """
    from pulltasks.lake.lake import Lake
    from pulltasks.lake.tidy import read_service_messages
    from pulltasks.settings import Limits
    from pulltasks.warehouse.read.published import open_published
    from pulltasks.warehouse.read.status import judge, read_newest_complete, read_status, words_of_a_day_ahead

    allowed = duration_option(max_age, "--max-age")
    given = {"--unredacted": unredacted, "--all": every, "--per-target": per_target}
    _check_options([name for name, is_given in given.items() if is_given], output_format, has_age=allowed is not None)
    settings = read_settings(config, need_targets=False)
    now = datetime.now(UTC)
    limits = Limits(settings.alerts.max_age if allowed is None else allowed, settings.alerts.max_target_age)
    lake = Lake(settings.lake.root)
    with open_published(lake) as connection:
        found = read_status(connection, settings.today(now), now)
        newest = read_newest_complete(connection)
        freshness = judge(found, now, limits)
        if output_format is StatusFormat.PROMETHEUS:
            from pulltasks.cli.prometheus import metrics

            text = metrics(connection, found, freshness, now, lake, settings.lake.name, per_target=per_target)
    # with --max-age a monitor alarms on age only: one missed day is amber, and not yet an alarm
    is_good = found.is_complete if allowed is None else freshness.level != "red"
    if found.is_ahead:
        typer.echo(words_of_a_day_ahead(found.day, settings.today(now)), err=True)
    if output_format is StatusFormat.PROMETHEUS:
        typer.echo(text, nl=False)
    elif allowed is not None and output_format is StatusFormat.TEXT:
        print_age(found, freshness, limits)
    else:
        manners = _known_manners(lake)
        if output_format is StatusFormat.JSON:
            print_status_json(found, freshness, newest, now, manners, is_good=is_good)
        else:
            print_status(found, freshness, newest, limits, manners, every=every)
        if unredacted:
            print_service_messages(found, read_service_messages(lake, found.day))
    raise typer.Exit(0 if is_good else NOT_COMPLETE)


def _check_options(given: list[str], output_format: StatusFormat, *, has_age: bool) -> None:
    """Refuse options that the wanted output cannot follow."""
    for name in given:
        if name == "--per-target" and output_format is not StatusFormat.PROMETHEUS:
            raise typer.BadParameter("it needs --format prometheus", param_hint=name)
        if name != "--per-target" and (output_format is not StatusFormat.TEXT or has_age):
            raise typer.BadParameter("it needs the text format: leave out --format and --max-age", param_hint=name)


def _known_manners(lake: Lake) -> dict[str, Probed]:
    """Return the recorded manners of each target; print a message if the file cannot be read."""
    from pulltasks.lake.manners import read_manners

    manners, damage = read_manners(lake)
    if damage:
        typer.echo(damage, err=True)
    return manners


def query(
    sql: Annotated[
        str | None,
        typer.Argument(help="One query that reads; - reads standard input."),
    ] = None,
    config: ConfigOption = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="Read the SQL from a file.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the rows to a file (.csv, .json or .parquet).")
    ] = None,
    output_format: Annotated[Format | None, typer.Option("--format", help="Format of the rows.")] = None,
    excel: Annotated[
        bool, typer.Option("--excel", help="Write CSV for a spreadsheet: UTF-8 with a mark, no cell runs as a formula.")
    ] = False,
    tables: Annotated[
        bool, typer.Option("--tables", help="List the tables, views and macros, with an example of each.")
    ] = False,
    all_rows: Annotated[
        bool, typer.Option("--all", help="Show all rows, columns and complete cells on a terminal.")
    ] = False,
    unredacted: Annotated[
        bool,
        typer.Option("--unredacted", help="Read the tidy tables instead, secrets included (lake owner only)."),
    ] = False,
) -> None:
    """Run one SQL query on the warehouse and print its rows.

    Example: pulltasks query "select target_name, count(*) from pull_tasks group by all"
    """
    import duckdb

    from pulltasks.cli.query import answer, format_of, print_tables, text_of_query
    from pulltasks.lake.lake import Lake

    if excel and output_format:
        fail("--excel and --format: name one of them", 2)
    if tables:
        if sql or file or output or output_format or excel or unredacted:
            fail("--tables: lists the published tables and takes nothing else; leave out the other options", 2)
        print_tables(Lake(read_settings(config, need_targets=False).lake.root))
        return
    lake = Lake(read_settings(config, need_targets=False).lake.root)
    wanted = Format.EXCEL if excel else format_of(output_format, output)
    try:
        answer(lake, text_of_query(sql, file), wanted, unredacted=unredacted, output=output, all_rows=all_rows)
    except duckdb.Error as error:
        fail(f"the query failed: {error}", 2)


def shell(config: ConfigOption = None) -> None:
    """Open DuckDB's own shell on the published file, read-only.

    Example: pulltasks shell
    """
    from pulltasks.cli.query import shell_command
    from pulltasks.lake.lake import Lake

    command = shell_command(Lake(read_settings(config, need_targets=False).lake.root))
    os.execv(command[0], command)  # noqa: S606 - the user asked for that program, and no shell reads its arguments


def dashboard(
    config: ConfigOption = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write this file instead of the lake's page.")
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    as_brief: Annotated[
        bool, typer.Option("--brief", help="Print the page's verdict in five lines, for mail or chat; write nothing.")
    ] = False,
    language: Annotated[
        Language | None, typer.Option(help="Language of the brief.", show_default="alerts.language")
    ] = None,
) -> None:
    """Write the page of the published data and print its path.

    The page is one file that works from disk. -o needs no right to write to the lake.

    Example: pulltasks dashboard -o page.html --open
    """
    from pulltasks.dashboard import brief, page_of, write_dashboard_alone
    from pulltasks.lake.lake import Lake

    if as_brief and (output or open_it):
        raise typer.BadParameter("it writes no page: leave out -o and --open", param_hint="--brief")
    if language and not as_brief:
        raise typer.BadParameter("the page has both languages; it needs --brief", param_hint="--language")
    settings = read_settings(config, need_targets=False)
    if as_brief:
        lines = brief(Lake(settings.lake.root), settings, language or settings.alerts.language, datetime.now(UTC))
        typer.echo("\n".join(lines))
        return
    if output:
        output.write_bytes(page_of(Lake(settings.lake.root), settings))
    page = output or write_dashboard_alone(settings)
    typer.echo(page)
    if open_it:
        import webbrowser

        if not webbrowser.open(page.absolute().as_uri()):
            typer.echo("no browser could be started; open the page in one", err=True)
