"""Turn one capture into tidy rows: every field into its typed column, every finding into data_quality.

Lives here: the tables of a target's day, times, lists; pure functions.
Does not live here: which tasks count (tasks), files (normalise, parquet, lake), the columns (tables).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date
from typing import TYPE_CHECKING, Any

import msgspec

from pulltasks import tables
from pulltasks.lake.findings import Findings
from pulltasks.lake.raw import ids_sha256
from pulltasks.lake.tasks import MOST_COST, Tasks, columns_of, counting_tasks, no_tasks
from pulltasks.lazily import pa, pc
from pulltasks.times import read_times
from pulltasks.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pulltasks.lake.raw import RawCapture, TargetLine, VerdictLine

_LISTS = {"source_urls": "primary", "backup_source_urls": "backup"}
# The reason of a day whose rows are other tasks than those that its verdict is about.
ROWS_DIFFER = "rows_differ_from_verdict"
# The reason of a day that is set aside, as its rows would take more memory than one target may.
TOO_LARGE = "too_large_to_build"


def tidy_target(
    day: date, target: TargetLine, capture: RawCapture | None, is_listed: bool = True
) -> dict[str, pa.Table]:
    """Return the rows of one target and day: by name of the tidy table, one Arrow table sorted by its key.

    The result depends on the arguments only, so that a rebuild gives the same rows.
    """
    findings = Findings()
    tasks = counting_tasks(capture, findings)
    # A complete capture promises all tasks, so with some of them left out it has to fail. Of an incomplete one the
    # rows that fit into memory are evidence that these tasks exist.
    if capture and tasks.left_out and capture.verdict.verdict == "complete":
        findings, capture = Findings(), _set_aside(capture)
        tasks = replace(no_tasks(), answer_bytes=tasks.answer_bytes)
    elif tasks.left_out:
        findings.add_left_out(tasks.left_out)
    capture = capture and _checked(tasks.ids, capture)
    place = _Place(day, target.project_id, target.region)
    children = {tables.PULL_TASK_SOURCE_URLS.name: _source_urls(place, tasks, findings)}
    children[tables.PULL_TASK_CALLBACK_EVENTS.name] = _callback_events(place, tasks, findings)
    return {
        tables.PULL_TASKS.name: _pull_tasks(place, tasks, capture, findings),
        **children,
        tables.CAPTURES.name: _captures(day, target, _of_capture(capture, tasks) if capture else {}, is_listed),
        tables.DATA_QUALITY.name: place.table(tables.DATA_QUALITY, columns_of(findings.all_rows(), 6)),
    }


def failed_target(day: date, target: TargetLine, reason: str, text: str, is_listed: bool) -> dict[str, pa.Table]:
    """Return the rows of a target whose raw file cannot be read: only the row of its capture, with the reason."""
    place = _Place(day, target.project_id, target.region)
    row = {
        "verdict": "failed",
        "verdict_reason": reason,
        "error_message": text,
        "service_message": "",
        "asked_count": 0,
    }
    # without the three columns that all tables share
    empty = {table.name: place.table(table, [()] * (len(table.columns) - 3)) for table in tables.TABLES}
    return empty | {tables.CAPTURES.name: _captures(day, target, row, is_listed)}


def _set_aside(capture: RawCapture) -> RawCapture:
    """Return a complete capture as failed, because its rows are too large to build beside those of other targets."""
    text = (
        f"{capture.capture.target.label}: complete with {counted(capture.verdict.task_count, 'task')}, and set aside "
        f"({TOO_LARGE}): its tables would take more than {MOST_COST // 1_000_000} MB. Its raw file is kept and its "
        "last known tasks stay; delete tasks, shorten their lists, or move some to another project"
    )
    failed = msgspec.structs.replace(
        capture.verdict, verdict="failed", proof=None, evidence=None, verdict_reason=TOO_LARGE, error_message=text
    )
    return msgspec.structs.replace(capture, verdict=failed)


def _checked(ids: list[str], capture: RawCapture) -> RawCapture:
    """Return the capture; as incomplete if the rows are other tasks than those that were proved complete."""
    verdict = capture.verdict
    if verdict.verdict != "complete" or _are_same(ids, verdict):
        return capture
    text = (
        f"{capture.capture.target.label}: not proved complete ({ROWS_DIFFER}); the raw file gave rows for "
        f"{counted(len(ids), 'task')}, but its capture counted {verdict.task_count}. Capture the day again while it "
        "lasts, and report this: it is an error in pulltasks, or the file was changed"
    )
    incomplete = msgspec.structs.replace(
        verdict, verdict="incomplete", proof=None, verdict_reason=ROWS_DIFFER, error_message=text
    )
    return msgspec.structs.replace(capture, verdict=incomplete)


def _are_same(ids: list[str], verdict: VerdictLine) -> bool:
    # earlier versions wrote no hash of the ids; there the count is all that can be compared
    return len(ids) == verdict.task_count and verdict.task_ids_sha256 in {None, ids_sha256(ids)}


@dataclass(frozen=True)
class _Place:
    """The values that all rows of a target share."""

    day: date
    project_id: str
    region: str

    def table(self, table: tables.Table, columns: list[Any]) -> pa.Table:
        """Return a table from the values of its columns after the three shared ones (day, project, region)."""
        schema = table.schema
        rows = len(columns[0])
        shared = [
            pa.repeat(pa.scalar(value, schema.field(position).type), rows)
            for position, value in enumerate((self.day, self.project_id, self.region))
        ]
        types = [field.type for field in schema][len(shared) :]
        arrays = [c if isinstance(c, pa.Array) else pa.array(c, t) for c, t in zip(columns, types, strict=True)]
        return pa.Table.from_arrays([*shared, *arrays], schema=schema)


def _pull_tasks(place: _Place, tasks: Tasks, capture: RawCapture | None, findings: Findings) -> pa.Table:
    columns: list[Any] = []
    for api_field in tables.API_FIELDS:
        if api_field.kind == "texts":
            continue
        values = tasks.fields[api_field.name]
        columns += _times(tasks.ids, api_field.name, values, findings) if api_field.kind == "time" else [values]
    columns.append(pc.is_valid(tasks.fields["callback_events"]))
    columns += [tasks.hashes, tasks.extras]
    columns.append(pa.repeat(pa.scalar(capture.capture.capture_id if capture else None, pa.string()), len(tasks.ids)))
    columns.append(pa.repeat(bool(capture and capture.verdict.verdict == "complete"), len(tasks.ids)))
    return place.table(tables.PULL_TASKS, columns)


def _times(ids: list[str], name: str, raw: pa.Array, findings: Findings) -> list[pa.Array]:
    """Return texts as `[times, raw]`: times in UTC, and each text that is not a time; else null.

    An empty text means that no time is set, so it is not a surprise.
    """
    times, broken = read_times(raw)
    for place, rule in broken:
        findings.add(ids[place], name, rule, raw[place].as_py())
    return [times.cast(tables.arrow_type(tables.TIME)), pc.if_else(pc.is_null(times), raw, None)]


def _source_urls(place: _Place, tasks: Tasks, findings: Findings) -> pa.Table:
    # The key sorts by role, so each task's backup list comes before its primary one. Both lists are placed side by
    # side in one array and flattened by Arrow, because there may be millions of texts.
    names = ("backup_source_urls", "source_urls")
    ids = tasks.ids
    by_task = pa.array([row for task in range(len(ids)) for row in (task, task + len(ids))], pa.int64())
    # popped, because these lists take half of a target's memory and are not needed again
    both = pa.concat_arrays([tasks.fields.pop(name) for name in names]).take(by_task)
    owners, positions, urls = _flattened(both)
    for owner, position in _nulls(owners, positions, urls):
        findings.add_null(ids[owner // 2], names[owner % 2], position)
    roles = pa.array([_LISTS[name] for name in names]).take(pc.bit_wise_and(owners, 1))
    task_ids = pa.array(ids, pa.string()).take(pc.shift_right(owners, 1))
    return place.table(tables.PULL_TASK_SOURCE_URLS, [task_ids, roles, positions, urls])


def _callback_events(place: _Place, tasks: Tasks, findings: Findings) -> pa.Table:
    ids = tasks.ids
    owners, positions, events = _flattened(tasks.fields["callback_events"])
    for owner, position in _nulls(owners, positions, events):
        findings.add_null(ids[owner], "callback_events", position)
    task_ids = pa.array(ids, pa.string()).take(owners)
    return place.table(tables.PULL_TASK_CALLBACK_EVENTS, [task_ids, positions, events])


def _flattened(nested: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Flatten many lists into three arrays of the same length: index of the list, position in it, text."""
    owners = pc.list_parent_indices(nested)
    firsts = nested.offsets.take(owners).cast(pa.int64())
    return owners, pc.subtract(pa.array(range(len(owners)), pa.int64()), firsts), nested.flatten()


def _nulls(owners: pa.Array, positions: pa.Array, values: pa.Array) -> Iterable[tuple[int, int]]:
    """Return the `(list index, position)` of each null among the flattened texts."""
    if not values.null_count:
        return ()
    nulls = pc.indices_nonzero(pc.is_null(values))
    return zip(owners.take(nulls).to_pylist(), positions.take(nulls).to_pylist(), strict=True)


def _of_capture(capture: RawCapture, tasks: Tasks) -> dict[str, Any]:
    """Return the values of a row of `captures` that come from the capture, by column."""
    verdict = msgspec.structs.asdict(capture.verdict)
    return {name: value for name, value in verdict.items() if name in tables.CAPTURES.schema.names} | {
        "capture_id": capture.capture.capture_id,
        "changed_while_listing": tasks.changed,
        "answer_bytes": tasks.answer_bytes,
        "started_at": capture.capture.started_at.astimezone(UTC).replace(tzinfo=None),
        "finished_at": capture.verdict.finished_at.astimezone(UTC).replace(tzinfo=None),
    }


def _captures(day: date, target: TargetLine, of_capture: Mapping[str, Any], is_listed: bool) -> pa.Table:
    row: dict[str, Any] = dict.fromkeys(tables.CAPTURES.schema.names)
    row |= msgspec.structs.asdict(target) | {"snapshot_date": day, "is_listed": is_listed}
    return pa.Table.from_pylist([row | dict(of_capture)], schema=tables.CAPTURES.schema)
