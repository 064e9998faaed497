"""Lakes of earlier schemas open with this version, removed forms are refused, and a new field reaches back into the past."""

from __future__ import annotations

import json
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
from pulltasks.errors import LakeError, RemovedForm
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
    with pytest.raises(LakeError, match="upgrade this one"):
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
        rows = [{**task, "priority": f"p{n}"} for n, task in enumerate(tasks_on(self.seed, place, day))]
        return [(task["task_id"], msgspec.json.encode(task)) for task in rows]


def test_a_field_that_is_made_known_is_filled_for_the_past_from_the_raw_archive(tmp_path: Path) -> None:
    day = date(2026, 11, 16)
    sandbox = Grown((replace(BEIJING, task_count=5),))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places)
        result = snapshot(desk.settings, day, desk.clock, simulated=True)
    count = len(tasks_on(1, replace(BEIJING, task_count=5), day))
    assert result.surprises == (
        f"priority: unknown_field at {count} tasks of 1 target, since {day}; kept, see rpt_data_quality",
    )
    with open_tidy(desk.lake) as connection:
        unknown = connection.sql("select json_extract_string(extra, 'priority') from pull_tasks").fetchall()
    # what somebody does who adds the field: one line in tables.py, and the schema version raised
    later = tmp_path / "later"
    for folder in ("pipelines", "sql"):
        shutil.copytree(ROOT / folder, later / folder)
    tables = later / "pipelines" / "pulltasks" / "tables.py"
    text = tables.read_text()
    text = text.replace(
        '    ApiField("vod_refresh_type"',
        '    ApiField("priority", "text", "How urgent it is."),\n    ApiField("vod_refresh_type"',
    )
    text = re.sub(r"SCHEMA_VERSION = \d+", f"SCHEMA_VERSION = {SCHEMA_VERSION + 1}", text)
    tables.write_text(text)
    subprocess.run(
        [
            *(sys.executable, "-c", "from pulltasks.cli.main import main; main()"),
            *("rebuild", "--from", str(day), "--to", str(day), "--config", str(desk.config_file)),
        ],
        cwd=later,
        env={"PYTHONPATH": str(later / "pipelines"), "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    known = pq.read_table(desk.lake.tidy_file("pull_tasks", day)).to_pydict()
    assert known["priority"] == [priority for (priority,) in unknown]
    assert known["priority"]
    assert set(known["extra"]) == {None}
