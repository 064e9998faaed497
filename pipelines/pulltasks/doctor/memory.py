"""`pulltasks doctor`, the part about memory: what the next run needs, and what this machine has.

Lives here: the formula, its constants, the two places where Linux says what is there.
Does not live here: the limits of one target (lake.tasks), the memory of a build (warehouse.build.working_copy).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pulltasks.doctor.targets import Finding
from pulltasks.lake.manifests import read_if_valid
from pulltasks.tables import PULL_TASKS
from pulltasks.warehouse.build.working_copy import room_of
from pulltasks.words import counted

if TYPE_CHECKING:
    from pulltasks.lake.lake import Lake
    from pulltasks.settings import Settings

MEGABYTE = 10**6
# Measured with page and open tables, by `bench/idle.py`; docs/operating.md shows the results. The program, its
# libraries and the page of a small lake:
BASE_MB = 270
# The verdict, the lines of the log and the status of one target, and its rows in the page:
KILOBYTES_PER_TARGET = 60
# Of the database, as long as it is below its limit: joins by task, and the indexes of the tables.
KILOBYTES_PER_TASK = 4
# Arrow holds several copies of a day's rows while it sorts and compresses them:
COPIES_OF_A_DAY = 5
# Linux tells the memory that is free, and the limits of the control group of a container or a service.
MEMINFO = Path("/proc/meminfo")
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def needed_mb(targets: int, tasks: int, tidy_bytes: int, database_mb: int) -> int:
    """Return the megabytes that a run needs at its peak.

    Args:
        targets: of the configuration.
        tasks: of all targets on a day.
        tidy_bytes: of the tidy files of a day.
        database_mb: the memory limit of a build of that many tasks.
    """
    of_tables = min(database_mb, tasks * KILOBYTES_PER_TASK / 1000) + COPIES_OF_A_DAY * tidy_bytes / MEGABYTE
    return round(BASE_MB + targets * KILOBYTES_PER_TARGET / 1000 + of_tables)


def memory(lake: Lake, settings: Settings) -> Finding:
    """Compare what the next run needs, by the newest day in the lake, with what this machine has."""
    days = lake.tidy_dates()
    manifest = read_if_valid(lake.manifest_file(days[-1])) if days else None
    tables = manifest.tables if manifest else {}
    tasks = tables[PULL_TASKS.name].rows if PULL_TASKS.name in tables else 0
    _, limit = room_of(settings.warehouse, os.cpu_count() or 1, tasks)
    database_mb = int(limit[:-2]) * (1000 if limit.endswith("GB") else 1)
    targets = len(settings.targets)
    needed = needed_mb(targets, tasks, sum(entry.bytes for entry in tables.values()), database_mb)
    text = f"a run needs about {needed} MB ({counted(targets, 'target')}, {counted(tasks, 'task')})"
    if (available := available_mb()) is None:
        return Finding("memory", text)
    advice = "give it more, or split the lake by accounts (docs/scale.md): a run that is killed publishes nothing"
    return Finding("memory", f"{text}; {available} MB available", advice if available < needed else None)


def available_mb() -> int | None:
    """Return the megabytes that a new process may take; None where the system does not tell."""
    found = []
    for path in (MEMINFO, *LIMITS):
        try:
            words = path.read_text(encoding="ascii").split()
        except OSError:
            continue
        if path == MEMINFO:
            found += [int(words[words.index("MemAvailable:") + 1]) * 1024] if "MemAvailable:" in words else []
        elif words[0].isdigit():  # `max` where there is no limit
            found.append(int(words[0]))
    return min(found) // MEGABYTE if found else None
