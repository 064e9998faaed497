"""Functions in processes of their own, forked from one that has imported what they need; no test by itself."""

from __future__ import annotations

import multiprocessing

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["crash", "pulltasks.run.order"])


def in_child(function, *arguments) -> int | None:
    """The exit code of a process that calls a function; negative where a signal ended it."""
    process = PROCESSES.Process(target=function, args=arguments)
    process.start()
    process.join(timeout=120)
    return process.exitcode
