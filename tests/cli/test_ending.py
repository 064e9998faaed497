"""How a command ends: its exit code, and one message for a mistake."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from desk import Desk
from plain_service import PlainService, listing, serving_plainly
from pulltasks.sandbox.data import Place
from sampling import sampled

PULLTASKS = Path(sys.executable).parent / "pulltasks"

GOOD, SLOW = (Place(f"{n}" * 32, "cn-north-4", 3, name=f"p{n}") for n in (1, 2))


@pytest.mark.parametrize(("number", "code"), sampled([(signal.SIGINT, 130), (signal.SIGTERM, 143)], 0))
def test_a_run_that_is_stopped_says_so_in_a_line_and_keeps_what_was_whole(
    tmp_path: Path, number: int, code: int
) -> None:
    service = PlainService()
    service.answers[GOOD.project_id] = lambda _: (200, {}, listing(GOOD.project_id))

    async def hang(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    service.streams[SLOW.project_id] = hang
    with serving_plainly(service) as url:
        desk = Desk(None, url, tmp_path, (GOOD, SLOW))
        process = subprocess.Popen(
            [PULLTASKS, "snapshot", "--config", desk.config_file],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(200):
            if SLOW.project_id in service.requests and GOOD.project_id in service.requests:
                break
            time.sleep(0.05)
        time.sleep(0.5)  # so that the answer has arrived
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert process.returncode == code
        *_, line = err.splitlines()  # what stands before it are the lines of the log
        assert line.startswith(
            f"pulltasks: stopped ({signal.Signals(number).name}). Raw files that were whole are kept"
        )
        assert [path.parent.name for path in desk.lake.raw.rglob("*.zst")] == [GOOD.project_id]
        del service.streams[SLOW.project_id]
        service.answers[SLOW.project_id] = lambda _: (200, {}, listing(SLOW.project_id))
        asked = dict(service.requests)
        ended = subprocess.run([PULLTASKS, "snapshot", "--config", desk.config_file], capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert service.requests[GOOD.project_id] == asked[GOOD.project_id]  # what was kept is not asked for again
