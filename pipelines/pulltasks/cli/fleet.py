"""`pulltasks fleet` and `pulltasks sql`: many lakes as one.

Lives here: their arguments, what they print.
Does not live here: reading the lakes (fleet), the other verbs (main).
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pulltasks.cli.options import ConfigOption, duration_option, read_settings, real_clock
from pulltasks.cli.output import NOT_COMPLETE, hours, print_targets, say
from pulltasks.errors import FleetError
from pulltasks.outside_text import visible
from pulltasks.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from pulltasks.backup.rclone import Rclone
    from pulltasks.fleet.status import FleetStatus

fleet_app = typer.Typer(no_args_is_help=True, help="Show the state of many lakes as one.", rich_markup_mode=None)

LakesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--lake",
        metavar="[NAME=]PATH_OR_URL",
        help="Folder of a lake, or its readers' bucket (s3://, s3a://, obs://); once per lake.",
    ),
]
FileOption = Annotated[
    Path | None, typer.Option("--lakes", metavar="FILE", help="File with one lake per line, in the form of --lake.")
]


# As in a shell, a # within a word is part of a path.
COMMENT = re.compile(r"(?:^|\s)#")


class Engine(StrEnum):
    """Engines that `sql` can write for."""

    DUCKDB = "duckdb"
    SPARK = "spark"


class FleetFormat(StrEnum):
    """Formats of `fleet status`."""

    TEXT = "text"
    JSON = "json"


@fleet_app.callback()
def fleet() -> None:
    """Show the state of many lakes as one."""


@fleet_app.command()
def status(
    lake: LakesOption = None,
    lakes: FileOption = None,
    config: ConfigOption = None,
    max_age: Annotated[
        str | None,
        typer.Option(metavar="26h", help="Exit with 3 if a lake or a target is older (m, h, d), not if incomplete."),
    ] = None,
    output_format: Annotated[
        FleetFormat, typer.Option("--format", help="text, or json for monitors.")
    ] = FleetFormat.TEXT,
    every: Annotated[bool, typer.Option("--all", help="List every lake and target, one line each.")] = False,
) -> None:
    """Show the state of all lakes, from their open tables.

    The exit code is 0 if every target is complete, else 3.

    Example: pulltasks fleet status --lake /data/beijing/lake --lake /data/singapore/lake
    """
    from pulltasks.fleet.lakes import named_lakes
    from pulltasks.fleet.status import fleet_status
    from pulltasks.settings import AlertSettings, Limits

    # the lakes' own configurations are not read here, so the limits are the defaults of [alerts]
    allowed, usual = duration_option(max_age, "--max-age"), AlertSettings()
    limits = Limits(allowed or usual.max_age, usual.max_target_age)
    found = fleet_status(named_lakes(_given(lake, lakes)), _opener(config), real_clock().now(), limits)
    is_good = found.is_complete if allowed is None else found.level != "red"
    if output_format is FleetFormat.JSON:
        _print_json(found, is_good=is_good)
    else:
        _print(found, every=every)
    raise typer.Exit(0 if is_good else NOT_COMPLETE)


def sql(
    engine: Annotated[Engine, typer.Option(help="Engine to write for.")],
    lake: LakesOption = None,
    lakes: FileOption = None,
    config: ConfigOption = None,
    version: Annotated[
        str | None,
        typer.Option(help="Read the files of one version ('newest' or its name) instead of the current files."),
    ] = None,
) -> None:
    """Print SQL that creates tables and views of one or many lakes.

    They read the lakes' open tables, in the engine that runs the SQL.

    Example: pulltasks sql --engine spark --lake /data/beijing/lake --lake /data/singapore/lake > lakes.sql
    """
    from importlib.metadata import version as version_of

    from pulltasks.fleet.lakes import read_lakes
    from pulltasks.fleet.statements import left_out, statements, tables_read

    found = read_lakes(_given(lake, lakes), _opener(config), version)
    made = statements(engine.value, found)
    which = "the current files" if version is None else "the files of one version"
    names = ", ".join(each.name for each in found)
    lines = [
        f"pulltasks {version_of('pulltasks')}, for {engine.value}: {which} of {names}.",
        "Run it where you need the tables; run it again after an upgrade, and when you add or remove a lake.",
        *(f"Left out: {name}, as {reason}." for name, reason in left_out(engine.value).items()),
        *(
            f"{each.name} does not publish {table}: its rows are missing."
            for each in found
            for table in sorted(set(tables_read()) - set(each.tables))
        ),
    ]
    # comments of SQL, so that the whole output can be run
    for line in lines:
        typer.echo(f"-- {line}")
    for statement in made:
        typer.echo(f"\n{statement.sql};")


def _given(lakes: list[str] | None, file: Path | None) -> list[str]:
    given = list(lakes or ())
    if file is not None:
        try:
            # `-sig`, because editors on Windows write a byte order mark
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise FleetError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from None
        given += [line for each in lines if (line := COMMENT.split(each, maxsplit=1)[0].strip())]
    return given


def _opener(config: Path | None) -> Callable[[str], Rclone]:
    """Return a function that opens a bucket with the keys, region and endpoint of [publish].

    The configuration is read only when it is called, because lakes in folders need none.
    """

    def go(url: str) -> Rclone:
        from pulltasks.backup.rclone import rclone_at

        return rclone_at(url, read_settings(config, need_targets=False))

    return go


def _print(found: FleetStatus, *, every: bool) -> None:
    from pulltasks.run.targets_shown import as_shown

    known = sum(each.status is not None for each in found.lakes)
    unknown = f"; {counted(len(found.lakes) - known, 'lake')} cannot be read" if known < len(found.lakes) else ""
    complete = f"{found.targets_complete:,} of {counted(found.targets_expected, 'target')} complete"
    say(f"{found.level}: {complete} in {counted(known, 'lake')}{unknown}")
    targets = []
    for each in sorted(found.lakes, key=lambda lake: ("red", "amber", "green").index(lake.level)):
        if each.trouble:
            say(f"{each.name}: {each.trouble}")
        if each.status is None or each.freshness is None:
            continue
        targets += as_shown(each.status.targets, each.status.day, each.name)
        if every or each.level != "green" or not each.is_complete:
            age = each.freshness.lake_age
            captured = f"captured {hours(age)} ago" if age is not None else "never captured"
            counts = f"{each.status.complete:,} of {len(each.status.targets):,} complete on {each.status.day}"
            say(f"{each.name}: {each.level}, {counts}, {captured}")
        if each.status.is_ahead:
            say(f"{each.name}: its newest day, {each.status.day}, is in the future; a clock was wrong there")
    print_targets(targets, "--all lists them", every=every)
    for warning in found.warnings:
        typer.echo(visible(f"warning: {warning}"), err=True)


def _print_json(found: FleetStatus, *, is_good: bool) -> None:
    import msgspec

    report = {
        "is_good": is_good,
        "level": found.level,
        "targets_complete": found.targets_complete,
        "targets_expected": found.targets_expected,
        "warnings": found.warnings,
        "lakes": [
            {
                "name": each.name,
                "level": each.level,
                "trouble": each.trouble,
                "is_ahead": each.status.is_ahead if each.status else None,
                "day": each.status.day if each.status else None,
                "age_seconds": round(each.freshness.lake_age.total_seconds())
                if each.freshness and each.freshness.lake_age is not None
                else None,
                "targets_complete": each.status.complete if each.status else None,
                "targets_expected": len(each.status.targets) if each.status else None,
                "not_complete": [
                    {"name": t.name, "project_id": t.project_id, "region": t.region, "coverage": t.coverage}
                    for t in each.status.targets
                    if not t.is_complete
                ]
                if each.status
                else None,
            }
            for each in found.lakes
        ],
    }
    typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
