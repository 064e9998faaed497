"""A day's job in this process, as the tests run it: any date is a partition, nothing is tried again by itself."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from unittest.mock import patch

import dagster as dg
from pulltasks_dagster.daily import SNAPSHOT
from pulltasks_dagster.definitions import JOB, build_defs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from desk import Desk

FIRST = date(2026, 1, 1)
# The fixed days of tests lie before it.
LATER = datetime(2026, 12, 1, tzinfo=UTC)
ONCE = dg.RetryPolicy(max_retries=0)
# What a run says is kept by the instance; on the terminal nobody reads it.
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


@contextmanager
def days_have_come() -> Iterator[None]:
    """Let each day of a test be a partition, whatever this machine's clock says: the last one is Dagster's own today."""
    ahead = max(LATER - datetime.now(UTC), timedelta())

    def now() -> datetime:
        return datetime.now(UTC) + ahead

    def timestamp() -> float:
        return now().timestamp()

    with (
        patch("dagster._time._mockable_get_current_datetime", now),
        patch("dagster._time._mockable_get_current_timestamp", timestamp),
    ):
        yield


def definitions(desk: Desk, retry: dg.RetryPolicy = ONCE) -> dg.Definitions:
    """The definitions for a desk's configuration."""
    return build_defs(desk.config_file, first=FIRST, clock=desk.clock, retry=retry)


def run_day(
    desk: Desk,
    day: date,
    *,
    instance: dg.DagsterInstance | None = None,
    retry: dg.RetryPolicy = ONCE,
    **config: object,
) -> dg.ExecuteInProcessResult:
    """The daily job of a simulated day, unless `simulated` says otherwise."""
    with days_have_come():
        return (
            definitions(desk, retry)
            .resolve_job_def(JOB)
            .execute_in_process(
                partition_key=str(day),
                run_config={"ops": {SNAPSHOT: {"config": {"simulated": True, **config}}}, "loggers": QUIET},
                raise_on_error=False,
                instance=instance,
            )
        )


def run_assets(desk: Desk, day: date | None, *keys: str, instance: dg.DagsterInstance | None = None, **config: object):
    """Some assets of a day, or without one, alone, with their checks, as somebody asks for them in the UI."""
    selection = dg.AssetSelection.assets(*keys)
    job = dg.define_asset_job("some", selection=selection, executor_def=dg.in_process_executor)
    defs = dg.Definitions.merge(definitions(desk), dg.Definitions(jobs=[job]))
    with days_have_come():
        return defs.resolve_job_def("some").execute_in_process(
            partition_key=str(day) if day else None,
            run_config={"ops": {SNAPSHOT: {"config": {"simulated": True, **config}}}, "loggers": QUIET},
            raise_on_error=False,
            instance=instance,
        )


def checks(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """The checks that were made, by asset and name."""
    return {
        (evaluation.asset_key.to_user_string(), evaluation.check_name): evaluation
        for evaluation in result.get_asset_check_evaluations()
    }


def failed_checks(result: dg.ExecuteInProcessResult) -> set[str]:
    """The names of the checks that failed."""
    return {name for (_, name), evaluation in checks(result).items() if not evaluation.passed}


def materialised(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    """What was materialised last, by asset."""
    return {
        event.materialization.asset_key.to_user_string(): event.materialization
        for event in (each.step_materialization_data for each in result.get_asset_materialization_events())
    }


def failure_of(result: dg.ExecuteInProcessResult) -> dg.DagsterEvent:
    """The error that the step failed with."""
    (event,) = [each for each in result.all_events if each.is_step_failure]
    return event.step_failure_data.error
