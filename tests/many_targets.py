"""The state of very many targets without a lake, and how it is printed; no test by itself.

Run as a program it prints each count of `COUNTS` and each of `KINDS` as `pulltasks status` does, under a heading.
"""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

from pulltasks.cli.output import print_status
from pulltasks.reasons import advice_on, read_reasons
from pulltasks.settings import Limits
from pulltasks.warehouse.read.status import Status, TargetStatus, judge

DAY = date(2026, 11, 28)
NOW = datetime(2026, 11, 28, 14, tzinfo=UTC)
REGIONS = ("cn-north-4", "cn-east-3", "ap-southeast-3")
COUNTS = (3, 50, 10_000)
KINDS = ("complete", "one", "all", "long", "chinese")


def target(
    n: int,
    coverage: str = "complete",
    reason: str | None = None,
    words: str = "",
    name: str | None = None,
    age: int = 1,
) -> TargetStatus:
    """The n-th target; `words` are its message, and `age` the days since it was complete (none without an age)."""
    project_id, region = f"{n * 7_919:032x}", REGIONS[n % len(REGIONS)]
    last = DAY if coverage == "complete" else DAY - timedelta(days=age)
    found = TargetStatus(project_id, region, name, coverage, reason, None, 9 if last == DAY else None, last, NOW)
    if not words:
        return found
    message = f"{found.label}: {words}; {advice_on(reason)}"
    return TargetStatus(project_id, region, name, coverage, reason, message, None, last, NOW)


def targets(count: int, kind: str) -> tuple[TargetStatus, ...]:
    if kind == "chinese":
        held = ("held", "lost_many_tasks")
        names = [f"第{n}届世界杯直播拉流项目·华东区" for n in range(count)]
        return tuple(target(n, *(held if n % 2 else ()), name=name) for n, name in enumerate(names))
    if kind == "long":
        causes = [(reason.group, name) for name, reason in read_reasons().items() if reason.group in {"failed", "held"}]
        return tuple(
            target(n, *causes[n % 7 * 4], f"HTTP 503 without a code, try {n // 7}, request r-{n}", age=n % 5 + 1)
            for n in range(count)
        )
    bad = ("failed", "forbidden", "HTTP 403 APIGW.0302 (a permission is missing), request r")
    return tuple(
        target(n, *(bad if kind == "all" or (kind == "one" and n == 1) else ()), name=f"event-{n}")
        for n in range(count)
    )


def status(count: int, kind: str) -> Status:
    return Status(DAY, NOW.replace(tzinfo=None), targets(count, kind), (), captured_at=NOW - timedelta(hours=2))


if __name__ == "__main__":
    limits = Limits(timedelta(hours=26), timedelta(hours=50))
    for count, kind in itertools.product(COUNTS, KINDS):
        print(f"== {count} {kind}")
        found = status(count, kind)
        print_status(found, judge(found, NOW, limits), None, limits, {}, every=False)
