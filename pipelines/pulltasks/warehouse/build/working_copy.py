"""Building and publishing: SQL models over the tidy days into one read-only DuckDB file.

Lives here: which days and models are built in which order, the checks over them, the publish.
Does not live here: what to build upon (plan), where models find their tables (attach), running a model's SQL
(day_builder), what becomes of its rows (kinds), checks, masking (masking), opening (published).

A build starts from the newest earlier one that holds only days that are as they were (its base), and adds the days
after it, one by one. The file that readers see is never touched: a new one is finished, then a link is turned.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from pulltasks import masking
from pulltasks.errors import ModelError
from pulltasks.lake import redaction_key
from pulltasks.lake.manifests import read_manifest
from pulltasks.tables import PULL_TASKS
from pulltasks.warehouse.build.attach import open_catalogs, set_names
from pulltasks.warehouse.build.checks import CheckResult, check_none, check_rows, none_failed
from pulltasks.warehouse.build.day_builder import NOTHING_SET_ASIDE, DayBuilder, SetAside
from pulltasks.warehouse.build.finish import finish_file, not_written
from pulltasks.warehouse.build.preview import Preview, first_rows
from pulltasks.warehouse.build.template import copy_template
from pulltasks.warehouse.sql.models import with_ancestors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date, datetime
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import WarehouseSettings
    from pulltasks.warehouse.build.plan import Plan
    from pulltasks.warehouse.sql.kinds import Built, Model
    from pulltasks.warehouse.sql.models import Models


# What DuckDB may hold; beyond it, it writes to the lake's folder for what is unfinished. Each thread holds blocks of
# its own that cannot be written out: 300 MB are enough for 16 threads and not for 32. Rows that are as wide as one
# target may have them take 100 MB more.
LEAST_MEMORY_MB = 400
MEMORY_MB_PER_THREAD = 40
# Beyond so many tasks a day, what joins them by their names needs more.
MANY_TASKS = 500_000
MEMORY_MB_PER_MILLION_MORE = 600
# More threads than this gain nothing for models of this size.
MOST_THREADS = 8
# For so few tasks each further thread costs more than it saves: all of them prepare every expression for themselves.
FEW_TASKS = 100_000


@dataclass(frozen=True)
class ModelResult:
    """Row counts of a model after the build's last day: all rows, and those of that day; None where not known."""

    model: Model
    rows: int | None
    day_rows: int | None
    checks: tuple[CheckResult, ...]


@contextmanager
def working_copy(
    lake: Lake,
    models: Models,
    settings: WarehouseSettings,
    plan: Plan,
    on_day: Callable[[date], None] = lambda _: None,
    set_aside: SetAside = NOTHING_SET_ASIDE,
) -> Iterator[WorkingCopy]:
    """An unfinished warehouse with all days but the last; it is removed unless it is published.

    Args:
        lake: tidy tables and earlier builds; the caller holds its lock.
        models: the SQL.
        settings: the masking that is asked for, and what the build may take.
        plan: what to build upon, and the days to add.
        on_day: is told of each day but the last.
        set_aside: targets whose rows of a day are left out.

    Raises:
        BuildOutOfMemory: when a day needs more memory than the build may take.
        ModelError: when there is nothing to build, or SQL or a check fails on one of these days.
        LakeError: when a day's tables are not what they were.
    """
    if plan.is_up_to_date:
        raise ModelError("there is nothing to build")
    path = lake.unfinished("warehouse.duckdb")
    path.unlink(missing_ok=True)
    tables = [read_manifest(lake.manifest_file(day)).tables.get(PULL_TASKS.name) for day in plan.days]
    most_tasks = max(entry.rows if entry else 0 for entry in tables)
    threads, memory = room_of(settings, os.cpu_count() or 1, most_tasks)
    # what does not fit into memory is as private as the tidy tables that it comes from
    connection = duckdb.connect(
        ":memory:",
        config={"temp_directory": str(lake.unfinished("build")), "threads": threads, "memory_limit": memory},
    )
    try:
        # before the catalogs are there: so the masks lie in the database's own memory
        flags = {"mask_stream_names": settings.mask_stream_names, "expose_secrets": settings.expose_secrets}
        masking.install(connection, **flags)
        masking.set_key(connection, redaction_key.read_or_make_key(lake, may_make=False))
        try:
            if plan.base is not None and plan.adds_one_day:
                shutil.copyfile(plan.base, path)
            else:
                copy_template(models, path)
        except OSError as error:
            raise not_written(error) from None
        open_catalogs(connection, path, plan, models)
        work = WorkingCopy(connection, path, lake, models, settings, plan, set_aside)
        work.build_to_last_day(on_day)
        yield work
    finally:
        connection.close()
        for leftover in path.parent.glob(f"{path.name}*"):
            leftover.unlink()


class WorkingCopy:
    """An unfinished warehouse, invisible to readers until `publish`; `working_copy` makes one."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: Path,
        lake: Lake,
        models: Models,
        settings: WarehouseSettings,
        plan: Plan,
        set_aside: SetAside = NOTHING_SET_ASIDE,
    ) -> None:
        self._connection = connection
        self._path = path
        self._lake = lake
        self._models = models
        self._settings = settings
        self._plan = plan
        self._results: dict[str, ModelResult] = {}
        self._crossed: tuple[CheckResult, ...] | None = None
        self._builder = DayBuilder(connection, lake, plan, set_aside)

    @property
    def day(self) -> date:
        """The last day of the build."""
        return self._plan.days[-1]

    def build_to_last_day(self, on_day: Callable[[date], None]) -> None:
        """Build all days but the last, and enter that one; `run` builds it, model by model.

        Raises:
            ModelError: when SQL or a check over several models fails.
        """
        set_names(self._connection, is_last_day=False)
        for day in self._plan.days[:-1]:
            self._builder.enter(day)
            for model in self._models.in_order:
                model.kind.build_day(self._builder, model)
            _raise_if_failed([f"{day}: {text}" for text in _failures(self._check_across())])
            on_day(day)
        set_names(self._connection)
        self._builder.enter(self.day)

    def run(self, name: str) -> ModelResult:
        """Build the last day of a model, and before it that of all models it reads; each once.

        Raises:
            ModelError: when the SQL fails or does not give the columns of its header.
        """
        for model in with_ancestors(self._models, [name]):
            if model.name not in self._results:
                built = model.kind.build_last_day(self._builder, model)
                self._results[model.name] = ModelResult(model, *built, self._checks_of(model, built))
        return self._results[name]

    def preview(self, name: str) -> Preview:
        """The first rows of a built model; none of a macro, and none where rows show secrets."""
        model = self._models[name]
        is_shown = not (model.kind.takes_arguments or self._settings.expose_secrets)
        return first_rows(self._connection, model, model.place if is_shown else None)

    def cross_checks(self) -> tuple[CheckResult, ...]:
        """The checks over several models, after all of them are built; made once."""
        if self._crossed is None:
            for model in self._models.in_order:
                self.run(model.name)
            self._crossed = self._check_across()
        return self._crossed

    def _check_across(self) -> tuple[CheckResult, ...]:
        """The checks over several models, as these stand after the day that was entered."""
        return tuple(
            check_none(self._connection, check.name, f"select * from ({check.sql}\n)", f"check {check.name}")
            for check in self._models.checks
        )

    def _checks_of(self, model: Model, built: Built) -> tuple[CheckResult, ...]:
        """Return the model's checks, over the rows that no build has looked at."""
        if not model.is_checked:
            return ()
        adds_one_day = self._plan.adds_one_day
        if not (built.day_rows if adds_one_day else built.rows):
            return none_failed(model)
        rows, held = model.kind.unchecked(model, adds_one_day=adds_one_day)
        return check_rows(self._connection, model, rows, held)

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
        return finish_file(
            self._connection,
            self._lake,
            self._path,
            self._plan,
            now,
            exposes=self._settings.expose_secrets,
        )


def room_of(settings: WarehouseSettings, cores: int, most_tasks: int) -> tuple[int, str]:
    """Threads and memory of a build over days of so many tasks; set together, as each thread needs its own memory."""
    threads = settings.threads or (1 if most_tasks <= FEW_TASKS else min(cores, MOST_THREADS))
    more = max(0, most_tasks - MANY_TASKS) * MEMORY_MB_PER_MILLION_MORE // 1_000_000
    return threads, settings.memory or f"{max(LEAST_MEMORY_MB, MEMORY_MB_PER_THREAD * threads) + more}MB"


def _failures(checks: Iterable[CheckResult]) -> list[str]:
    return [f"{check.name} ({check.failed_rows} rows, such as {check.sample})" for check in checks if not check.passed]


def _raise_if_failed(failures: list[str]) -> None:
    if failures:
        raise ModelError("nothing was published, these checks failed:\n" + "\n".join(f"  {line}" for line in failures))
