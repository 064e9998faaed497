"""Made-up days written straight into a raw archive, as if captured: years of history without a request.

Lives here: the choice of days and targets that fail, the raw files.
Does not live here: the tasks themselves (data), real captures (capture).
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

import msgspec

from pulltasks.lake.raw import AnswerLine, CaptureLine, RawWriter, TargetLine, TargetList, Verdict, VerdictLine
from pulltasks.sandbox.data import tasks_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pulltasks.lake.lake import Lake
    from pulltasks.sandbox.data import Place

PAGE_SIZE = 100
SOFTWARE = "sandbox"
# Percent of captures that fail and that are incomplete, and percent of days without any run.
FAILED, INCOMPLETE, WITHOUT_RUN = 2, 2, 3


def write_archive(lake: Lake, places: Sequence[Place], days: Iterable[date], seed: int = 1) -> list[date]:
    """Write the raw files of all `places` on `days`, with gaps and failures, and return the days with a run.

    Args:
        lake: the lake; the caller holds its lock.
        places: the targets.
        days: snapshot dates.
        seed: the random seed; equal seeds give equal files.
    """
    with_run = []
    for day in days:
        if random.Random(f"{seed}|{day}").randrange(100) < WITHOUT_RUN:  # noqa: S311 - made-up data
            continue
        with_run.append(day)
        lines = [
            TargetLine(project_id=p.project_id, region=p.region, name=p.name, endpoint="", query_region=p.region)
            for p in places
        ]
        targets = TargetList(snapshot_date=day, timezone="UTC", software_version=SOFTWARE, targets=lines)
        with lake.writing(lake.targets_file(day)) as unfinished:
            unfinished.write_bytes(msgspec.json.encode(targets))
        for place, line in zip(places, lines, strict=True):
            _write_capture(lake, place, line, day, seed)
    return with_run


def _write_capture(lake: Lake, place: Place, target: TargetLine, day: date, seed: int) -> None:
    dice = random.Random(f"{seed}|{place.project_id}|{place.region}|{day}").randrange(100)  # noqa: S311 - made-up data
    verdict: Verdict = "failed" if dice < FAILED else "incomplete" if dice < FAILED + INCOMPLETE else "complete"
    tasks = [] if verdict == "failed" else tasks_on(seed, place, day)
    shown = tasks[: len(tasks) // 2] if verdict == "incomplete" else tasks
    began = datetime.combine(day, time(1), UTC)
    capture = CaptureLine(
        target=target,
        snapshot_date=day,
        timezone="UTC",
        capture_id=f"{day}-{place.project_id[:8]}",
        software_version=SOFTWARE,
        started_at=began,
    )
    path = lake.raw_file(day, *target.key)
    unfinished = lake.unfinished("--".join(path.parts[-3:]))
    writer = RawWriter(unfinished, capture)
    pages = range(0, max(1, len(shown)), PAGE_SIZE) if verdict != "failed" else range(0)
    for sequence, offset in enumerate(pages):
        body = {"total": len(tasks), "task_infos": shown[offset : offset + PAGE_SIZE], "request_id": f"r{sequence}"}
        writer.answer(
            AnswerLine(
                sequence=sequence,
                sweep=0,
                offset=offset,
                limit=PAGE_SIZE,
                sent_at=began,
                received_at=began,
                status=200,
                body=msgspec.json.encode(body).decode(),
            )
        )
    writer.close(
        VerdictLine(
            verdict=verdict,
            proof="by_chain" if verdict == "complete" else None,
            verdict_reason={"failed": "forbidden", "incomplete": "pages_not_joined"}.get(verdict),
            counted_sweep=0 if verdict == "complete" else None,
            task_count=len(shown),
            sweeps=1,
            requests=len(pages),
            finished_at=began,
        )
    )
    lake.put(unfinished, path)
