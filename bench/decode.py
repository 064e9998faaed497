"""CPU time a task from a raw capture to Parquet on disk, median of three; `--tasks` says how many."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from pipelines.lake import Lake
from pipelines.normalise import normalise_day
from pipelines.raw import AnswerLine, CaptureLine, RawWriter, TargetLine, VerdictLine
from pipelines.sandbox.data import Place, tasks_on

DAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RUNS = 3
PAGE = 100


def write_capture(path: Path, place: Place) -> None:
    listed = tasks_on(1, place, DAY)
    target = TargetLine(
        project_id=place.project_id, region=place.region, name=None, endpoint="https://live", query_region=place.region
    )
    head = {"snapshot_date": DAY, "timezone": "UTC", "capture_id": "bench", "software_version": "0", "started_at": NOON}
    writer = RawWriter(path, CaptureLine(target=target, **head))
    for n, offset in enumerate(range(0, len(listed), PAGE)):
        body = {"request_id": "r", "total": len(listed), "task_infos": listed[offset : offset + PAGE]}
        text = msgspec.json.encode(body).decode()
        line = {"sequence": n, "sweep": 1, "offset": offset, "limit": PAGE, "sent_at": NOON, "received_at": NOON}
        writer.answer(AnswerLine(**line, status=200, body=text))
    writer.close(VerdictLine(verdict="complete", counted_sweep=1, finished_at=NOON))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=20_000)
    tasks = parser.parse_args().tasks
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        lake.prepare()
        place = Place("0123456789abcdef0123456789abcdef", "cn-north-4", tasks)
        with lake.writing(lake.raw_file(DAY, place.project_id, place.region)) as path:
            write_capture(path, place)
        normalise_day(lake, DAY)  # imports and caches are not what is measured
        seconds = []
        for _ in range(RUNS):
            begin = time.process_time()
            rows = normalise_day(lake, DAY).tables["pull_tasks"].rows
            seconds.append(time.process_time() - begin)
    micros = statistics.median(seconds) / rows * 1e6
    print(f"{micros:.1f} us of CPU a task, raw file to Parquet ({rows} tasks, median of {RUNS})")


if __name__ == "__main__":
    main()
