"""What a run works with: settings, the lake under its lock, one working copy of the warehouse.

Lives here: a resource that hands out one plain object for the whole run; the clock.
Does not live here: what is done with it.
"""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from assets.failures import told_as_failure
from pipelines import config
from pipelines.audit import mend_manifests
from pipelines.build import WorkingCopy, working_copy
from pipelines.builds import plan_build
from pipelines.capture import Clock
from pipelines.compaction import clear_compacted_days
from pipelines.error_reports import reporter
from pipelines.lake import Lake
from pipelines.models import Models, load_models
from pipelines.runs import audit_plan
from pipelines.settings import Settings

CLOCK = Clock(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()))


class Workplace:
    """Everything that one run works with; made when the run begins, closed when it ends."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self.settings = settings
        self.lake = Lake(settings.lake.root)
        self.models: Models = load_models()
        self.clock = CLOCK
        self.report = reporter(self.lake)
        self.troubles: list[str] = []  # what is wrong with days or targets, and keeps nothing else from being done
        self._stack = stack
        self._working_copy: WorkingCopy | None = None

    @property
    def working_copy(self) -> WorkingCopy:
        """The warehouse in the making, begun when it is first asked for."""
        if self._working_copy is None:
            audit = audit_plan(self.lake, self.models, self.settings.warehouse, self.report)
            self.troubles += audit.troubles
            plan = plan_build(
                self.lake, self.models, self.settings.warehouse, rebuild_last_day=True, left_out=audit.left_out
            )
            self._working_copy = self._stack.enter_context(
                working_copy(self.lake, self.models, self.settings.warehouse, plan)
            )
        return self._working_copy


@dg.resource(
    description="Settings, the lake under its lock, and the working copy of the warehouse, for one run.",
    config_schema={"config_file": dg.Field(str, default_value="", description="Default: pulltasks.toml.")},
)
def workplace(context: dg.InitResourceContext) -> Iterator[Workplace]:
    """Hold the lake's lock from the run's beginning to its end."""
    file = context.resource_config["config_file"]
    with ExitStack() as stack:
        with told_as_failure(reporter(None), "opening the lake"):
            place = Workplace(config.load(Path(file) if file else None, need_targets=False), stack)
            place.lake.prepare()
            stack.enter_context(place.lake.lock())
            place.troubles += mend_manifests(place.lake)
            clear_compacted_days(place.lake)
        yield place
