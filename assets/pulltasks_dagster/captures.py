"""The raw captures of a day as an asset.

Lives here: the events and metadata of an attempt to list the targets.
Does not live here: listing and its proof (pulltasks.capture), the time of a capture (daily).
"""

from collections.abc import Iterator
from dataclasses import asdict

import dagster as dg
from pulltasks.alerts.rules import Failure
from pulltasks.run.report import failed_attempts
from pulltasks.run.results import Captured, Kept
from pulltasks.settings import Limits
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.metadata import OPERATORS, freshness, verdict_table

EVERY_TARGET_COMPLETE = "every_target_complete"
# The metadata key for failures that cause an alarm beside the targets' state. Its value must not change: sensors read
# materialisations of earlier versions as well.
FAILURES = "told"


def capture_spec(keys: Keys, partitions: dg.PartitionsDefinition[str], limits: Limits) -> dg.AssetSpec:
    """Return the spec of `raw/captures`; it is stale when no run has listed targets within their age limit."""
    return dg.AssetSpec(
        keys.raw_captures,
        description="Every answer of ListPullTasks as it was received, one file per target, with its verdict.",
        group_name="capture",
        owners=[OPERATORS],
        kinds={"python"},
        partitions_def=partitions,
        freshness_policy=freshness(limits.target),
    )


def capture_check_spec(keys: Keys) -> dg.AssetCheckSpec:
    """Return the spec of the check of an attempt."""
    return dg.AssetCheckSpec(
        EVERY_TARGET_COMPLETE,
        asset=keys.raw_captures,
        description="This attempt proved the listing of every target, or found it proved earlier that day. One that is "
        "held because it lost too many tasks is proved as well; `all_targets_complete` shows whether it counts.",
    )


def captured(keys: Keys, step: Captured) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Yield the materialisation of an attempt and its check."""
    complete = sum(result.verdict == "complete" for result in step.results)
    counts = {"targets_complete": complete, "targets_expected": len(step.results)}
    yield dg.MaterializeResult(
        asset_key=keys.raw_captures,
        metadata={
            "verdicts": verdict_table(step.results),
            "all_verdicts": dg.MetadataValue.asset(keys.of("rpt_snapshot_coverage")),
            "requests": sum(result.requests for result in step.results),
            FAILURES: failures_metadata(step.failures),
            **counts,
        },
    )
    yield dg.AssetCheckResult(
        asset_key=keys.raw_captures,
        check_name=EVERY_TARGET_COMPLETE,
        passed=complete == len(step.results),
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(failed_attempts(step.results)) or "every listing is proved",
        metadata=counts,
    )


def kept(keys: Keys, step: Kept) -> dg.MaterializeResult:
    """Return the materialisation of a past day's raw files, which are unchanged."""
    return dg.MaterializeResult(
        asset_key=keys.raw_captures,
        metadata={"raw_files": step.raw_files, "asked": "nothing: the day has passed, its raw files are unchanged"},
    )


def failures_metadata(failures: tuple[Failure, ...]) -> dg.JsonMetadataValue:
    """Return failures as metadata, from which the sensors make alarms."""
    return dg.MetadataValue.json([asdict(failure) for failure in failures])
