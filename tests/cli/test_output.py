"""What is printed: it fits the terminal; an output that cannot show it, or that nobody reads, changes no exit code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

import many_targets
from desk import SMALL_DAYS, Desk, copied
from plain_service import PlainService, serving_plainly
from pulltasks.sandbox.data import Place
from terminals import PULLTASKS, on_a_terminal

ONE, TWO = (Place(f"{n}" * 32, "cn-north-4", 1, name=f"p{n}") for n in (1, 2))


@pytest.mark.parametrize("output", [">&-", "> /dev/full", "| true", "2>&-"])
def test_an_output_that_nobody_reads_changes_no_exit_code_after_publishing(tmp_path: Path, output: str) -> None:
    service = PlainService()
    body = json.dumps({"request_id": "r", "total": 1, "task_infos": [{"task_id": "a"}]}).encode()
    service.answers[ONE.project_id] = lambda _: (200, {}, body)
    with serving_plainly(service) as url:
        desk = Desk(None, url, tmp_path, (ONE,))
        command = f"set -o pipefail; {PULLTASKS} snapshot --config {desk.config_file} {output}"
        ended = subprocess.run(["bash", "-c", command], capture_output=True, check=False, env=dict(os.environ))
    assert ended.returncode == 0, ended.stderr
    assert desk.lake.published.exists()


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_a_status_fits_the_terminal_however_many_targets_there_are(columns: int) -> None:
    code, said = on_a_terminal(many_targets.__file__, columns=columns, program=sys.executable)
    assert code == 0, said
    parts = said.decode().replace("\r", "").split("== ")[1:]
    assert len(parts) == len(many_targets.COUNTS) * len(many_targets.KINDS)
    most = {"complete": 2, "one": 9, "all": 11, "long": 80, "chinese": 16}
    for part in parts:
        (heading, *lines) = part.splitlines()
        assert max(map(cell_len, lines)) <= columns
        assert len(lines) <= most[heading.split()[1]], part


COLOUR, MOVE = re.compile(r"\x1b\[[0-9;]*m"), re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\n")
DRAW = """
from datetime import UTC, datetime
from pulltasks.cli.output import Progress
with Progress(lambda: datetime.now(UTC)) as progress:
    progress.begin("normalising", 10_000)
    for note in ("event-[b] (0123456789abcdef0123456789abcdef/cn-north-4): 2 pages, " + "9" * 90 + " tasks",
                 "0123456789abcdef0123456789abcdef/cn-north-4: complete", "直播" * 60):
        progress.under_way(note)
        progress._bar.refresh()
"""


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_bar_and_counter_stay_whole_and_the_note_takes_what_is_left(columns: int) -> None:
    code, said = on_a_terminal("-c", DRAW, columns=columns, program=sys.executable)
    assert code == 0, said
    lines = MOVE.sub("\r", COLOUR.sub("", said.decode())).split("\r")
    drawn = [line.rstrip() for line in lines if "normalising" in line]
    assert {cell_len(line) for line in drawn if line.endswith("…")} <= {columns, columns - 1}
    notes = {re.sub(r"^normalising +[━╸╺]{16} +0/10000 \d:\d\d:\d\d ?", "", line) for line in drawn}
    (long,) = [note for note in notes if note.startswith("event-[b]: 2 pages, 9")]
    (wide,) = [note for note in notes if note.startswith("直播")]
    assert notes == {"", long, wide, "…cdef · cn-north-4: complete"}
    assert long.endswith("9…")


def test_a_snapshot_with_nothing_to_do_is_one_line(one_day: Desk, tmp_path: Path, command) -> None:
    desk = copied(one_day, tmp_path)
    arguments = ("snapshot", "--simulated-date", SMALL_DAYS[0], "--config", desk.config_file)
    assert command(*arguments)[:2] == (0, f"{SMALL_DAYS[0]}: 2 of 2 targets complete; nothing to do\n")
    desk.extra = "[dashboard]\nenabled = true\n"
    desk.settings  # noqa: B018 - writes the configuration
    assert command(*arguments)[1].endswith(f"the page is {desk.lake.dashboard}\n")
    assert command(*arguments)[1] == f"{SMALL_DAYS[0]}: 2 of 2 targets complete; nothing to do\n"
    shutil.rmtree(desk.lake.warehouse)
    code, out, _ = command(*arguments)
    assert (code, "nothing to do" in out, "published " in out) == (0, False, True)
