"""The raw captures of a day as one asset.

Lives here: the asset that asks the API, and the check that says which targets are not complete.
Does not live here: how a listing is made and proved (pipelines.capture).
"""

from dataclasses import asdict
from datetime import UTC, date, datetime

import dagster as dg

from assets.failures import told_as_failure
from assets.metadata import OPERATORS, asset_key, verdict_table
from assets.resources import Workplace
from pipelines.capture import CaptureResult, capture_targets
from pipelines.coverage import known_tasks
from pipelines.runs import failures_of

RAW_CAPTURES = dg.AssetKey(["raw", "captures"])
EVERY_TARGET_COMPLETE = "every_target_complete"
# Metadata of the asset: what an alarm tells of the attempt, whatever stands.
TOLD = "told"


class CaptureConfig(dg.Config):
    """How a day is captured."""

    refresh: bool = False
    # PROJECT_ID/REGION of targets whose listing counts today, however many tasks it lost
    accept_drop: list[str] = []  # noqa: RUF012 - a field of pydantic, copied for each run
    simulated: bool = False


class _Progress:
    """Logs how a run gets on: a line for each tenth of the targets, however many there are."""

    def __init__(self, log: dg.DagsterLogManager, total: int) -> None:
        self._log = log
        self._total = total
        self._done = 0
        self._complete = 0

    def __call__(self, result: CaptureResult) -> None:
        before, self._done = self._done, self._done + 1
        self._complete += result.verdict == "complete"
        if self._done * 10 // self._total > before * 10 // self._total:
            self._log.info(f"{self._done} of {self._total} targets listed, {self._complete} complete")


def capture_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset `raw/captures`."""

    @dg.asset(
        key=RAW_CAPTURES,
        description="Every answer of ListPullTasks as it was received, one file per target, with its verdict.",
        group_name="capture",
        owners=[OPERATORS],
        kinds={"python"},
        partitions_def=partitions,
        check_specs=[
            dg.AssetCheckSpec(
                EVERY_TARGET_COMPLETE, asset=RAW_CAPTURES, description="The listing of every target is proved."
            )
        ],
    )
    async def raw_captures(
        context: dg.AssetExecutionContext, config: CaptureConfig, workplace: dg.ResourceParam[Workplace]
    ) -> dg.MaterializeResult:
        started = context.instance.get_run_record_by_id(context.run.run_id)
        began_at = datetime.fromtimestamp(started.start_time, UTC) if started and started.start_time else None
        split = [name.partition("/") for name in config.accept_drop]
        # Only the capture refuses: everything below stays rebuildable for any date.
        with told_as_failure(workplace.report, "capturing"), known_tasks(workplace.lake) as known:
            results = await capture_targets(
                workplace.settings,
                workplace.lake,
                date.fromisoformat(context.partition_key),
                workplace.clock,
                known=known,
                refresh=config.refresh,
                accept_drop={(project_id, region) for project_id, _, region in split},
                simulated=config.simulated,
                began_at=began_at,
                report=workplace.report,
                on_result=_Progress(context.log, len(workplace.settings.targets)),
            )
        complete = sum(result.verdict == "complete" for result in results)
        counts = {"targets_complete": complete, "targets_expected": len(results)}
        return dg.MaterializeResult(
            metadata={
                "verdicts": verdict_table(results),
                "all_verdicts": dg.MetadataValue.asset(asset_key("rpt_snapshot_coverage")),
                "requests": sum(result.requests for result in results),
                TOLD: dg.MetadataValue.json([asdict(failure) for failure in failures_of(results)]),
                **counts,
            },
            check_results=[
                dg.AssetCheckResult(passed=complete == len(results), check_name=EVERY_TARGET_COMPLETE, metadata=counts)
            ],
        )

    return raw_captures
