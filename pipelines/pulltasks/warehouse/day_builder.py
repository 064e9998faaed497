"""Running the SQL of models over one tidy day at a time.

Lives here: pointing the tidy tables at a day, running a model's select over it, in parts where there are many tasks.
Does not live here: in which order, and over which days (working_copy), what becomes of the rows (kinds).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from pulltasks.errors import LakeError, ModelError
from pulltasks.lake.compaction import check_file
from pulltasks.lake.lake import month_of
from pulltasks.lake.manifests import read_if_valid, read_manifest, read_month_manifest
from pulltasks.lake.tidy import tidy_rows
from pulltasks.masking import scrub
from pulltasks.sql_literals import quoted
from pulltasks.tables import SCHEMA_VERSION, TABLES
from pulltasks.warehouse.finish import NOT_WRITTEN, not_written

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date
    from pathlib import Path
    from typing import Literal

    from pulltasks.lake.lake import Lake
    from pulltasks.lake.manifests import Manifest
    from pulltasks.warehouse.kinds import Model

# A task that stands since longer is masked again: no more manifests than these are looked at.
MOST_DAYS_TAKEN_OVER = 60
# Of a model that is built in parts, so many tasks at a time.
TASKS_PER_PART = 50_000


class DayBuilder:
    """The builder that kinds use, over a connection with the catalogs of a build."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        lake: Lake,
        *,
        adds_one_day: bool,
        read_once: Collection[str],
        display_timezone: str = "UTC",
    ) -> None:
        self.adds_one_day = adds_one_day
        self._connection = connection
        self._lake = lake
        self._read_once = read_once
        self._display_timezone = display_timezone
        self._checked: set[Path] = set()

    def enter(self, day: date) -> None:
        """Point the tidy tables at `day`, after making sure that they are what its manifest names."""
        con = self._connection
        manifest = read_manifest(self._lake.manifest_file(day))
        if manifest.schema_version > SCHEMA_VERSION:
            raise LakeError(
                f"{self._lake.manifest_file(day)}: written by a newer pulltasks (schema {manifest.schema_version}, "
                f"this one knows {SCHEMA_VERSION}); upgrade this one"
            )
        for table in TABLES:
            path = self._tidy_file(manifest, table.name)
            rows = f"select * from ({tidy_rows(table, [path])}) where snapshot_date = date '{day}'"
            con.execute(f"create or replace view whole_day.main.{table.name} as {rows}")
        con.execute(
            "create or replace table tidy.main.build as select $1::date as snapshot_date, $2::varchar as timezone, "
            "$3::varchar as display_timezone, $4::date as same_schema_since",
            [day, self._timezone(), self._display_timezone, self._same_schema_since(day, manifest.schema_version)],
        )
        self._show()

    def make(self, model: Model, place: str, sort: Literal["table", "temp table", "view"]) -> int:
        """Run the model's select for the day that was entered, into a place; returns how many rows it gave."""
        first, *others = self._parts() if model.in_parts else ["true"]
        if others:
            self._show(first)
        is_there = self.adds_one_day and place == model.place and model.is_published
        into = f"insert into {place} by name" if is_there else f"create or replace {sort} {place} as"
        self.execute(model, f"{into} {model.sql}")
        for part in others:
            self._show(part)
            self.execute(model, f"insert into {place} {model.sql}")
        if others:
            self._show()
        self.compare_columns(model, place)
        return self.count(place)

    def execute(self, model: Model, statement: str) -> None:
        """Run a statement on behalf of a model.

        Raises:
            ModelError: when the database refuses it.
            LakeError: when the disk takes no more.
        """
        try:
            self._connection.execute(statement)
        except duckdb.Error as error:
            if NOT_WRITTEN.search(str(error)):
                raise not_written(error) from None
            if isinstance(error, duckdb.OutOfMemoryException):
                raise ModelError(
                    f"{model.name}: the build needs more memory than it may take; raise warehouse.memory, or lower "
                    "warehouse.threads"
                ) from None
            raise ModelError(f"{model.name}: {scrub(str(error))}") from None

    def compare_columns(self, model: Model, rows: str) -> None:
        """Make sure that rows have the columns of the model's header.

        Raises:
            ModelError: naming the columns that differ.
        """
        found = {row[0]: row[1] for row in self._connection.execute(f"describe from {rows}").fetchall()}
        declared = {column.name: column.type for column in model.columns}
        if found != declared:
            differing = sorted({*found.items()} ^ {*declared.items()})
            raise ModelError(
                f"{model.name}: the select and the header's columns differ in "
                + ", ".join(f"{name} {sort}" for name, sort in differing)
            )

    def count(self, rows: str) -> int:
        """How many rows there are."""
        return int(self._scalar(f"select count(*) from {rows}"))

    def is_read_once(self, model: Model) -> bool:
        """Whether a single other model reads it."""
        return model.name in self._read_once

    def _timezone(self) -> str:
        """The zone that the day was counted in; UTC where version 0.1 took a name that no database knows."""
        zone = self._scalar("select max(timezone) from whole_day.main.captures") or "UTC"
        try:
            self._connection.execute("select timezone($1, timestamp '2026-01-01')", [zone])
        except duckdb.Error:
            return "UTC"
        return str(zone)

    def _same_schema_since(self, day: date, schema_version: int) -> date | None:
        """The first day from which on all days were written by one schema; None where that is the day itself."""
        since = None
        for earlier in reversed([each for each in self._lake.tidy_dates() if each < day][-MOST_DAYS_TAKEN_OVER:]):
            manifest = read_if_valid(self._lake.manifest_file(earlier))
            if manifest is None or manifest.schema_version != schema_version:
                break
            since = earlier
        return since

    def _show(self, projects: str = "true") -> None:
        """Let the tidy tables show the day, or the rows of some of its projects."""
        for table in TABLES:
            rows = f"from whole_day.main.{table.name} where {projects}"
            self._connection.execute(f"create or replace view tidy.main.{table.name} as {rows}")

    def _parts(self) -> list[str]:
        """Conditions that divide the day's projects, in their order, into parts of not too many tasks."""
        counts = self._connection.execute(
            "select project_id, count(*) from tidy.main.pull_tasks group by all order by all"
        ).fetchall()
        parts, after, tasks = [], "true", 0
        for project_id, count in counts:
            if tasks and tasks + count > TASKS_PER_PART:
                parts.append(f"{after} and project_id < {quoted(project_id)}")
                after, tasks = f"project_id >= {quoted(project_id)}", 0
            tasks += count
        return [*parts, after]

    def _tidy_file(self, manifest: Manifest, table: str) -> Path:
        """The day's file, or its month's, after making sure that it is what the manifest names."""
        day = manifest.snapshot_date
        advice = f"rebuild it: pulltasks rebuild --from {day} --to {day}"
        if not self._lake.is_compacted(day):
            path = self._lake.tidy_file(table, day)
            check_file(path, manifest.tables[table], advice)
            return path
        month = read_month_manifest(self._lake.month_manifest_file(month_of(day)))
        path = self._lake.month_file(table, month_of(day))
        if path not in self._checked:
            check_file(path, month.tables[table], advice)
            self._checked.add(path)
        return path

    def _scalar(self, query: str) -> Any:
        ((value,),) = self._connection.execute(query).fetchall()
        return value
