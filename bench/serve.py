"""The sandbox in a process of its own, its pages rendered before it serves, so that it is not what is measured.

Prints its address once it answers, and serves until its standard input is closed.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from pulltasks.sandbox.cli import places_of
from pulltasks.sandbox.server import Sandbox, serving


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, required=True)
    parser.add_argument("--tasks", type=int, required=True, help="of each target")
    parser.add_argument("--latency-ms", type=float, default=0)
    options = parser.parse_args()
    places = places_of(options.targets, options.tasks)
    sandbox = Sandbox(places, latency_seconds=options.latency_ms / 1000)
    sandbox.render(datetime.now(UTC).date())
    with serving(sandbox) as url:
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
