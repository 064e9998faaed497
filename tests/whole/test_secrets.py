"""Stream keys in every shape, planted wherever the API can carry them: no reader of the warehouse ever sees one."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from datetime import date
from pathlib import Path

import duckdb
import msgspec
import pyarrow.parquet as pq
import pytest

import dagster as dg
from dagster_runs import run_day
from desk import BEIJING, Desk
from history import contents
from pulltasks import masking
from pulltasks.lake.tidy import open_tidy
from pulltasks.sandbox.data import tasks_on
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.warehouse.read.published import open_published

ROOT = Path(__file__).parents[2]
DAY = date(2026, 11, 22)
KEY = "S3CR3T"
WITHOUT_SCHEME = f"h.example.com/live/{KEY}"
# Where an address holds a key, and how it may be written.
SHAPES = (
    f"https://h.example.com/live/x.m3u8?token={KEY}",
    f"https://h.example.com/x?a=1&{KEY}",
    f"https://h.example.com/x?{KEY}==",
    f"rtmp://h.example.com/live/{KEY}",
    f"RTMPS://H.example.com/live/{KEY}/",
    f"rtmp://h.example.com:1935/live/{KEY}?txSecret={KEY}&txTime=5",
    f"rtmp://h.example.com/live/x live=1 token={KEY}",
    f"https://user:{KEY}@h.example.com/x",
    f"https://user:a@{KEY}@h.example.com/x",
    f"https://user:a/{KEY}@h.example.com/x",
    f"https://user:{KEY}\uff20h.example.com/x",
    f"user:{KEY}@h.example.com/x",
    f"//user:{KEY}@h.example.com/x",
    f"h.example.com/x?{KEY}",
    f"https://h.example.com/x%3Ftoken%3D{KEY}",
    f"https://h.example.com/x%253Ftoken%253D{KEY}",
    f"rtmp://[2001:db8::1]:1935/live/{KEY}",
    f"https://[2001:db8::1]/x?k={KEY}",
    f"https://频道.example.com/直播?密钥={KEY}",
    f"rtmp://{{host}}/{{app}}/{{{KEY}}}",
    f"https://h.example.com/x?auth={{{KEY}}}",
    f"srt://h.example.com:9000?streamid=#!::r=live/x,m=publish,u={KEY}",
    f"srt://h.example.com:9000?streamid={KEY}",
    f"https://h.example.com/x#access_token={KEY}",
    f"https://h.example.com/x;jsessionid={KEY}",
    f"  \u200bhttps://user:{KEY}@h.example.com/x",
    f"https://h.example.com/x\n?token={KEY}",
    f"https:\\\\h.example.com\\{KEY}",
    f"rtmp:{KEY}",
    f"data:,{KEY}",
    KEY,
    f"{KEY}.{KEY}.{KEY}",
    f"rtmp://h.example.com/live/part%2F{KEY}",
    f"rtmp://h.example.com/live/{KEY}%2Fpart",
    WITHOUT_SCHEME,
    f"https://user:{KEY}/x",
    f"https://user:{KEY}%40h.example.com/x",
    f"rtmp://h.example.com/live/{KEY},rtmp://h.example.com/live/x",
    f"rtmp://h.example.com/live/a@{KEY}",
    f"https://h.example.com/hdnts=st=1~exp=2~hmac={KEY}/x.m3u8",
    f"https://h.example.com/token={KEY}/x.m3u8",
    f"https://h.example.com/x|{KEY}",
    f"https://h.example.com/x\u2028{KEY}",
    f"https://h.example.com/x\xa0{KEY}",
    f"https://h.example.com/x\uff0f{KEY}",
    f"http://u:12/{KEY}?x@h.example.com",
)


@pytest.fixture(scope="module")
def connection():
    connection = duckdb.connect()
    masking.install(connection)
    return connection


@pytest.mark.parametrize("shape", SHAPES)
def test_an_address_never_shows_its_key(connection, shape: str) -> None:
    masked = connection.execute("select mask_stream_url($1)", [shape]).fetchall()[0][0]
    assert masked
    assert KEY.lower() not in masked.lower()
    assert "h.example.com" in masked.lower() or "***" in masked


class Planted(Sandbox):
    """A service whose tasks carry keys of every shape in every field that can hold one."""

    def _rendered_rows(self, place, day):
        return [(task["task_id"], msgspec.json.encode(task)) for task in planted_tasks(place, day)]


class PlantedAndTorn(Planted):
    """Beside them a task without an id, so that the listing cannot be proved."""

    def _rendered_rows(self, place, day):
        return [*super()._rendered_rows(place, day), ("", msgspec.json.encode({"note": KEY}))]


def planted_tasks(place, day):
    for task, shape in zip(tasks_on(1, place, day), SHAPES, strict=False):
        yield {
            **task,
            "source_urls": [shape, {"url": KEY}, None],
            "backup_source_urls": [shape],
            "destination_url": shape,
            # a receiver without a scheme is a web page, whose path may be seen
            "callback_url": shape if shape != WITHOUT_SCHEME else "",
            "push_args": f"auth={KEY}&{KEY}",
            "stream_name": f"{task['task_id'][:8]}?key={KEY}",
            "app_name": f"{KEY}@live",
            "domain": f"user:{KEY}@h.example.com",
            "status": f"enable?{KEY}",
            "callback_events": [f"TaskExit={KEY}"],
            "new_field": {"nested": [shape]},
            f"token={KEY}": 1,
            f"rtmp://h.example.com/live/{KEY}": 2,
            f"\x1b]0;{KEY}@x\n": 3,
            "end_time": KEY,
            "vod_start_video_index": KEY,
            "create_time": {"at": KEY},
        }


@pytest.fixture
def desk(tmp_path: Path):
    sandbox = Planted((BEIJING,))
    with serving(sandbox) as url:
        yield Desk(sandbox, url, tmp_path, sandbox.places, extra="[publish]\ntables = true\n")


def test_no_reader_sees_a_planted_key(desk: Desk, tmp_path: Path) -> None:
    seen = io.StringIO()
    home = tmp_path / "dagster"
    home.mkdir()
    with redirect_stdout(seen), redirect_stderr(seen), dg.DagsterInstance.local_temp(str(home)) as instance:
        result = run_day(desk, DAY, instance=instance)
        assert result.success
        events = str(result.all_events) + str(instance.all_logs(result.run_id))
    command = [Path(sys.executable).with_name("pulltasks"), "--config", str(desk.config_file)]
    printed = [
        subprocess.run([command[0], *verb, *command[1:]], capture_output=True, text=True, check=False)
        for verb in (
            ("status",),
            ("snapshot", "--simulated-date", str(DAY), "--refresh"),
            ("query", "from dim_pull_tasks", "--format", "json"),
            ("query", "select nothing from dim_pull_tasks"),
            ("doctor",),
        )
    ]
    with open_tidy(desk.lake) as connection:
        tasks = connection.sql("from pull_tasks").fetchall()
        assert (len(tasks), str(tasks).count(KEY) > len(SHAPES)) == (len(SHAPES), True)  # they did come in
    with open_published(desk.lake) as connection:
        assert connection.sql("select count(*) from dim_pull_tasks where is_current").fetchall() == [(len(SHAPES),)]
        texts = [
            str(connection.sql(query).fetchall())
            for query in (
                f"from pull_tasks_as_of('{DAY}')",
                f"from pull_task_source_urls_as_of('{DAY}')",
                "from fct_pull_task_days",
                "from duckdb_tables()",
                "from duckdb_columns()",
            )
        ]
    texts += [str(contents(desk.lake.published.resolve())), events, seen.getvalue()]
    texts += [process.stdout + process.stderr for process in printed]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md")]
    for text in texts:
        assert KEY.lower() not in text.lower()
    tables = sorted(desk.lake.open_tables.glob("current/*/*.parquet"))
    assert tables
    for path in tables:
        assert KEY.lower() not in str(pq.read_table(path).to_pylist()).lower(), path
    stored = [*desk.lake.warehouse.glob("*.duckdb"), *(path for path in home.rglob("*") if path.is_file())]
    for path in stored:
        assert KEY.lower().encode() not in path.read_bytes().lower(), path


def test_an_incomplete_listing_leaks_nothing_either(tmp_path: Path) -> None:
    sandbox = PlantedAndTorn((BEIJING,))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places)
        (result,) = desk.run(DAY)
    assert result.verdict == "incomplete"
    assert KEY not in str(result)
    assert KEY not in str(contents(desk.lake.published.resolve()))


def test_only_expose_secrets_shows_them_and_turning_it_off_takes_them_away(desk: Desk) -> None:
    desk.run(DAY)
    desk.extra = "[warehouse]\nexpose_secrets = true"
    exposed = desk.build()
    assert exposed.stat().st_mode & 0o777 == 0o600
    with duckdb.connect(str(exposed), read_only=True) as connection:
        assert SHAPES[0] in str(connection.sql("select source_urls from dim_pull_tasks").fetchall())
    desk.extra = ""
    masked = desk.build()
    assert not exposed.exists()
    assert KEY.encode() not in b"".join(path.read_bytes() for path in desk.lake.warehouse.glob("*.duckdb"))
    assert masked.stat().st_mode & 0o777 == 0o644
