"""Build SQL models over the tidy days into an unfinished DuckDB file, and publish it.

Lives here: the order in which days and models are built, running the checks, publishing.
Does not live here: what to build upon (plan), the catalogs (attach), running a model's SQL (day_builder), loading its
rows (kinds), the checks (checks), masking (masking), opening (published).

A build starts from the newest earlier build whose days are all unchanged (its base), and adds the days after it, one by
one. The published file is never modified: a new file is finished, then the link is changed to it.
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
from pulltasks.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date, datetime
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import WarehouseSettings
    from pulltasks.warehouse.build.plan import Plan
    from pulltasks.warehouse.sql.kinds import Built, Model
    from pulltasks.warehouse.sql.models import Models


# The memory limit of DuckDB; beyond it, it spills to the lake's folder for unfinished files. Each thread holds blocks
# that cannot be spilled: 300 MB are enough for 16 threads, but not for 32. The widest rows that one target may have
# take 100 MB more.
LEAST_MEMORY_MB = 400
MEMORY_MB_PER_THREAD = 40
# With more tasks per day than this, the joins by task need more memory.
MANY_TASKS = 500_000
MEMORY_MB_PER_MILLION_MORE = 600
# More threads than this gain nothing for models of this size.
MOST_THREADS = 8
# With fewer tasks than this a further thread costs more than it saves, because each prepares every expression itself.
FEW_TASKS = 100_000


@dataclass(frozen=True)
class ModelResult:
    """The row counts of a model after the build's last day: all rows, and those of that day; None if not known."""

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
    """Yield an unfinished warehouse with all days but the last; remove it at the end unless it was published.

    Args:
        lake: the lake with the tidy tables and earlier builds; the caller holds its lock.
        models: the models.
        settings: masking, memory and threads.
        plan: the base, and the days to add.
        on_day: is called with each day but the last.
        set_aside: targets whose rows of a day are left out.

    Raises:
        BuildOutOfMemory: when a day needs more memory than the build may take.
        ModelError: when there is nothing to build, or SQL or a check fails on one of these days.
        LakeError: when a day's tables differ from its manifest.
    """
    if plan.is_up_to_date:
        raise ModelError("there is nothing to build")
    path = lake.unfinished("warehouse.duckdb")
    path.unlink(missing_ok=True)
    tables = [read_manifest(lake.manifest_file(day)).tables.get(PULL_TASKS.name) for day in plan.days]
    most_tasks = max(entry.rows if entry else 0 for entry in tables)
    threads, memory = room_of(settings, os.cpu_count() or 1, most_tasks)
    # what DuckDB spills to disk is as secret as the tidy tables, so it goes into a private folder
    connection = duckdb.connect(
        ":memory:",
        config={"temp_directory": str(lake.unfinished("build")), "threads": threads, "memory_limit": memory},
    )
    try:
        # before the catalogs are attached, so that the macros are created in memory and not in the published file
        flags = {"mask_stream_names": settings.mask_stream_names, "expose_secrets": settings.expose_secrets}
        masking.install(connection, **flags)
        masking.set_key(connection, redaction_key.read_or_make_key(lake, may_make=False))
        try:
            # With more days to add, the base's rows are read from `before`, and the file starts empty: it would have to
            # be rewritten for each day otherwise.
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
        # DuckDB may leave a write-ahead log beside the file
        for leftover in path.parent.glob(f"{path.name}*"):
            leftover.unlink()


class WorkingCopy:
    """An unfinished warehouse, invisible to readers until `publish`; `working_copy` creates it."""

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
        """Build all days but the last, and enter the last one; `run` builds that one, model by model.

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
        """Build a model for the last day, after all models that it reads; each is built once.

        Raises:
            ModelError: when the SQL fails or does not give the columns of its header.
        """
        for model in with_ancestors(self._models, [name]):
            if model.name not in self._results:
                built = model.kind.build_last_day(self._builder, model)
                self._results[model.name] = ModelResult(model, *built, self._checks_of(model, built))
        return self._results[name]

    def preview(self, name: str) -> Preview:
        """Return the first rows of a built model; none of a macro, and none if the build shows secrets."""
        model = self._models[name]
        is_shown = not (model.kind.takes_arguments or self._settings.expose_secrets)
        return first_rows(self._connection, model, model.place if is_shown else None)

    def cross_checks(self) -> tuple[CheckResult, ...]:
        """Return the results of the checks over several models; build all models first, and check only once."""
        if self._crossed is None:
            for model in self._models.in_order:
                self.run(model.name)
            self._crossed = self._check_across()
        return self._crossed

    def _check_across(self) -> tuple[CheckResult, ...]:
        """Run the checks over several models, on their rows after the current day."""
        return tuple(
            check_none(self._connection, check.name, f"select * from ({check.sql}\n)", f"check {check.name}")
            for check in self._models.checks
        )

    def _checks_of(self, model: Model, built: Built) -> tuple[CheckResult, ...]:
        """Run the model's checks on the rows that no earlier build has checked."""
        if not model.is_checked:
            return ()
        adds_one_day = self._plan.adds_one_day
        if not (built.day_rows if adds_one_day else built.rows):
            return none_failed(model)
        rows, held = model.kind.unchecked(model, adds_one_day=adds_one_day)
        return check_rows(self._connection, model, rows, held)

    def failures(self) -> list[str]:
        """Return one line per check of a single model that failed, for the models built so far."""
        return [
            f"{result.model.name}: {text}" for result in self._results.values() for text in _failures(result.checks)
        ]

    def require_valid(self) -> None:
        """Raise if a model that was built has wrong rows.

        Raises:
            ModelError: with the checks that failed.
        """
        _raise_if_failed(self.failures())

    def publish(self, now: datetime) -> Path:
        """Check everything, finish and publish the file, and return its path.

        Raises:
            ModelError: when a check fails; the published file is unchanged then.
        """
        _raise_if_failed([*self.failures(), *_failures(self.cross_checks())])
        return finish_file(
            self._connection,
            self._lake,
            self._path,
            self._plan,
            now,
            exposes=self._settings.expose_secrets,
        )


def room_of(settings: WarehouseSettings, cores: int, most_tasks: int) -> tuple[int, str]:
    """Return the threads and the memory limit of a build whose largest day has `most_tasks` tasks.

    Both are decided together, because each thread needs memory of its own.
    """
    threads = settings.threads or (1 if most_tasks <= FEW_TASKS else min(cores, MOST_THREADS))
    more = max(0, most_tasks - MANY_TASKS) * MEMORY_MB_PER_MILLION_MORE // 1_000_000
    return threads, settings.memory or f"{max(LEAST_MEMORY_MB, MEMORY_MB_PER_THREAD * threads) + more}MB"


def _failures(checks: Iterable[CheckResult]) -> list[str]:
    return [
        f"{check.name} ({counted(check.failed_rows, 'row')}, such as {check.sample})"
        for check in checks
        if not check.passed
    ]


def _raise_if_failed(failures: list[str]) -> None:
    if failures:
        raise ModelError("nothing was published, these checks failed:\n" + "\n".join(f"  {line}" for line in failures))
