"""Lakes of earlier schemas open with this version, removed forms are refused, and a new field reaches back into the past."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from desk import BEIJING, SINGAPORE, Desk
from history import differences
from pulltasks.doctor.lake import examine_lake
from pulltasks.errors import LakeError, NewerForm, RemovedForm
from pulltasks.lake.manifests import OLDEST_SCHEMA, read_manifest
from pulltasks.lake.tidy import open_tidy
from pulltasks.run.order import rebuild, snapshot
from pulltasks.sandbox.data import tasks_on
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.tables import SCHEMA_VERSION, TABLES
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.read.status import read_status
from sampling import sampled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pulltasks.lake.lake import Lake

ROOT = Path(__file__).parents[2]
LAKES = sorted((ROOT / "tests" / "lakes").glob("schema-*.tar.xz"))
LAST = date(2026, 11, 18)


def name_of(lake: Path) -> str:
    return lake.name.split(".")[0]


@pytest.fixture(params=sampled(LAKES, 0, len(LAKES) - 1), ids=name_of)
def desk(request: pytest.FixtureRequest, tmp_path: Path):
    with tarfile.open(request.param) as archive:
        archive.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)  # Python 3.11.3 knows none
        archive.extractall(tmp_path)
    sandbox = Sandbox((replace(BEIJING, task_count=5), replace(SINGAPORE, task_count=3)))
    with serving(sandbox) as url:
        yield Desk(sandbox, url, tmp_path, sandbox.places)


def test_there_is_a_lake_of_every_schema_that_is_read() -> None:
    assert [path.name for path in LAKES] == [f"schema-{n}.tar.xz" for n in range(OLDEST_SCHEMA, SCHEMA_VERSION + 1)]


def test_what_an_earlier_version_published_can_be_read(desk: Desk) -> None:
    with open_published(desk.lake) as connection:
        assert read_status(connection, LAST).is_complete
        assert connection.sql("select count(*) from dim_pull_tasks where is_current").fetchall()[0][0] > 0
    with open_tidy(desk.lake) as connection:
        for table in TABLES:
            relation = connection.sql(f"from {table.name}")
            assert relation.columns == list(table.schema.names)
            assert relation.fetchall() is not None


# Since the last of these lakes was written, one report is gone, and the mask of SRT addresses shows less.
GONE, MASKED_OTHERWISE = {"rpt_destination_conflicts"}, {"source_urls", "url"}
MACROS = ("pull_tasks_as_of", "pull_task_source_urls_as_of", "pull_task_callback_events_as_of")


@pytest.mark.parametrize("desk", LAKES[-1:], ids=name_of, indirect=True)
def test_queries_of_the_version_before_give_the_same_rows_by_the_names_of_their_columns(desk: Desk) -> None:
    days = desk.lake.tidy_dates()
    with open_published(desk.lake) as connection:
        found = connection.sql("select table_name from duckdb_tables() where table_name not like 'meta_%'").fetchall()
        found += connection.sql("select view_name from duckdb_views() where not internal").fetchall()
        sources = [name for (name,) in found if name not in GONE]
        sources += [f"{macro}(date '{day}')" for macro in MACROS for day in days]
        before = {}
        for source in sources:
            names = [name for name in connection.sql(f"from {source}").columns if name not in MASKED_OTHERWISE]
            query = f"select {', '.join(names)} from {source}"
            before[query] = sorted(connection.sql(query).fetchall(), key=repr)
    assert len(before) > 20
    desk.lake.prepare()
    desk.build()
    with open_published(desk.lake) as connection:
        ((added,),) = connection.sql("select count(*) from pull_tasks").fetchall()
        assert added, "the file is of this version"
        for query, rows in before.items():
            assert sorted(connection.sql(query).fetchall(), key=repr) == rows, query


def test_an_earlier_lake_goes_on_with_its_whole_history(desk: Desk) -> None:
    days = desk.lake.tidy_dates()
    result = snapshot(desk.settings, LAST + timedelta(days=1), desk.clock, simulated=True)
    assert result.is_complete
    for day in (*days, LAST + timedelta(days=1)):
        assert set(differences(desk.lake, day).values()) == {(0, 0)}, day
    assert read_manifest(desk.lake.manifest_file(LAST + timedelta(days=1))).schema_version == SCHEMA_VERSION


@pytest.mark.parametrize("desk", sampled(LAKES[:-1], 0), ids=name_of, indirect=True)
def test_a_rebuild_brings_an_earlier_lake_up_to_this_version(desk: Desk) -> None:
    days = desk.lake.tidy_dates()
    rebuild(desk.settings, days[0], days[-1], desk.clock)
    for day in days:
        assert read_manifest(desk.lake.manifest_file(day)).schema_version == SCHEMA_VERSION
        for table in TABLES:
            (file,) = desk.lake.files(table.name, day, day)
            assert pq.read_schema(file).metadata[b"pulltasks.schema_version"] == str(SCHEMA_VERSION).encode()


@pytest.mark.parametrize("desk", LAKES[-1:], ids=name_of, indirect=True)
def test_a_lake_of_a_later_version_is_refused(desk: Desk) -> None:
    desk.lake.prepare()
    path = desk.lake.manifest_file(LAST)
    later = msgspec.structs.replace(read_manifest(path), schema_version=SCHEMA_VERSION + 1)
    path.write_bytes(msgspec.json.encode(later))
    with pytest.raises(NewerForm, match=f"rebuild --from {LAST} --to {LAST}"):
        desk.build()


def without_sources(lake: Lake) -> Path:
    """Put a manifest as schema 2 had it in the place of one."""
    path = lake.manifest_file(lake.tidy_dates()[0])
    said = json.loads(path.read_bytes())
    del said["sources"]
    path.write_text(json.dumps(said | {"schema_version": 2}))
    return path


def without_checksums(lake: Lake) -> Path:
    """Put a raw file of format 1 in the place of the newest one."""
    path = lake.raw_files(LAST)[0]
    with pa.CompressedInputStream(str(path), "zstd") as stream:
        content = stream.read().replace(b'"format":2', b'"format":1')
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        stream.write(re.sub(rb',"sha256":"[0-9a-f]{64}"}', b"}", content))
    return path


@pytest.mark.parametrize("desk", LAKES[-1:], ids=name_of, indirect=True)
@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (without_sources, "has schema 2, and this pulltasks reads schema 3 and newer"),
        (without_checksums, "has raw format 1, and this pulltasks reads format 2"),
    ],
)
def test_a_removed_form_is_one_error_and_nothing_that_was_there_is_changed(desk: Desk, plant, said: str) -> None:
    path = plant(desk.lake)
    before = {file: file.read_bytes() for file in desk.lake.root.rglob("*") if file.is_file()}
    for act in (
        lambda: snapshot(desk.settings, LAST + timedelta(days=1), desk.clock, simulated=True),
        lambda: rebuild(desk.settings, LAST, LAST, desk.clock),
    ):
        with pytest.raises(RemovedForm) as caught:
            act()
        assert str(caught.value) == (
            f"{path}: {said}. Nothing was changed: keep this lake for the version that wrote it, and set lake.root to "
            "a new folder"
        )
    (finding,) = examine_lake(desk.settings, desk.clock.now()).findings
    assert finding.advice == str(caught.value)
    after = {file: file.read_bytes() for file in before if file.is_file()}
    # the log of runs grew, and has both
    assert {file.name for file in before if before[file] != after.get(file)} <= {".lock", "runs.ndjson"}
    with open_published(desk.lake) as connection:
        assert read_status(connection, LAST).is_complete


class Grown(Sandbox):
    """A service that has begun to send one more field."""

    def _rendered_rows(self, place, day):
        rows = [{**task, "priority": f"p{task['task_id'][-1]}"} for task in tasks_on(self.seed, place, day)]
        return [(task["task_id"], msgspec.json.encode(task)) for task in rows]


@pytest.fixture
def grown(tmp_path: Path) -> Iterator[Desk]:
    sandbox = Grown((replace(BEIJING, task_count=5),))
    with serving(sandbox) as url:
        yield Desk(sandbox, url, tmp_path, sandbox.places)


def later_version(folder: Path) -> Path:
    """A copy of the program after somebody has made the field known, as CONTRIBUTING.md says."""
    later = folder / "later"
    for name in ("pipelines", "sql"):
        shutil.copytree(ROOT / name, later / name)
    tables, staging = later / "pipelines/pulltasks/tables.py", later / "sql/staging/stg_pull_tasks.sql"
    text = tables.read_text().replace(
        '    ApiField("vod_refresh_type"',
        '    ApiField("priority", "text", "How urgent it is."),\n    ApiField("vod_refresh_type"',
    )
    tables.write_text(re.sub(r"SCHEMA_VERSION = \d+", f"SCHEMA_VERSION = {SCHEMA_VERSION + 1}", text))
    staging.write_text(
        staging.read_text()
        .replace("-- like: tidy.pull_tasks (vod_loop_time,", "-- like: tidy.pull_tasks (priority, vod_loop_time,")
        .replace(
            "    tasks.vod_start_video_index,",
            "    mask_name(tasks.priority) as priority,\n    tasks.vod_start_video_index,",
        )
    )
    return later


def run_later(desk: Desk, act: str) -> None:
    """Let the later version do something to the lake, in a process of its own."""
    script = f"""
import uuid
from datetime import UTC, date, datetime
from pathlib import Path
from pulltasks import config
from pulltasks.clock import Clock
from pulltasks.run.order import rebuild, snapshot
settings = config.load(Path({str(desk.config_file)!r}))
clock = Clock(now=lambda: datetime(2026, 11, 30, tzinfo=UTC), new_id=lambda: str(uuid.uuid4()))
{act}
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=desk.folder,
        env=os.environ | {"PYTHONPATH": str(later_version(desk.folder) / "pipelines")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr


def test_a_field_that_is_made_known_is_filled_for_the_past_from_the_raw_archive(grown: Desk) -> None:
    day = date(2026, 11, 16)
    result = snapshot(grown.settings, day, grown.clock, simulated=True)
    count = len(tasks_on(1, replace(BEIJING, task_count=5), day))
    assert result.surprises == (
        f"priority: unknown_field at {count} tasks of 1 target, since {day}; kept, see rpt_data_quality",
    )
    with open_tidy(grown.lake) as connection:
        unknown = connection.sql("select json_extract_string(extra, 'priority') from pull_tasks").fetchall()
    run_later(grown, "rebuild(settings, date(2026, 11, 16), date(2026, 11, 16), clock)")
    known = pq.read_table(grown.lake.tidy_file("pull_tasks", day)).to_pydict()
    assert known["priority"] == [priority for (priority,) in unknown]
    assert known["priority"]
    assert set(known["extra"]) == {None}


def files_that_count(lake: Lake) -> dict[Path, bytes]:
    """The manifests, and the files from which the tables of each day are read."""
    read = [path for table in TABLES for path in lake.files(table.name, date.min, date.max)]
    return {path: path.read_bytes() for path in (*read, *(lake.tidy / "manifests").iterdir())}


def test_the_next_version_and_back_lose_nothing(grown: Desk) -> None:
    """This version captures two days, a later one a third and rebuilds the second, and this one takes over again."""
    first, second, third, fourth = (date(2026, 10, 30) + timedelta(days=n) for n in range(4))
    lake, settings, clock = grown.lake, grown.settings, grown.clock
    for day in (first, second):
        snapshot(settings, day, clock, simulated=True)
    run_later(
        grown,
        "snapshot(settings, date(2026, 11, 1), clock, simulated=True)\n"  # and closes October
        "rebuild(settings, date(2026, 10, 31), date(2026, 10, 31), clock)",
    )

    assert [lake.is_compacted(day) for day in (first, second, third)] == [True, True, False]
    with open_published(lake) as connection:
        assert read_status(connection, third).is_complete
        lacking = f"from pull_tasks_as_of(date '{third}') where priority is null"
        assert connection.sql(lacking).fetchall() == [], "no row is taken over from a day whose field was not known"

    served, before = lake.published.resolve(), files_that_count(lake)
    with pytest.raises(NewerForm, match=f"pulltasks rebuild --from {second} --to {third}"):
        snapshot(settings, fourth, clock, simulated=True)
    assert lake.raw_files(fourth), "what can never be requested again is captured all the same"
    assert lake.published.resolve() == served
    assert before.items() <= files_that_count(lake).items()
    (manifests,) = [each for each in examine_lake(settings, clock.now()).findings if each.question == "manifests"]
    assert f"pulltasks rebuild --from {second} --to {third}" in manifests.advice

    # without its raw file a day of the later version cannot be written again, so its month stays as it is
    raw = lake.raw_files(second)[0].parents[1]
    raw.rename(grown.folder / "aside")
    before = files_that_count(lake)
    with pytest.raises(LakeError, match=f"of a newer pulltasks, and there is no raw archive to rebuild {second} from"):
        rebuild(settings, first, first, clock)
    assert files_that_count(lake) == before
    (grown.folder / "aside").rename(raw)

    assert rebuild(settings, second, third, clock).is_complete
    with open_tidy(lake) as connection:
        kept = "select distinct json_extract_string(extra, 'priority') = 'p' || right(task_id, 1) from pull_tasks"
        assert connection.sql(kept).fetchall() == [(True,)]
    for day in (first, second, third, fourth):
        assert set(differences(lake, day).values()) == {(0, 0)}, day
