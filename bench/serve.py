"""Run the sandbox in its own process, with the pages of today and yesterday rendered before it serves.

It prints its address when it is ready, and serves until its standard input is closed.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pulltasks.sandbox.cli import places_of
from pulltasks.sandbox.server import Sandbox, serving

PACE = 15  # at this pace about 1 task in 100 changes per day


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, required=True)
    parser.add_argument("--tasks", type=int, required=True, help="of each target")
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--limit", type=float, help="requests per second; more are answered with 429")
    parser.add_argument("--without-retry-after", action="store_true", help="leave the header out of a 429")
    options = parser.parse_args()
    places = tuple(replace(place, pace=PACE) for place in places_of(options.targets, options.tasks))
    sandbox = Sandbox(
        places,
        latency_seconds=options.latency_ms / 1000,
        requests_per_second=options.limit,
        retry_after_seconds=None if options.without_retry_after else 1,
    )
    today = datetime.now(UTC).date()
    # rendered before the measurement, so that the sandbox's own work does not slow down the answers
    for day in (today - timedelta(days=1), today):
        sandbox.render(day)
    with serving(sandbox) as url:
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
