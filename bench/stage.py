"""Run one stage of a snapshot in its own process; print its result and its CPU seconds without imports.

`fetch` requests every page once, signed, and reads the ids in it; `capture` also proves and archives; `decode` writes
the day's tidy Parquet from the archive; `build` builds the warehouse from that; `page` writes the page, after the
script of the charts was built, which happens once per version. Each stage continues with the lake of the one before.
`yesterday` is a complete snapshot of the day before, so that the next one is that of a later day.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pulltasks import config
from pulltasks.capture.day import DayCapture
from pulltasks.cli.lazy_imports import import_at_need
from pulltasks.clock import Clock
from pulltasks.dashboard import write_dashboard
from pulltasks.huawei.client import LiveClient
from pulltasks.huawei.pull_tasks import read_page
from pulltasks.lake.lake import Lake
from pulltasks.lake.normalise import normalise_day
from pulltasks.run.order import snapshot
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.sql.models import load_models


def now() -> datetime:
    return datetime.now(UTC)


class NoRecorder:
    """A recorder that stores nothing."""

    def sent(self, *, is_retry: bool) -> None:
        """Do nothing."""

    def received(self, answer: object) -> None:
        """Do nothing."""


async def fetch(settings: config.Settings, tasks: int) -> dict[str, float]:
    """Request every page of every target, with as many requests in flight as the settings allow.

    Returns the number of pages, the number of distinct tasks, and the CPU seconds.
    """
    # 95, not 100: a capture overlaps pages by 5 rows, so it needs the same number of them
    pages = [(target, offset) for offset in range(0, max(1, tasks), 95) for target in settings.targets]
    waiting = iter(pages)
    found: set[tuple[str, str]] = set()
    async with LiveClient(settings, now) as client:

        async def worker() -> None:
            for target, offset in waiting:
                query = {"offset": offset, "limit": 100, "region": target.region}
                answer = await client.get_pull_tasks(target, query, NoRecorder())
                found.update((target.project_id, task_id) for task_id in read_page(answer.content).ids)

        began = time.process_time()
        await asyncio.gather(*(worker() for _ in range(settings.api.max_concurrency)))
        return {"pages": len(pages), "tasks": len(found), "cpu_s": time.process_time() - began}


def capture(settings: config.Settings, lake: Lake) -> dict[str, float]:
    clock = Clock(now=now, new_id=lambda: str(uuid.uuid4()))
    began = time.process_time()
    results = asyncio.run(DayCapture(settings, lake, settings.today(now()), clock).run())
    spent = time.process_time() - began
    assert all(result.verdict == "complete" for result in results)
    return {
        "pages": sum(result.requests for result in results),
        "tasks": sum(result.task_count for result in results),
        "cpu_s": spent,
    }


def yesterday(settings: config.Settings) -> dict[str, float]:
    day = settings.today(now()) - timedelta(days=1)
    began = time.process_time()
    result = snapshot(settings, day, Clock(now=now, new_id=lambda: str(uuid.uuid4())), simulated=True)
    return {"targets": len(result.captures), "cpu_s": time.process_time() - began}


def decode(lake: Lake) -> dict[str, float]:
    # CPU time, not wall time: other processes on the machine must not change the figure
    began = time.process_time()
    manifest = normalise_day(lake, lake.raw_dates()[-1]).manifest
    spent = time.process_time() - began
    size = sum(entry.bytes for entry in manifest.tables.values())
    return {"tasks": manifest.tables["pull_tasks"].rows, "bytes": size, "cpu_s": spent}


def build(settings: config.Settings, lake: Lake) -> dict[str, float]:
    began = time.process_time()
    path = build_and_publish(lake, load_models(), settings.warehouse, now())
    return {"bytes": path.stat().st_size, "cpu_s": time.process_time() - began}


def page(settings: config.Settings, lake: Lake) -> dict[str, float]:
    write_dashboard(lake, settings)  # the first call builds the script of the charts, once per version
    began = time.process_time()
    file = write_dashboard(lake, settings)
    return {"bytes": file.stat().st_size, "cpu_s": time.process_time() - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("fetch", "capture", "decode", "build", "page", "yesterday"))
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--tasks", type=int, required=True, help="of each target")
    options = parser.parse_args()
    settings = config.load(options.config)
    lake = Lake(settings.lake.root)
    lake.prepare()
    if options.stage == "yesterday":
        print(json.dumps(yesterday(settings)))
        return
    with lake.lock():
        if options.stage == "fetch":
            done = asyncio.run(fetch(settings, options.tasks))
        elif options.stage == "capture":
            done = capture(settings, lake)
        elif options.stage == "decode":
            done = decode(lake)
        elif options.stage == "build":
            done = build(settings, lake)
        else:
            done = page(settings, lake)
    print(json.dumps(done))


if __name__ == "__main__":
    import_at_need()
    main()
