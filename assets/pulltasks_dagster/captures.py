"""The raw captures of a day as an asset.

Lives here: the events and metadata of an attempt to list the targets, and of a past day.
Does not live here: listing and its proof (pulltasks.capture), the time of a capture (daily).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date

import dagster as dg
from pulltasks.alerts.rules import Failure
from pulltasks.lake.lake import Lake
from pulltasks.lake.tidy import DayVerdict, read_verdicts
from pulltasks.run.report import failed_attempts
from pulltasks.run.results import Captured
from pulltasks.settings import Limits
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.metadata import OPERATORS, freshness, tags_of, verdict_table

EVERY_TARGET_COMPLETE = "every_target_complete"
# The metadata key for failures that cause an alarm beside the targets' state. Its value must not change: sensors read
# materialisations of earlier versions as well.
FAILURES = "told"
UNCHANGED = "nothing: the day has passed, its raw files are unchanged"


def capture_spec(keys: Keys, partitions: dg.PartitionsDefinition[str], limits: Limits) -> dg.AssetSpec:
    """Return the spec of `raw/captures`; it is stale when no run has listed targets within their age limit."""
    return dg.AssetSpec(
        keys.raw_captures,
        description="Every answer of ListPullTasks as it was received, one file per target, with its verdict.",
        group_name="capture",
        owners=[OPERATORS],
        kinds={"python", "huaweicloud"},
        tags=tags_of(keys),
        partitions_def=partitions,
        freshness_policy=freshness(limits.target),
    )


def capture_check_spec(keys: Keys) -> dg.AssetCheckSpec:
    """Return the spec of the check of an attempt."""
    return dg.AssetCheckSpec(
        EVERY_TARGET_COMPLETE,
        asset=keys.raw_captures,
        description="This attempt proved the listing of every target, or found it proved earlier that day. One that is "
        "held because it lost too many tasks is proved as well; `all_targets_complete` shows whether it counts. "
        "The result names its day.",
    )


def captured(keys: Keys, step: Captured) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Yield the materialisation of an attempt and its check."""
    complete = [result.task_count for result in step.results if result.verdict == "complete"]
    counts = {"targets_complete": len(complete), "targets_expected": len(step.results)}
    yield dg.MaterializeResult(
        asset_key=keys.raw_captures,
        metadata={
            **counts,
            "tasks_known": sum(complete),
            "requests": sum(result.requests for result in step.results),
            "verdicts": verdict_table(
                (
                    each.target.name or "/".join(each.target.key),
                    each.verdict,
                    each.reason,
                    each.task_count,
                    each.requests,
                    each.message,
                )
                for each in sorted(step.results, key=lambda each: (each.verdict == "complete", each.target.key))
            ),
            "all_verdicts": dg.MetadataValue.asset(keys.of("rpt_snapshot_coverage")),
            FAILURES: failures_metadata(step.failures),
        },
    )
    yield _check(keys, step.day, len(complete), len(step.results), failed_attempts(step.results))


def kept(keys: Keys, lake: Lake, day: date) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Yield the materialisation of a past day, whose raw files are unchanged, and its check if its end is known."""
    return known(keys, day, read_verdicts(lake, [day]).get(day), len(lake.raw_files(day)), UNCHANGED)


def known(
    keys: Keys, day: date, verdicts: Sequence[DayVerdict] | None, raw_files: int, asked: str
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Yield the materialisation of a day as its tidy tables show it, and its check.

    Args:
        keys: the asset keys.
        day: the day.
        verdicts: how the listings of the day ended; None where the day has no tidy tables.
        raw_files: the number of raw files that the day has now.
        asked: what was asked of the service, or who asked it.
    """
    complete = [each.task_count for each in verdicts or () if each.verdict == "complete"]
    counts = {
        "targets_complete": len(complete),
        "targets_expected": len(verdicts or ()),
        "tasks_known": sum(complete),
        "requests": sum(each.requests for each in verdicts or ()),
    }
    yield dg.MaterializeResult(
        asset_key=keys.raw_captures,
        metadata={
            **(counts if verdicts else {}),
            "raw_files": raw_files,
            "asked": asked,
            "verdicts": verdict_table((*each[:5], None) for each in verdicts or ()),
            "all_verdicts": dg.MetadataValue.asset(keys.of("rpt_snapshot_coverage")),
        },
    )
    if verdicts:
        failed = [
            f"{each.target}: {each.verdict}{f' ({each.reason})' if each.reason else ''}"
            for each in verdicts
            if each.verdict != "complete"
        ]
        yield _check(keys, day, len(complete), len(verdicts), failed)
    elif not raw_files:
        yield _check(keys, day, 0, 0, ["nothing was captured, and the service shows only the present"])


def _check(keys: Keys, day: date, complete: int, expected: int, failed: Sequence[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=keys.raw_captures,
        check_name=EVERY_TARGET_COMPLETE,
        passed=not failed and complete == expected,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join([f"{day}:", *failed] if failed else [f"{day}: every listing is proved"]),
        metadata={"day": str(day), "targets_complete": complete, "targets_expected": expected},
    )


def failures_metadata(failures: tuple[Failure, ...]) -> dg.JsonMetadataValue:
    """Return failures as metadata, from which the sensors make alarms."""
    return dg.MetadataValue.json([asdict(failure) for failure in failures])
