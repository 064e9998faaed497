"""The file that a build writes to: its room, its threads, and that it leaves nothing behind where it is not published."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest

from desk import BEIJING, DAYS, Desk
from pulltasks.capture.target_list import target_line
from pulltasks.errors import ModelError
from pulltasks.lake.normalise import normalise_day
from pulltasks.lake.raw import AnswerLine, CaptureLine, RawWriter, TargetList, VerdictLine
from pulltasks.sandbox.data import Place, tasks_on
from pulltasks.settings import WarehouseSettings
from pulltasks.warehouse.build.plan import plan_build
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.build.working_copy import room_of, working_copy
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.sql.models import load_models

GOOD, BAD = (Place(f"{n}" * 32, "cn-north-4", 3, name=name) for n, name in ((2, "good"), (1, "bad")))


@pytest.mark.parametrize(
    ("cores", "settings", "threads", "memory"),
    [
        (1, {}, 1, "400MB"),
        (2, {}, 2, "400MB"),
        (96, {}, 8, "400MB"),
        (2, {"threads": 96}, 96, "3840MB"),
        (96, {"threads": 4, "memory": "2GB"}, 4, "2GB"),
    ],
)
def test_threads_and_memory_are_set_together(cores: int, settings: dict, threads: int, memory: str) -> None:
    assert room_of(WarehouseSettings(**settings), cores, 100_001) == (threads, memory)


@pytest.mark.parametrize(("tasks", "memory"), [(500_000, "400MB"), (500_010, "400MB"), (1_000_000, "700MB")])
def test_many_tasks_get_more_memory(tasks: int, memory: str) -> None:
    assert room_of(WarehouseSettings(), 2, tasks) == (2, memory)


def test_few_tasks_are_built_by_one_thread_unless_the_settings_say_otherwise() -> None:
    assert room_of(WarehouseSettings(), 8, 20_000)[0] == 1
    assert room_of(WarehouseSettings(threads=4), 8, 10)[0] == 4


def many_addresses(folder: Path, tasks: int) -> Desk:
    """A day of tasks with 30 addresses each, without a request."""
    desk = Desk(None, "http://127.0.0.1:1", folder, (GOOD,))
    desk.lake.prepare()
    target = target_line(desk.settings, desk.settings.targets[0])
    day = date(2026, 11, 20)
    with desk.lake.lock():
        listed = TargetList(snapshot_date=day, timezone="UTC", software_version="0", targets=[target])
        with desk.lake.writing(desk.lake.targets_file(day)) as unfinished:
            unfinished.write_bytes(msgspec.json.encode(listed))
        noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
        raw = desk.lake.raw_file(day, *target.key)
        raw.parent.mkdir(parents=True)
        head = CaptureLine(
            target=target, snapshot_date=day, timezone="UTC", capture_id="c", software_version="0", started_at=noon
        )
        writer = RawWriter(raw, head)
        for offset in range(0, tasks, 100):
            rows = [
                {"task_id": f"{n:06}", "source_urls": [f"rtmp://h{a}.example.com/live/{n}-{a}?k=v" for a in range(30)]}
                for n in range(offset, min(offset + 100, tasks))
            ]
            body = json.dumps({"request_id": "r", "total": tasks, "task_infos": rows})
            writer.answer(
                AnswerLine(
                    sequence=offset,
                    sweep=1,
                    offset=offset,
                    limit=100,
                    sent_at=noon,
                    received_at=noon,
                    status=200,
                    body=body,
                )
            )
        end = VerdictLine(verdict="complete", proof="by_chain", counted_sweep=1, task_count=tasks, finished_at=noon)
        writer.close(end)
        normalise_day(desk.lake, day)
    return desk


def publish_with(desk: Desk, settings: str) -> None:
    desk.extra = f"[warehouse]\n{settings}\n"
    for build in desk.lake.builds():
        build.unlink()
    with desk.lake.lock():
        build_and_publish(desk.lake, load_models(), desk.settings.warehouse, datetime.now(UTC))


@pytest.mark.parametrize("threads", [64, *(pytest.param(count, marks=pytest.mark.slow) for count in (1, 96))])
def test_many_threads_build_what_one_does(tmp_path: Path, threads: int) -> None:
    desk = many_addresses(tmp_path, 1000)
    publish_with(desk, f"threads = {threads}")
    with open_published(desk.lake) as connection:
        assert connection.sql("select count(*), sum(len(source_urls)) from dim_pull_tasks").fetchall() == [
            (1000, 30_000)
        ]


def test_a_build_that_runs_out_of_memory_names_the_setting(tmp_path: Path) -> None:
    desk = many_addresses(tmp_path, 1000)
    with pytest.raises(ModelError, match=r"raise warehouse.memory, or lower warehouse.threads"):
        publish_with(desk, 'threads = 2\nmemory = "6MB"')


@pytest.mark.slow
@pytest.mark.parametrize("threads", [64, 96])
def test_24_000_tasks_of_30_addresses_publish_every_time(tmp_path: Path, threads: int) -> None:
    desk = many_addresses(tmp_path, 24_000)
    for _ in range(20):
        publish_with(desk, f"threads = {threads}")


def test_a_working_copy_that_is_not_published_leaves_nothing(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    desk.capture(DAYS[1])
    normalise_day(desk.lake, DAYS[1])
    plan = plan_build(desk.lake, load_models(), desk.settings.warehouse)
    with desk.lake.lock(), working_copy(desk.lake, load_models(), desk.settings.warehouse, plan) as work:
        assert work.run("dim_targets").rows == 2
    assert list((desk.lake.root / ".unfinished").iterdir()) == []


def test_of_an_incomplete_capture_the_build_reads_only_tasks_known_before(desk: Desk, begin, once) -> None:
    begin(desk, DAYS[0])
    desk.sandbox.faults[BEIJING.project_id, DAYS[1]] = "short_page"
    desk.capture(DAYS[1])
    with desk.lake.lock():
        normalise_day(desk.lake, DAYS[1])
        plan = plan_build(desk.lake, load_models(), desk.settings.warehouse)
        known = {task["task_id"] for task in tasks_on(1, BEIJING, DAYS[0])}
        with working_copy(desk.lake, load_models(), desk.settings.warehouse, plan) as work:
            work.run("stg_listed_tasks")
            query = f"from {{}} where project_id = '{BEIJING.project_id}'"
            read, shown = (
                {task_id for (task_id,) in work._connection.execute(f"select task_id {query.format(name)}").fetchall()}
                for name in ("stg_listed_tasks", "tidy.pull_tasks")
            )
    assert shown - known
    assert read == shown & known
