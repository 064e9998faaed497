"""Building and publishing: SQL models over the tidy days into one read-only DuckDB file.

Lives here: running models day by day, the publish.
Does not live here: what to build upon (builds), where models find their tables (catalogs), checks, what the models say
(sql/), masking (redact), opening (warehouse).

A build starts from the newest earlier one that holds only days that are as they were (its base), and adds the days
after it, one by one. The file that readers see is never touched: a new one is finished, then a link is turned.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from pipelines import redact
from pipelines.catalogs import open_catalogs
from pipelines.checks import CheckResult, check_added_rows, check_none, check_rows
from pipelines.compaction import check_file
from pipelines.errors import LakeError, ModelError
from pipelines.finish import NOT_WRITTEN, finish_file, not_written, qualified_name
from pipelines.lake import month_of
from pipelines.literals import quoted, without_comments
from pipelines.manifests import read_manifest, read_month_manifest
from pipelines.models import BY_DAY, with_ancestors
from pipelines.preview import Preview, first_rows
from pipelines.tables import SCHEMA_VERSION, TABLES
from pipelines.warehouse import tidy_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date, datetime
    from pathlib import Path

    from pipelines.builds import Plan
    from pipelines.lake import Lake
    from pipelines.manifests import Manifest
    from pipelines.models import Model, Models
    from pipelines.settings import Settings, WarehouseSettings


# What DuckDB may hold; beyond it, it writes to the lake's folder for what is unfinished. Each thread holds blocks of
# its own that cannot be written out: 300 MB are enough for 16 threads and not for 32.
LEAST_MEMORY_MB = 300
MEMORY_MB_PER_THREAD = 40
# More threads than this gain nothing for models of this size.
MOST_THREADS = 8
# Of a model that is built in parts, so many tasks at a time.
TASKS_PER_PART = 50_000


@dataclass(frozen=True)
class ModelResult:
    """What a model holds after the build's last day: all rows, and those that the day brought."""

    model: Model
    rows: int
    day_rows: int
    checks: tuple[CheckResult, ...]


class WorkingCopy:
    """A warehouse in the making; nobody sees it before `publish`. Use as a context manager, under the lake's lock."""

    def __init__(
        self,
        lake: Lake,
        models: Models,
        settings: Settings,
        plan: Plan,
        on_day: Callable[[date], None] = lambda _: None,
    ) -> None:
        """Take over the base and build all days but the last; `run` builds that one, model by model."""
        if plan.is_nothing:
            raise ModelError("there is nothing to build")
        self._lake = lake
        self._models = models
        self._plan = plan
        self._settings = settings
        self._results: dict[str, ModelResult] = {}
        self._readers = Counter(name for model in models.in_order for name in model.depends_on)
        self._checked: set[Path] = set()
        self._path = lake.unfinished("warehouse.duckdb")
        self._path.unlink(missing_ok=True)
        # what does not fit into memory is as private as the tidy tables that it comes from
        threads, memory = room_of(settings.warehouse, os.cpu_count() or 1)
        self._connection = duckdb.connect(
            ":memory:",
            config={"temp_directory": str(lake.unfinished("build")), "threads": threads, "memory_limit": memory},
        )
        with ExitStack() as undo:
            undo.callback(self.close)
            # before the catalogs are there: so the masks lie in the database's own memory
            redact.install(
                self._connection,
                mask_stream_names=settings.warehouse.mask_stream_names,
                expose_secrets=settings.warehouse.expose_secrets,
            )
            redact.set_key(self._connection, redact.read_or_make_key(lake, may_make=False))
            open_catalogs(self._connection, self._path, plan, models)
            for day in plan.days[:-1]:
                self._enter(day)
                for model in models.in_order:
                    self._pass(model)
                _raise_if_failed([f"{day}: {text}" for text in _failures(self._check_across())])
                on_day(day)
            self._enter(plan.days[-1])
            undo.pop_all()

    def __enter__(self) -> WorkingCopy:
        """Nothing to do; the work began with the making."""
        return self

    def __exit__(self, *_: object) -> None:
        """Throw away what was not published."""
        self.close()

    def close(self) -> None:
        """Let go of the file; what was not published is gone."""
        self._connection.close()
        for leftover in self._path.parent.glob(f"{self._path.name}*"):
            leftover.unlink()

    @property
    def day(self) -> date:
        """The last day of the build."""
        return self._plan.days[-1]

    def require(self, day: date) -> None:
        """Make sure that the build holds `day`.

        Raises:
            LakeError: when there are no tidy tables of that day.
        """
        if day not in self._plan.inputs:
            raise LakeError(f"{day}: there are no tidy tables of this day; build them first (`tidy/…`)")

    # -- building ------------------------------------------------------------------------------------------------

    def run(self, name: str) -> ModelResult:
        """Build the last day of a model, and before it that of all models it reads; each once.

        Raises:
            ModelError: when the SQL fails or does not give the columns of its header.
        """
        for model in with_ancestors(self._models, [name]):
            if model.name not in self._results:
                self._results[model.name] = self._finish(model)
        return self._results[name]

    def preview(self, name: str) -> Preview:
        """The first rows of a model that was built; none of a macro, and none where rows show secrets."""
        model = self._models[name]
        is_shown = model.kind != "macro" and not self._settings.warehouse.expose_secrets
        return first_rows(self._connection, model, qualified_name(model) if is_shown else None)

    def cross_checks(self) -> tuple[CheckResult, ...]:
        """The checks over several models, after all of them are built."""
        for model in self._models.in_order:
            self.run(model.name)
        return self._check_across()

    def _check_across(self) -> tuple[CheckResult, ...]:
        """The checks over several models, as these stand after the day that was entered."""
        return tuple(
            check_none(self._connection, check.name, f"select * from ({check.sql}\n)", f"check {check.name}")
            for check in self._models.checks
        )

    def _enter(self, day: date) -> None:
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
            "create or replace table tidy.main.build as select $1::date as snapshot_date, $2::varchar as timezone",
            [day, self._timezone()],
        )
        self._show()

    def _timezone(self) -> str:
        """The zone that the day was counted in; UTC where version 0.1 took a name that no database knows."""
        zone = self._scalar("select max(timezone) from whole_day.main.captures") or "UTC"
        try:
            self._connection.execute("select timezone($1, timestamp '2026-01-01')", [zone])
        except duckdb.Error:
            return "UTC"
        return str(zone)

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

    def _pass(self, model: Model) -> None:
        """Build a model for a day that is not the last: what it holds then is what the next day finds before it."""
        if model.kind not in BY_DAY:
            return
        if model.kind == "staging":
            self._make(model, qualified_name(model))
            return
        self._make(model, "made")
        if model.kind == "appended":
            self._execute(model, f"insert into before.main.{model.name} by name from made")
        else:
            self._execute(model, f"create or replace table before.main.{model.name} as {_together(model)}")

    def _finish(self, model: Model) -> ModelResult:
        """Build a model for the last day, into its final place."""
        if model.kind in {"view", "macro"}:
            self._define(model)
            if not model.is_checked:
                return ModelResult(model, 0, 0, ())
            rows = self._count(qualified_name(model))
            return ModelResult(model, rows, rows, self._checks_of(model))
        if not model.has_past:
            rows = self._make(model, qualified_name(model))
            return ModelResult(model, rows, rows, self._checks_of(model))
        day_rows = self._make(model, "made")
        if model.kind == "appended" and self._plan.adds_one_day:
            self._execute(model, f"insert into {qualified_name(model)} by name from made")
        else:
            self._execute(model, f"create or replace table {qualified_name(model)} as {_together(model)}")
        return ModelResult(model, self._count(qualified_name(model)), day_rows, self._checks_of(model))

    def _make(self, model: Model, place: str) -> int:
        """Run the select of a model for the day that was entered, into `place`; returns how many rows it gave."""
        sort = "temp table" if place == "made" else "table"
        if model.kind == "staging" and self._readers[model.name] == 1:
            sort = "view"  # what is read once need not be kept
        first, *others = self._parts() if model.in_parts else ["true"]
        if others:
            self._show(first)
        self._execute(model, f"create or replace {sort} {place} as {model.sql}")
        for part in others:
            self._show(part)
            self._execute(model, f"insert into {place} {model.sql}")
        if others:
            self._show()
        self._compare_columns(model, place)
        return self._count(place)

    def _define(self, model: Model) -> None:
        """Write a view or a macro into the file; it must work there as it stands."""
        select = without_comments(model.sql)
        if model.kind == "view":
            self._execute(model, f"create view {qualified_name(model)} as {select}")
            call = qualified_name(model)
        else:
            self._execute(
                model, f"create macro {qualified_name(model)}({', '.join(model.arguments)}) as table {select}"
            )
            call = f"{qualified_name(model)}({', '.join(['null'] * len(model.arguments))})"
        self._compare_columns(model, f"(from {call})")

    def _execute(self, model: Model, statement: str) -> None:
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
            raise ModelError(f"{model.name}: {redact.scrub(str(error))}") from None

    def _compare_columns(self, model: Model, rows: str) -> None:
        found = {row[0]: row[1] for row in self._connection.execute(f"describe from {rows}").fetchall()}
        declared = {column.name: column.type for column in model.columns}
        if found != declared:
            differing = sorted({*found.items()} ^ {*declared.items()})
            raise ModelError(
                f"{model.name}: the select and the header's columns differ in "
                + ", ".join(f"{name} {kind}" for name, kind in differing)
            )

    def _checks_of(self, model: Model) -> tuple[CheckResult, ...]:
        """The model's checks; where one day was added to rows that were checked before, over that day's rows only."""
        if not (model.has_past and self._plan.adds_one_day):
            return check_rows(self._connection, model, qualified_name(model))
        # what shares a key with an earlier row is an error where rows are only added; else it has replaced that row
        held = f"before.main.{model.name}" if model.kind == "appended" else None
        return check_added_rows(self._connection, model, "made", held)

    # -- publishing ----------------------------------------------------------------------------------------------

    def publish(self, now: datetime) -> Path:
        """Check everything, finish the file, and let readers see it; returns its path.

        Raises:
            ModelError: when a check fails; what was published before stays.
        """
        cross_checks = self.cross_checks()
        of_models = [
            f"{result.model.name}: {text}" for result in self._results.values() for text in _failures(result.checks)
        ]
        _raise_if_failed([*of_models, *_failures(cross_checks)])
        kept = {
            model.name
            for model in self._models.in_order
            if model.kind == "appended" and self._plan.adds_one_day and self._plan.has_words
        }
        return finish_file(
            self._connection,
            self._lake,
            self._path,
            self._models,
            self._plan,
            self._settings.warehouse,
            now,
            has_words=kept,
        )

    def _count(self, rows: str) -> int:
        return int(self._scalar(f"select count(*) from {rows}"))

    def _scalar(self, query: str) -> Any:
        row = self._connection.execute(query).fetchone()
        return row[0] if row else None


def room_of(settings: WarehouseSettings, cores: int) -> tuple[int, str]:
    """How many threads a build has, and how much memory: set together, as each thread needs some of its own."""
    threads = settings.threads or min(cores, MOST_THREADS)
    return threads, settings.memory or f"{max(LEAST_MEMORY_MB, MEMORY_MB_PER_THREAD * threads)}MB"


def _failures(checks: Iterable[CheckResult]) -> list[str]:
    return [f"{check.name} ({check.failed_rows} rows, such as {check.sample})" for check in checks if not check.passed]


def _raise_if_failed(failures: list[str]) -> None:
    if failures:
        raise ModelError("nothing was published, these checks failed:\n" + "\n".join(f"  {line}" for line in failures))


def _same(model: Model) -> str:
    return " and ".join(f"held.{name} is not distinct from made.{name}" for name in model.replace)


def _together(model: Model) -> str:
    """What the model held before the day and what the day made, which replaces rows of the same key if it may."""
    held, names = f"before.main.{model.name}", ", ".join(f'"{column.name}"' for column in model.columns)
    standing = f" anti join made on {_same(model)}" if model.kind == "incremental" else ""
    return f"select {names} from {held} as held{standing} union all select {names} from made"
