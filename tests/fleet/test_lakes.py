"""Which lakes a fleet has: their names, what they may say of themselves, buckets as folders, versions."""

from __future__ import annotations

import re
import shutil
from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb
import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pulltasks import open_fleet
from pulltasks.backup.rclone import Rclone, rclone_at
from pulltasks.config import from_environment
from pulltasks.errors import BackupError, ConfigError, FleetError
from pulltasks.fleet.dialects import DIALECTS
from pulltasks.fleet.lakes import NEWEST, named_lakes, read_lakes
from pulltasks.fleet.opened import Fleet
from pulltasks.fleet.statements import statements, tables_read
from three_lakes import EAST, archived, days_from

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from backups import StandIn
    from pulltasks.lake.lake import Lake

DAYS = days_from(date(2026, 11, 2), 3)
URL = "s3://readers/east"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return archived(tmp_path_factory.mktemp("made") / "east" / "lake", EAST, DAYS)


@pytest.fixture
def lake(made: Lake, tmp_path: Path) -> Lake:
    shutil.copytree(made.root, tmp_path / "east" / "lake", symlinks=True)
    return type(made)(tmp_path / "east" / "lake")


def no_store(url: str) -> Rclone:
    raise AssertionError(url)


def read(*given: object, version: str | None = None):
    return read_lakes([str(each) for each in given], no_store, version)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("/data/beijing/lake", "beijing"),
        ("/data/beijing/lake/", "beijing"),
        ("/data/Beijing-1/lake/published", "beijing-1"),
        ("/lake", "lake"),
        ("s3://readers/east", "east"),
        ("obs://readers", "lake"),
        ("s3://123/lake", "lake_123"),
        ("/data/上海/lake", "data"),
        ("s3://x/上海/lake", "x"),
        ("prod=/data/x/lake", "prod"),
        ("/data/a=b/lake", "a_b"),
    ],
)
def test_a_lake_is_called_after_its_folder_or_as_it_is_said(given: str, name: str) -> None:
    assert list(named_lakes([given])) == [name]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "name at least one lake: --lake PATH_OR_URL"),
        (["/a/x/lake", "/b/x/lake"], "two lakes would be called x: /a/x/lake and /b/x/lake; name them"),
        (["x=/a", "x=/b"], "two lakes would be called x"),
        (["Ünsafe=/a"], "cannot be a lake's name"),
        (["x y=/a"], "cannot be a lake's name"),
        (["x;drop=/a"], "cannot be a lake's name"),
        (["/a/Beijing/lake", "/a/beijing/lake"], "two lakes would be called beijing"),
    ],
)
def test_names_that_cannot_be_told_apart_or_written_are_refused(given: list[str], says: str) -> None:
    with pytest.raises(FleetError, match=says):
        named_lakes(given)


def test_a_lake_without_open_tables_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"has no open tables .* \[publish\] tables = true .* `pulltasks snapshot`"):
        read(tmp_path)
    with pytest.raises(FleetError, match="there is no such folder; give a lake's folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(FleetError, match="is neither a folder nor one of s3://"):
        read("https://example.com/x")


def test_a_copy_of_what_is_published_is_a_lake_too(lake: Lake, tmp_path: Path) -> None:
    shutil.copytree(lake.root / "published", tmp_path / "copy")
    with open_fleet([lake.root]) as own, open_fleet([tmp_path / "copy"]) as copy:
        query = "select * exclude (lake) from dim_pull_tasks order by all"
        assert copy.df(query).equals(own.df(query))


@pytest.mark.parametrize(
    "change",
    [
        lambda latest: latest["tables"]["dim_dates"]["columns"][0].update(type="INTEGER); --"),
        lambda latest: latest.update(version="../../etc"),
    ],
)
def test_what_could_not_stand_in_a_statement_is_refused(lake: Lake, change) -> None:
    said = msgspec.json.decode(lake.latest_tables.read_bytes())
    change(said)
    lake.latest_tables.write_bytes(msgspec.json.encode(said))
    with pytest.raises(FleetError, match=r"does not know|is not a valid name"):
        read(lake.root)


@pytest.mark.parametrize("engine", DIALECTS)
def test_what_a_later_version_adds_is_left_out(lake: Lake, engine: str) -> None:
    said = msgspec.json.decode(lake.latest_tables.read_bytes())
    added = {"name": "x) as select 1; drop table y; --", "type": "MAP(VARCHAR, INTEGER)", "description": ""}
    said["tables"]["dim_dates"]["columns"].append(added)
    said["tables"]["later; drop table z"] = said["tables"]["dim_dates"]
    lake.latest_tables.write_bytes(msgspec.json.encode(said))
    made = statements(engine, read(lake.root))
    assert not [each for each in made if "drop table y" in each.sql or "later" in each.name]
    if engine == "duckdb":
        with Fleet(read(lake.root)) as fleet:
            assert len(fleet.df("from dim_dates")) == len(DAYS)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"version": 3}'])
def test_a_damaged_list_of_tables_is_one_sentence(lake: Lake, content: bytes) -> None:
    lake.latest_tables.write_bytes(content)
    with pytest.raises(FleetError, match=r"latest.json cannot be read"):
        read(lake.root)


def test_a_quote_in_a_path_stays_a_letter_of_it(lake: Lake) -> None:
    place = lake.root.parent / "o'brien lake"
    shutil.copytree(lake.root, place, symlinks=True)
    with open_fleet([f"east={place}"]) as fleet:
        assert len(fleet.df("from dim_targets")) == len(EAST)
        assert set(fleet.df("select lake from dim_targets")["lake"]) == {"east"}
    spark = [each.sql for each in statements("spark", read(f"east={place}")) if each.name == "dim_targets_files_1"]
    assert "LOCATION '" + str(place).replace("'", "\\'") in spark[-1]


def test_a_version_is_read_whole_while_current_moves_on(lake: Lake) -> None:
    (before,) = read(lake.root, version=NEWEST)
    (named,) = read(lake.root, version=before.latest.version)
    assert before.file("dim_targets") == named.file("dim_targets") != read(lake.root)[0].file("dim_targets")
    with Fleet((before,)) as fleet:
        archived(lake.root, EAST, [DAYS[-1] + timedelta(days=1)])
        assert fleet.df("select max(snapshot_date) as day from dim_dates")["day"][0].date() == DAYS[-1]
    with Fleet(read(lake.root, version=before.latest.version)) as fleet:
        assert fleet.df("select max(snapshot_date) as day from dim_dates")["day"][0].date() == DAYS[-1]
    with open_fleet([lake.root]) as fleet:
        assert fleet.df("select max(snapshot_date) as day from dim_dates")["day"][0].date() == DAYS[-1] + timedelta(1)


@pytest.mark.parametrize("version", ["000001-20200101T000000Z-abcdef", "../tables", "", "no such"])
def test_a_version_that_is_not_there_is_said(lake: Lake, version: str) -> None:
    with pytest.raises(FleetError, match=r"has no version|is not a valid version"):
        read(lake.root, version=version)


def test_one_version_is_asked_of_one_lake(lake: Lake) -> None:
    (one,) = read(lake.root)
    with pytest.raises(FleetError, match="lakes have versions of their own; for several use --version newest"):
        read(f"a={lake.root}", f"b={lake.root}", version=one.latest.version)


@pytest.fixture
def bucket(lake: Lake, standin: StandIn, tmp_path: Path) -> Callable[[str], Rclone]:
    """How the readers' bucket of the lake is reached, which is a folder here."""
    shutil.copytree(lake.root / "published", tmp_path / "readers", symlinks=True)
    variables = {"PATH": f"{standin.folder}:/usr/bin:/bin", "RCLONE_CONFIG_THERE_REMOTE": str(tmp_path / "readers")}
    return lambda url: Rclone(url, variables)


def test_a_bucket_is_read_as_a_folder_is(lake: Lake, bucket: Callable[[str], Rclone], standin: StandIn) -> None:
    with (
        Fleet(read_lakes([f"east=obs{URL.removeprefix('s3')}"], bucket)) as far,
        open_fleet([f"east={lake.root}"]) as near,
    ):
        for name in near.tables().query("arguments.isna()")["name"]:
            query = f"select * from {name} order by all"
            assert far.df(query).equals(near.df(query)), name
    assert standin.commands == ["cat", "copy"]


def test_an_object_that_is_not_what_the_list_says_is_not_read(bucket: Callable[[str], Rclone], tmp_path: Path) -> None:
    lakes = read_lakes([URL], bucket)
    name = f"tables/{lakes[0].latest.version}/dim_targets/data.parquet"
    (tmp_path / "readers" / name).write_bytes(b"PAR1 something else PAR1")
    with pytest.raises(FleetError, match=r"differs from latest.json"):
        Fleet(lakes)


def test_a_bucket_that_cannot_be_reached_is_said(bucket: Callable[[str], Rclone], standin: StandIn) -> None:
    standin.fail("cat", "dial tcp 127.0.0.1:9: connect: connection refused")
    with pytest.raises(BackupError, match="cannot be reached"):
        read_lakes([URL], bucket)


def test_a_bucket_is_asked_by_the_keys_and_the_region_of_the_readers_bucket(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="needs a region"):
        open_fleet(URL)
    monkeypatch.setenv("PULLTASKS_PUBLISH__REGION", "cn-north-4")
    assert rclone_at(URL, from_environment()).variables["RCLONE_CONFIG_THERE_REMOTE"] == f"store:{URL[5:]}"


def test_the_statements_for_a_bucket_keep_the_scheme_that_was_given(bucket: Callable[[str], Rclone]) -> None:
    made = statements("spark", read_lakes(["east=s3a://readers/east"], bucket))
    places = [each.sql.rpartition("LOCATION ")[2] for each in made if "LOCATION" in each.sql]
    assert places
    assert all(place.startswith("'s3a://readers/east/tables/current/") for place in places)


@pytest.mark.parametrize("damage", ["removed", "no Parquet", "without a column"])
def test_a_damaged_file_of_any_lake_is_named_when_the_fleet_is_opened(made: Lake, lake: Lake, damage: str) -> None:
    file = lake.open_tables / "current" / "meta_runs" / "data.parquet"
    content = pq.read_table(file)
    file.unlink()
    if damage == "no Parquet":
        file.write_bytes(b"no")
    if damage == "without a column":
        pq.write_table(content.drop_columns(["verb"]), file)
    with pytest.raises(FleetError, match=rf"^the lakes' open tables cannot be read [^\n]*{file}[^\n]*$"):
        Fleet(read(f"first={made.root}", f"second={lake.root}"))


@pytest.mark.parametrize("folder", ["region=elsewhere", "task_id=1", "snapshot_date=2020-01-01"])
def test_what_a_folder_is_called_says_nothing_of_its_rows(lake: Lake, tmp_path: Path, folder: str) -> None:
    shutil.copytree(lake.root, tmp_path / folder / "lake", symlinks=True)
    with open_fleet(lake.root) as own, open_fleet([f"east={tmp_path}/{folder}/lake"]) as other:
        for name in own.tables().query("arguments.isna()")["name"]:
            query = f"select * from {name} order by all"
            assert other.df(query).equals(own.df(query)), name


@pytest.mark.parametrize("folder", ["p[1]", "st*r", "wh?t"])
def test_a_folder_that_the_database_reads_as_a_pattern_is_refused(lake: Lake, tmp_path: Path, folder: str) -> None:
    shutil.copytree(lake.root, tmp_path / folder / "lake", symlinks=True)
    with pytest.raises(FleetError, match="which the database reads as a pattern of other names"):
        open_fleet([f"east={tmp_path}/{folder}/lake"])


@pytest.mark.parametrize("given", ["", "east=", "s3://"])
def test_a_lake_without_a_place_is_refused(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FleetError, match=r"names no place|has no open tables|names no bucket"):
        read(given)


def test_a_lake_is_called_after_its_folder_also_by_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "north" / "app").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "north" / "app")
    assert list(named_lakes(["../lake"])) == ["north"]


NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9_-]{0,40}", fullmatch=True), min_size=1, max_size=8, unique=True)


@settings(max_examples=2)
@example(["l1-account_00", "l1_account_00", "l1_account-00", "l1--account", "l1-_account", "select", "a-", "a" * 41])
@given(NAMES)
def test_a_lake_is_asked_by_every_name_that_is_allowed(made: Lake, names: list[str]) -> None:
    given = [f"{name}={made.root}" for name in names]
    with open_fleet(given) as fleet, duckdb.connect() as printed:
        for each in statements("duckdb", read(*given)):
            printed.execute(each.sql)
        for connection in (fleet.connection, printed):
            found = connection.sql("select lake, count(*) from dim_targets group by all").fetchall()
            assert sorted(found) == sorted((name, len(EAST)) for name in names)
        ((days,),) = fleet.connection.execute("select count(*) from meta_runs where lake = $1", [names[-1]]).fetchall()
        assert days == len(DAYS)
    spark = statements("spark", read(*given))
    # a lake's name is a value everywhere; Spark refuses hyphens in the names of tables
    assert all(each.name.replace("_", "").isalnum() for each in spark)
    assert all(sum(f"(lake = '{name}') " in each.sql for each in spark) == len(tables_read()) for name in names)


@pytest.mark.parametrize("engine", DIALECTS)
def test_lakes_that_are_alike_add_no_statement(made: Lake, engine: str) -> None:
    one, many = (statements(engine, read(*(f"l{n}={made.root}" for n in range(count)))) for count in (1, 20))
    assert [each.name for each in many] == [each.name for each in one]
    # DuckDB looks at the first file of a list when a view is created, so each list of files is written once
    assert max(each.sql.count("read_parquet(") for each in many) == (engine == "duckdb")


def test_no_table_that_spark_drops_owns_the_files_of_a_lake(made: Lake) -> None:
    created = [each.sql for each in statements("spark", read(made.root)) if each.sql.startswith("CREATE TABLE")]
    assert len(created) == len(tables_read())
    # Spark deletes the files of all partitions together with a table that has no LOCATION of its own
    assert all(re.search(r"^LOCATION '", sql, re.MULTILINE) for sql in created)
