"""Publishing: the published file brought up to the tidy tables, if anything is new.

Lives here: whether a build is needed.
Does not live here: building (working_copy), finishing a file (finish), what to build upon (plan).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pulltasks.errors import BuildOutOfMemory, ModelError
from pulltasks.warehouse.build.builds import remove_builds_of_other_masks
from pulltasks.warehouse.build.checks import CheckResult, none_failed
from pulltasks.warehouse.build.plan import Plan, plan_build
from pulltasks.warehouse.build.preview import Preview, first_rows
from pulltasks.warehouse.build.working_copy import ModelResult, working_copy
from pulltasks.warehouse.read.published import open_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator
    from datetime import date, datetime
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import WarehouseSettings
    from pulltasks.warehouse.sql.models import Models


@dataclass(frozen=True)
class Built:
    """A model that somebody wants to see, after the build's last day or as it was published earlier.

    Attributes:
        result: its rows and checks.
        preview: its first rows.
        days: all that the build holds.
    """

    result: ModelResult
    preview: Preview
    days: Collection[date]


@dataclass(frozen=True)
class CrossChecked:
    """The checks over several models were made."""

    checks: tuple[CheckResult, ...]


def build_steps(
    lake: Lake,
    models: Models,
    settings: WarehouseSettings,
    plan: Plan,
    now: datetime,
    on_day: Callable[[date], None] = lambda _: None,
    *,
    shown: Collection[str] = (),
    publish: bool = True,
) -> Generator[Built | CrossChecked, None, Path | None]:
    """Bring the published file up to the tidy tables; returns its path, the one that stands if nothing is new.

    Args:
        lake: tidy tables in, a build out; the caller holds its lock.
        models: the SQL.
        settings: the masking that is asked for, and what the build may take.
        plan: what to build upon, and the days to add.
        now: the time.
        on_day: is told of each day but the last.
        shown: models to show; where there is no day to add, as the file that stands holds them.
        publish: whether readers shall see the build; if not, there is no path.

    Raises:
        ModelError: when SQL or a check fails; what was published before stays.
    """
    set_aside: dict[date, set[tuple[str, str]]] = {}
    pending = [model.name for model in models.in_order if model.name in shown]
    while not plan.is_up_to_date:
        try:
            with working_copy(lake, models, settings, plan, on_day, set_aside) as work:
                while pending:
                    yield Built(work.run(pending[0]), work.preview(pending.pop(0)), plan.inputs)
                if not publish:
                    return None
                cross_checks = work.cross_checks()
                yield CrossChecked(cross_checks)
                return work.publish(now)
        except BuildOutOfMemory as error:
            # without the target that weighs most on that day, which is named; the others are published
            if error.heaviest is None:
                raise
            set_aside.setdefault(error.day, set()).add(error.heaviest)
    if plan.base is None:
        raise ModelError("there is nothing to build")
    if pending:
        yield from _as_published(plan.base, models, settings, pending, plan.inputs)
    if not publish:
        return None
    if not lake.published.exists() or lake.published.resolve() != plan.base.resolve():
        lake.link(plan.base.name, lake.published)
    remove_builds_of_other_masks(lake, plan.held, plan.rules)
    return plan.base


def _as_published(
    file: Path, models: Models, settings: WarehouseSettings, names: Collection[str], days: Collection[date]
) -> Iterator[Built | CrossChecked]:
    """Show models as a file holds them that was published: it would not have been, had one of its checks failed."""
    with open_file(file) as connection:
        for name in names:
            model = models[name]
            rows = None
            if model.is_published and model.is_checked:
                ((rows,),) = connection.execute(f"select count(*) from {name}").fetchall()
            is_shown = model.is_published and not (model.kind.takes_arguments or settings.expose_secrets)
            preview = first_rows(connection, model, name if is_shown else None)
            yield Built(ModelResult(model, rows, None, none_failed(model)), preview, days)
    yield CrossChecked(tuple(CheckResult(check.name, 0) for check in models.checks))


def build_and_publish(
    lake: Lake,
    models: Models,
    settings: WarehouseSettings,
    now: datetime,
    on_day: Callable[[date], None] = lambda _: None,
) -> Path:
    """Plan, and take all steps of `build_steps` at once; returns the path of what is published.

    Raises:
        NoWarehouse: when there are no tidy tables.
    """
    steps = build_steps(lake, models, settings, plan_build(lake, models, settings), now, on_day)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("Path", end.value)
