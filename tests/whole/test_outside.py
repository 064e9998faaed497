"""Proxies, signals, other users' files, other readers of the tidy tables."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pytest

from desk import BEIJING, SINGAPORE, Desk
from plain_service import PlainService, listing, serving_plainly
from pulltasks import tidy_files
from pulltasks.alerts.webhook import post
from pulltasks.errors import ConfigError
from pulltasks.huawei.transport import AiohttpTransport
from pulltasks.lake.compaction import compact_month
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import Place
from pulltasks.sandbox.server import Sandbox, serving
from sampling import sampled

PULLTASKS = Path(sys.executable).parent / "pulltasks"
GOOD, SLOW = (Place(f"{n}" * 32, "cn-north-4", 3, name=f"p{n}") for n in (1, 2))
DAYS = [date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 1)]


def proxy_for(monkeypatch: pytest.MonkeyPatch, value: str, address: str) -> str | None:
    monkeypatch.setenv("HTTPS_PROXY", value)

    async def go() -> str | None:
        transport = AiohttpTransport(1)
        try:
            transport.check_proxy(address)
            import httpx

            return transport._proxy(httpx.URL(address))
        finally:
            await transport.aclose()

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        ("http://h:1", "http://h:1"),
        ("h:1", "http://h:1"),
        ("localhost:1", "http://localhost:1"),
        ("https://u:p@h", "https://u:p@h"),
        ("", None),
    ],
)
def test_a_proxy_is_taken_as_curl_takes_it(monkeypatch: pytest.MonkeyPatch, value: str, proxy: str | None) -> None:
    assert proxy_for(monkeypatch, value, "https://live.example.com") == proxy
    assert proxy_for(monkeypatch, value, "https://127.0.0.1:9") is None


@pytest.mark.parametrize("value", ["socks5://h", "socks5h://h:1", "SOCKS4://h", "ftp://h"])
def test_a_proxy_of_another_kind_is_named_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    with pytest.raises(ConfigError, match="only HTTP proxies are spoken"):
        proxy_for(monkeypatch, value, "https://live.example.com")
    assert proxy_for(monkeypatch, value, "https://127.0.0.1:9") is None


def test_a_webhook_on_this_machine_is_sent_past_any_proxy(monkeypatch: pytest.MonkeyPatch, webhook) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    post(webhook.address, b"{}", "json")
    assert webhook.bodies == [b"{}"]


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
        assert line.startswith(f"pulltasks: interrupted ({signal.Signals(number).name}). Finished raw files are kept")
        assert [path.parent.name for path in desk.lake.raw.rglob("*.zst")] == [GOOD.project_id]
        del service.streams[SLOW.project_id]
        service.answers[SLOW.project_id] = lambda _: (200, {}, listing(SLOW.project_id))
        asked = dict(service.requests)
        ended = subprocess.run([PULLTASKS, "snapshot", "--config", desk.config_file], capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert service.requests[GOOD.project_id] == asked[GOOD.project_id]  # what was kept is not asked for again


def test_a_raw_file_that_may_not_be_read_is_no_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox((replace(BEIJING, task_count=7), replace(SINGAPORE, task_count=5)))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places)
        snapshot(desk.settings, DAYS[0], desk.clock, simulated=True)
        raw = desk.lake.raw_file(DAYS[0], BEIJING.project_id, BEIJING.region)
        content, opened = raw.read_bytes(), Path.open

        def refused(self: Path, *arguments: object, **named: object):
            if self == raw:
                raise PermissionError(13, "Permission denied", str(self))
            return opened(self, *arguments, **named)

        with monkeypatch.context() as patch:  # who runs the tests may be allowed to read everything
            patch.setattr(Path, "open", refused)
            result = snapshot(desk.settings, DAYS[0], desk.clock, simulated=True)
        (bad,) = [capture for capture in result.captures if capture.verdict != "complete"]
        assert (bad.target.key, "this user may not read it" in bad.message) == (
            (BEIJING.project_id, BEIJING.region),
            True,
        )
        assert raw.read_bytes() == content
        assert [path.name for path in raw.parent.iterdir()] == [raw.name]


def test_the_files_of_a_table_are_read_alike_by_every_reader(tmp_path: Path) -> None:
    sandbox = Sandbox((replace(BEIJING, task_count=7),))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places)
        for day in DAYS:
            snapshot(desk.settings, day, desk.clock, simulated=True)
    counts = []
    for is_closed in (False, True):
        if is_closed:
            with desk.lake.lock():
                compact_month(desk.lake, date(2026, 10, 1))
        files = tidy_files("pull_tasks", "2026-10-01", DAYS[-1], lake=desk.lake.root)
        assert len(files) == (2 if is_closed else 3)
        counts += [
            ds.dataset(files, format="parquet").count_rows(),
            sum(len(pd.read_parquet(file, partitioning=None)) for file in files),
            duckdb.execute("select count(*) from read_parquet($1, hive_partitioning = false)", [files]).fetchall()[0][
                0
            ],
        ]
    assert len(set(counts)) == 1
    assert tidy_files("captures", DAYS[0], DAYS[0], lake=desk.lake.root)
    with pytest.raises(ValueError, match="is no tidy table; there are pull_tasks"):
        tidy_files("tasks", DAYS[0], DAYS[0], lake=desk.lake.root)
