"""What is printed: an output that cannot show it, or that nobody reads, changes no exit code."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from desk import Desk
from plain_service import PlainService, serving_plainly
from pulltasks.sandbox.data import Place
from terminals import PULLTASKS

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
