"""Run the SQL of models over one tidy day at a time.

Lives here: pointing the tidy tables at a day, running a model's select over it, in parts if the day has many tasks.
Does not live here: the order of models and days (working_copy), loading the rows (kinds).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import duckdb

from pulltasks.errors import BuildOutOfMemory, ModelError
from pulltasks.lake.manifests import check_file, read_if_valid, read_manifest, read_month_manifest, refuse_newer
from pulltasks.lake.paths import month_of
from pulltasks.lake.rows import TOO_LARGE
from pulltasks.lake.tidy import tidy_rows
from pulltasks.masking import scrub
from pulltasks.sql_literals import quoted
from pulltasks.tables import CAPTURES, PULL_TASKS, TABLES
from pulltasks.warehouse.build.finish import NOT_WRITTEN, not_written
from pulltasks.warehouse.sql.kinds import MADE
from pulltasks.warehouse.sql.models import BUILD_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.lake.manifests import Manifest
    from pulltasks.warehouse.build.plan import Plan
    from pulltasks.warehouse.sql.kinds import Model

# Only this many manifests are read, so a task that has been unchanged for longer is masked again.
MOST_DAYS_TAKEN_OVER = 60
# The size of a part, for models that are built in parts: tasks, and bytes of their text.
TASKS_PER_PART = 50_000
TEXT_PER_PART = 32_000_000
# The tidy tables of a smaller day are read into memory once: opening the files costs more than most statements.
FEW_ROWS, FEW_BYTES = 10_000, 1_000_000
# The bytes of the texts of a task that may be long; all other columns are names and times.
_TEXTS = {
    "pull_tasks": "strlen(concat(extra, push_args, destination_url, callback_url, stream_name, domain, app_name))",
    "pull_task_source_urls": "100 + coalesce(strlen(url), 0)",
    "pull_task_callback_events": "100 + coalesce(strlen(event), 0)",
}
# DuckDB's messages when a checkpoint runs out of memory, which raises another class than OutOfMemoryException.
_NO_MEMORY = re.compile(r"failed to allocate|could not allocate|failed to pin", re.IGNORECASE)
_KEY = "project_id, region, task_id"


# Targets `(project_id, region)` whose rows of a day are left out of a build, by day.
SetAside = Mapping[date, Collection[tuple[str, str]]]
NOTHING_SET_ASIDE: SetAside = {}
_SET_ASIDE_TEXT = (
    f"set aside ({TOO_LARGE}): a build with the rows of this target and day needs more memory than it may take. "
    "The last known tasks stay; raise warehouse.memory"
)


class DayBuilder:
    """Runs models over the days of a build, on a connection with its catalogs; kinds use it as their `Builder`."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        lake: Lake,
        plan: Plan,
        set_aside: SetAside = NOTHING_SET_ASIDE,
    ) -> None:
        self.adds_one_day = plan.adds_one_day
        self.starts_empty = plan.base is None and len(plan.days) == 1
        self._connection = connection
        self._lake = lake
        self._display_timezone = plan.display_timezone
        self._checked: set[Path] = set()
        self._set_aside = set_aside
        self._day: date | None = None
        self._rows_of_day: dict[str, str] = {}  # the selects of its tidy tables

    def enter(self, day: date) -> None:
        """Point the tidy tables at `day`, after comparing their files with its manifest.

        Raises:
            LakeError: when a file differs from the manifest, or a newer version wrote the day.
        """
        con = self._connection
        self._day = day
        manifest = read_manifest(self._lake.manifest_file(day))
        refuse_newer(self._lake, manifest)
        for table in TABLES:
            path = self._tidy_file(manifest, table.name)
            rows = f"select * from ({tidy_rows(table, [path])}) where snapshot_date = date '{day}'"
            self._rows_of_day[table.name] = _without(rows, table.name, self._set_aside.get(day, ()))
        entries = manifest.tables.values()
        is_small = (
            sum(entry.rows for entry in entries) <= FEW_ROWS and sum(entry.bytes for entry in entries) <= FEW_BYTES
        )
        noun = "table" if is_small else "view"
        # a new catalog in memory gives the memory of the day before back at once
        con.execute("detach whole_day; attach ':memory:' as whole_day")
        for name, rows in self._rows_of_day.items():
            self._execute(name, f"create {noun} whole_day.main.{name} as {rows}")
        since = self._same_schema_since(day, manifest.schema_version)
        zone = self._scalar("select max(timezone) from whole_day.main.captures") or "UTC"
        values = [day, zone, self._display_timezone, since, 0, TEXT_PER_PART]
        columns = ", ".join(f"?::{kind} as {name}" for name, kind in BUILD_COLUMNS.items())
        con.execute(f"create or replace table tidy.main.build as select {columns}", values)
        self._show()

    def make(self, model: Model, place: str) -> int:
        """Run the model's select for the current day, store its rows in `place`, and return their number."""
        rows = 0
        # published tables exist in the empty file already, with their comments, so they are filled and not created
        is_there = place == model.place and model.is_published
        sort = "temp table" if place == MADE else "table"
        into = f"insert into {place} by name" if is_there else f"create or replace {sort} {place} as"
        parts = self._parts(model)
        if not parts:  # without parts there are no rows, and preparing the select would cost more than this table
            return self.execute(model, f"{into} from {model.place_before} limit 0")
        # the first part creates or fills the table, the others are added to it
        for show in parts:
            show()
            rows += self.execute(model, f"{into} {model.sql}")
            into = f"insert into {place} by name"
        if model.parts == "tasks":
            self._show()
        return rows

    def execute(self, model: Model, statement: str) -> int:
        """Run a statement of a model, and return the number of rows that it wrote.

        Raises:
            ModelError: when the database refuses it.
            LakeError: when the disk is full or fails.
            BuildOutOfMemory: when it needs more memory than the build may take.
        """
        ((rows,),) = self._execute(model.name, statement)
        return int(rows)

    def _execute(self, name: str, statement: str) -> list[Any]:
        """Run a statement of a model or a tidy table and return its rows; raise the errors of `execute`."""
        try:
            return self._connection.execute(statement).fetchall()
        except duckdb.Error as error:
            if NOT_WRITTEN.search(str(error)):
                raise not_written(error) from None
            if self._day and (isinstance(error, duckdb.OutOfMemoryException) or _NO_MEMORY.search(str(error))):
                raise BuildOutOfMemory(
                    f"{name}: the build needs more memory than it may take; raise warehouse.memory, or lower "
                    "warehouse.threads",
                    self._day,
                    self._heaviest_target(),
                ) from None
            raise ModelError(f"{name}: {scrub(str(error))}") from None

    def count(self, rows: str) -> int:
        """Return the number of rows of a table, a view or a subquery."""
        return int(self._scalar(f"select count(*) from {rows}"))

    def _same_schema_since(self, day: date, schema_version: int) -> date | None:
        """Return the first day since which all days have the schema version of `day`; None if the day before differs.

        Rows of unchanged tasks are taken over from days of the same schema only.
        """
        since = None
        for earlier in reversed([each for each in self._lake.tidy_dates() if each < day][-MOST_DAYS_TAKEN_OVER:]):
            manifest = read_if_valid(self._lake.manifest_file(earlier))
            if manifest is None or manifest.schema_version != schema_version:
                break
            since = earlier
        return since

    def _show(self, tasks: str = "true") -> None:
        """Make the views in `tidy` show the whole day, or only the tasks that match a condition."""
        for table in TABLES:
            rows = f"from whole_day.main.{table.name} where {tasks if table.name in _TEXTS else 'true'}"
            self._connection.execute(f"create or replace view tidy.main.{table.name} as {rows}")

    def _parts(self, model: Model) -> list[Callable[[], None]]:
        """Return one function per part of the day; each makes the tidy tables show its part."""
        if model.parts is None:
            return [lambda: None]
        if model.parts == "tasks":
            return [partial(self._show, tasks) for tasks in self._parts_of_tasks()]
        last = self._scalar(f"select coalesce(max(part), -1) from {model.parts}")
        return [partial(self._show_part, number) for number in range(last + 1)]

    def _show_part(self, number: int) -> None:
        self._connection.execute("update tidy.main.build set part = $1", [number])

    def _parts_of_tasks(self) -> list[str]:
        """Return SQL conditions that divide the day's tasks, in the order of their keys, into parts of bounded size."""
        sizes = " union all ".join(
            f"select {_KEY}, {int(name == PULL_TASKS.name)} as tasks, {text} as text from tidy.main.{name}"
            for name, text in _TEXTS.items()
        )
        if not self._scalar(f"select sum(tasks) > {TASKS_PER_PART} or sum(text) > {TEXT_PER_PART} from ({sizes})"):
            return ["true"]
        # a task belongs to the part in which the sum of all tasks before it lies, so each part ends soon after its size
        before = f"over (order by {_KEY} rows between unbounded preceding and 1 preceding)"
        part = (
            f"coalesce(sum(tasks) {before}, 0) // {TASKS_PER_PART} + coalesce(sum(text) {before}, 0) // {TEXT_PER_PART}"
        )
        of_tasks = f"select {_KEY}, sum(tasks) as tasks, sum(text) as text from ({sizes}) group by all"
        begins = self._connection.execute(
            f"select min(({_KEY})) as first from (select *, {part} as part from ({of_tasks})) "
            "group by part order by first"
        ).fetchall()
        return [_between(begin, end) for begin, end in pairwise([None, *(row[0] for row in begins[1:]), None])]

    def _heaviest_target(self) -> tuple[str, str] | None:
        """Return the `(project_id, region)` with the most text on the current day, from a database of its own.

        The build's database has just run out of memory.
        """
        sizes = " union all ".join(
            f"select project_id, region, 1 + {text} as text from ({self._rows_of_day[name]})"
            for name, text in _TEXTS.items()
        )
        heaviest = f"select project_id, region from ({sizes}) group by all order by sum(text) desc, project_id, region"
        with duckdb.connect(config={"threads": 1}) as other:
            found = other.execute(f"{heaviest} limit 1").fetchone()
        return (found[0], found[1]) if found else None

    def _tidy_file(self, manifest: Manifest, table: str) -> Path:
        """Return the path of the day's file or of its month's, after comparing it with the manifest."""
        day = manifest.snapshot_date
        advice = f"rebuild it: pulltasks rebuild --from {day} --to {day}"
        if not self._lake.is_compacted(day):
            path = self._lake.tidy_file(table, day)
            check_file(path, manifest.tables[table], advice)
            return path
        month = read_month_manifest(self._lake.month_manifest_file(month_of(day)))
        path = self._lake.month_file(table, month_of(day))
        # a build of many days reads the same month's file for each of them: it is hashed once
        if path not in self._checked:
            check_file(path, month.tables[table], advice)
            self._checked.add(path)
        return path

    def _scalar(self, query: str) -> Any:
        ((value,),) = self._connection.execute(query).fetchall()
        return value


def _between(begin: tuple[str, ...] | None, end: tuple[str, ...] | None) -> str:
    """Return a condition on tasks from `begin` on and before `end`; None is an open end.

    The comparison of projects alone is redundant, but with it DuckDB skips whole row groups of the Parquet file.
    """
    bounds = [(sign, [quoted(part) for part in key]) for sign, key in ((">=", begin), ("<", end)) if key is not None]
    return (
        " and ".join(
            f"project_id {sign[0]}= {project} and (project_id {sign[0]} {project} or "
            f"region {sign[0]} {region} or (region = {region} and task_id {sign} {task}))"
            for sign, (project, region, task) in bounds
        )
        or "true"
    )


def _without(rows: str, table: str, targets: Collection[tuple[str, str]]) -> str:
    """Return a select of rows without those of some targets; in `captures` they remain, as failed."""
    if not targets:
        return rows
    is_one = f"(project_id, region) in ({', '.join(f'({quoted(p)}, {quoted(r)})' for p, r in sorted(targets))})"
    if table != CAPTURES.name:
        return f"select * from ({rows}) where not {is_one}"
    columns = {"verdict": "failed", "verdict_reason": TOO_LARGE, "error_message": _SET_ASIDE_TEXT}
    replaced = [f"case when {is_one} then {quoted(value)} else {name} end as {name}" for name, value in columns.items()]
    replaced += [f"case when not {is_one} then {name} end as {name}" for name in ("proof", "evidence")]
    return f"select * replace ({', '.join(replaced)}) from ({rows})"
