"""The targets of the page: how each is known, what it is called, and why a day is not complete.

Lives here: the query of targets, their short names, the causes that keep a day from being complete.
Does not live here: the sentence about all of them (verdict), numbers per target (numbers).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from pulltasks.reasons import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

# Characters of a project's id that a label shows at least; more where fewer would not tell two targets apart.
SHORT_ID = 4
# Endings of a day, worst first: what failed may need somebody, what is missing may only be late.
WORST_FIRST = ("failed", "incomplete", "held", "missing")

# Every target that was ever expected; those of the last day come first, sorted by name.
TARGETS = """
with build as (select through_date from meta_build),
complete_before as (
    select project_id, region
    from rpt_snapshot_coverage
    where coverage = 'complete' and snapshot_date < (select through_date from build)
    group by all
),
known as (
    select project_id, region, count(*) as task_count, min(state_date) as oldest_state_date
    from dim_pull_tasks
    where is_current
    group by all
)
select
    targets.project_id,
    targets.region,
    targets.target_name,
    coalesce(today.is_expected, false) as is_expected,
    today.coverage,
    today.verdict_reason,
    today.error_message,
    targets.last_complete_date,
    epoch(last_complete.finished_at)::bigint as last_complete_at,
    case when targets.last_complete_date is not null then coalesce(known.task_count, 0) end as task_count,
    known.oldest_state_date,
    coalesce(today.coverage = 'complete', false) and complete_before.project_id is not null as has_known_changes,
    reliability.days_complete_30,
    reliability.days_expected_30,
    reliability.days_complete_90,
    reliability.days_expected_90,
    reliability.longest_gap_days,
from dim_targets as targets
cross join build
left join rpt_snapshot_coverage as today
    on targets.project_id = today.project_id and targets.region = today.region
    and today.snapshot_date = build.through_date
left join rpt_snapshot_coverage as last_complete
    on targets.project_id = last_complete.project_id and targets.region = last_complete.region
    and targets.last_complete_date = last_complete.snapshot_date
left join complete_before
    on targets.project_id = complete_before.project_id and targets.region = complete_before.region
left join known
    on targets.project_id = known.project_id and targets.region = known.region
left join rpt_target_reliability as reliability
    on targets.project_id = reliability.project_id and targets.region = reliability.region
order by
    not coalesce(today.is_expected, false),
    coalesce(targets.target_name, targets.project_id),
    targets.project_id,
    targets.region
"""


class Cause(NamedTuple):
    """Why some targets are not complete on the last day; `places` are their positions in the page's list.

    `first_date` and `last_date` are the oldest and the newest of their last complete days, None if they have none;
    `never` of them have none.
    """

    coverage: str
    reason: str | None
    places: list[int]
    first_date: date | None
    last_date: date | None
    never: int


def with_labels(targets: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the targets with a `label` that no other has, and `who` has to act.

    A label is the name, or `…b550 · cn-east-3` where there is none; a name that several targets have is followed by it.
    """
    names = Counter(target["target_name"] for target in targets)
    short = _short_ids(targets)

    def label(target: dict[str, Any]) -> str:
        name, place = target["target_name"], short[target["project_id"], target["region"]]
        if not name:
            return place
        return name if names[name] == 1 else f"{name} ({place})"

    return [{**target, "label": label(target), "who": reason_of(target["verdict_reason"]).who} for target in targets]


def _short_ids(targets: Iterable[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Return what tells targets apart, by project and region: the end of the project's id, and the region."""
    places = {(target["project_id"], target["region"]) for target in targets}
    projects = {project for project, _ in places}
    longest = max((len(project) for project in projects), default=0)
    shown = next(
        (n for n in range(SHORT_ID, longest) if len({project[-n:] for project in projects}) == len(projects)), longest
    )
    return {
        (project, region): f"{'…' if len(project) > shown else ''}{project[-shown:]} · {region}"
        for project, region in places
    }


def causes_of(targets: Sequence[dict[str, Any]]) -> list[Cause]:
    """Return why targets are not complete on the last day, worst first.

    Where a target was never known comes first, then what failed, was incomplete, is held, is missing.
    """
    found: dict[tuple[str, str | None], list[int]] = {}
    for place, target in enumerate(targets):
        if target["is_expected"] and target["coverage"] != "complete":
            found.setdefault((target["coverage"], target["verdict_reason"]), []).append(place)
    causes = []
    for (coverage, reason), places in found.items():
        dates = [day for place in places if (day := targets[place]["last_complete_date"])]
        never = len(places) - len(dates)
        causes.append(Cause(coverage, reason, places, min(dates, default=None), max(dates, default=None), never))
    return sorted(causes, key=lambda cause: (not cause.never, WORST_FIRST.index(cause.coverage), -len(cause.places)))
