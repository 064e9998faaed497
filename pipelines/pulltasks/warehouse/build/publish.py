"""Publish: bring the published file up to date with the tidy tables, if anything is new.

Lives here: the steps from a plan to a published file; setting targets aside that need too much memory.
Does not live here: building (working_copy), finishing a file (finish), what to build upon (plan).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pulltasks.errors import BuildOutOfMemory, ModelError
from pulltasks.lake.paths import EXPOSED
from pulltasks.warehouse.build.builds import remove_builds_of_other_masks
from pulltasks.warehouse.build.checks import CheckResult, none_failed
from pulltasks.warehouse.build.plan import Plan, plan_build
from pulltasks.warehouse.build.preview import Preview, first_rows
from pulltasks.warehouse.build.working_copy import ModelResult, working_copy
from pulltasks.warehouse.read.published import open_file
from pulltasks.warehouse.read.status import build_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator
    from datetime import date, datetime
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import WarehouseSettings
    from pulltasks.warehouse.sql.models import Models


@dataclass(frozen=True)
class Built:
    """A model that the caller wants to show, from this build or from the published file.

    Attributes:
        result: its rows and checks.
        preview: its first rows.
        through: the last day that the build holds.
    """

    result: ModelResult
    preview: Preview
    through: date


@dataclass(frozen=True)
class CrossChecked:
    """The results of the checks over several models, and one line per check of a single model that failed."""

    checks: tuple[CheckResult, ...]
    failures: tuple[str, ...] = ()


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
    """Bring the published file up to date, and yield the models to show and the checks on the way.

    Args:
        lake: the lake with the tidy tables, which gets the build; the caller holds its lock.
        models: the models.
        settings: masking, memory and threads.
        plan: the base, and the days to add.
        now: the time of the build (UTC).
        on_day: is called with each day but the last.
        shown: names of models to yield; if there is no day to add, they come from the published file.
        publish: whether to publish the build.

    Returns:
        The path of the published file, the earlier one if nothing is new; None if `publish` is False.

    Raises:
        ModelError: when SQL or a check fails; the published file is unchanged then.
    """
    set_aside: dict[date, set[tuple[str, str]]] = {}
    pending = [model.name for model in models.in_order if model.name in shown]
    while not plan.is_up_to_date:
        try:
            with working_copy(lake, models, settings, plan, on_day, set_aside) as work:
                while pending:
                    yield Built(work.run(pending[0]), work.preview(pending.pop(0)), work.day)
                if not publish:
                    work.require_valid()
                    return None
                yield CrossChecked(work.cross_checks(), tuple(work.failures()))
                return work.publish(now)
        except BuildOutOfMemory as error:
            # The next attempt leaves out the heaviest target of that day, which is reported as failed. One large
            # target must not keep all others from being published.
            if error.heaviest is None:
                raise
            set_aside.setdefault(error.day, set()).add(error.heaviest)
    if plan.base is None:
        raise ModelError("there is nothing to build")
    yield from as_published(plan.base, models, pending)
    yield all_passed(models)
    if not publish:
        return None
    # nothing to add: an earlier build has exactly these days, so publishing it again is a change of the link
    if not lake.published.exists() or lake.published.resolve() != plan.base.resolve():
        lake.link(plan.base.name, lake.published)
    remove_builds_of_other_masks(lake, plan.held, plan.rules)
    return plan.base


def as_published(file: Path, models: Models, names: Collection[str]) -> Iterator[Built]:
    """Yield models from a published file; its checks have passed, otherwise it would not be published."""
    if not names:
        return
    with open_file(file) as connection:
        ((through, _),) = build_of(connection)
        for name in names:
            model = models[name]
            rows = None
            if model.is_published and model.is_checked:
                ((rows,),) = connection.execute(f"select count(*) from {name}").fetchall()
            is_shown = model.is_published and not (model.kind.takes_arguments or EXPOSED in file.name)
            preview = first_rows(connection, model, name if is_shown else None)
            yield Built(ModelResult(model, rows, None, none_failed(model)), preview, through)


def all_passed(models: Models) -> CrossChecked:
    """Return the results of the checks of a published file: one that failed would have kept it from appearing."""
    return CrossChecked(tuple(CheckResult(check.name, 0) for check in models.checks))


def build_and_publish(
    lake: Lake,
    models: Models,
    settings: WarehouseSettings,
    now: datetime,
    on_day: Callable[[date], None] = lambda _: None,
) -> Path:
    """Plan and publish: run all steps of `build_steps`, and return the path of the published file.

    Raises:
        NoWarehouse: when there are no tidy tables.
    """
    steps = build_steps(lake, models, settings, plan_build(lake, models, settings), now, on_day)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("Path", end.value)
