"""The log of runs: one line for each run of the last 90 days, failed ones included.

Lives here: the file `runs.ndjson` of a lake: reading it, adding a run.
Does not live here: the runs themselves (run.steps), the table `meta_runs` (warehouse.build.plan), printing (cli).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import msgspec

from pulltasks.huawei.pace import Reached  # noqa: TC001 - msgspec reads the types of a record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pulltasks.lake.lake import Lake

KEPT = timedelta(days=90)
Outcome = Literal["complete", "not_complete", "failed"]


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        run_id: identifier of the run.
        verb: snapshot, rebuild, forget or dagster.
        outcome: complete, when every target of the day is; not_complete; failed, when nothing was published.
        error: the class of the error that ended it; None otherwise.
        snapshot_date: the day that it worked on; None where it ended before it had one.
        began_at: UTC.
        ended_at: UTC.
        targets_complete: complete targets of the day after the run.
        targets_expected: expected targets of the day.
        targets_asked: targets that the run listed.
        requests: sent to the service.
        paces: the pace that each credential reached, by its name; the next run begins with it.
        software_version: of pulltasks.
    """

    run_id: str
    verb: str
    outcome: Outcome
    began_at: datetime
    ended_at: datetime
    software_version: str
    error: str | None = None
    snapshot_date: date | None = None
    targets_complete: int | None = None
    targets_expected: int | None = None
    targets_asked: int = 0
    requests: int = 0
    paces: dict[str, Reached] = {}


_decode = msgspec.json.Decoder(RunLine).decode


def read_runs(lake: Lake) -> list[RunLine]:
    """Return the runs in the log, oldest first; skip lines that cannot be read, as no result depends on them."""
    try:
        lines = lake.run_log.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(_decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return found


def last_paces(runs: Iterable[RunLine]) -> dict[str, tuple[RunLine, Reached]]:
    """Return the last pace of each credential with the run that reached it, by the credential's name."""
    return {name: (run, reached) for run in runs for name, reached in run.paces.items()}


def add_run(lake: Lake, run: RunLine) -> None:
    """Add a run to the log, and remove those that ended over 90 days before it; the caller holds the lake's lock.

    Raises:
        OSError: when the log cannot be written; it is unchanged then.
    """
    kept = [line for line in read_runs(lake) if line.ended_at >= run.ended_at - KEPT]
    with lake.writing(lake.run_log) as path:
        path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in (*kept, run)))
