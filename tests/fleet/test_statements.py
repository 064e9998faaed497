"""Many lakes read as one say what one lake of all their targets would say."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from pulltasks import open_fleet
from pulltasks.fleet.statements import LAKE_COLUMN, left_out
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.sql.models import load_models
from three_lakes import ALL, EAST, LAKES, NORTH, SOUTH, archived, days_from, three_lakes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from pulltasks import Warehouse

DAYS = days_from(date(2026, 10, 14), 5)
# What a row says of its lake's own day; nothing over many lakes is summed by it.
OF_ITS_LAKE = {
    name: {"targets_complete", "targets_expected"}
    for name in ("rpt_coverage_gaps", "rpt_data_quality", "rpt_status_vocabulary")
}
MODELS = [m for m in load_models().in_order if m.is_published and m.name not in left_out("duckdb")]
TABLES = [model.name for model in MODELS if not model.arguments]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A single lake of all targets."""
    lake = archived(tmp_path_factory.mktemp("one") / "lake", ALL, DAYS)
    with open_published(lake) as connection:
        yield connection


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Three lakes of some each, of the same days."""
    folder = tmp_path_factory.mktemp("fleet")
    for name, places in LAKES.items():
        archived(folder / name / "lake", places, DAYS)
    with open_fleet([folder / name / "lake" for name in LAKES]) as opened:
        yield opened


def rows(connection: duckdb.DuckDBPyConnection, source: str, columns: list[str]) -> list[tuple]:
    return sorted(connection.sql(f"select {', '.join(columns)} from {source}").fetchall(), key=repr)


def types(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    found = {row[0]: row[1] for row in connection.sql(f"describe select * from {source}").fetchall()}
    found.pop(LAKE_COLUMN, None)
    return found


@pytest.mark.parametrize("name", TABLES)
def test_three_lakes_say_what_one_lake_says(one, fleet: Warehouse, name: str) -> None:
    assert types(fleet.connection, name) == types(one, name)
    columns = [column for column in types(one, name) if column not in OF_ITS_LAKE.get(name, ())]
    expected = rows(one, name, columns)
    assert rows(fleet.connection, name, columns) == expected
    assert expected or name == "rpt_data_quality"


@pytest.mark.parametrize("macro", [model.name for model in MODELS if model.arguments])
def test_macros_take_their_argument_as_in_one_lake(one, fleet: Warehouse, macro: str) -> None:
    for day in (DAYS[0], DAYS[2], DAYS[-1]):
        argument = f"timestamp '{day} 12:00:00'" if macro == "tasks_scheduled_at" else f"date '{day}'"
        source = f"{macro}({argument})"
        assert types(fleet.connection, source) == types(one, source)
        found = rows(fleet.connection, source, list(types(one, source)))
        assert found == rows(one, source, list(types(one, source)))
        assert found


def test_a_day_that_no_lake_knows_is_an_error_here_too(fleet: Warehouse) -> None:
    with pytest.raises(Exception, match=f"is not known: there are {DAYS[0]} to"):
        fleet.as_of(DAYS[0] - timedelta(days=1))


def test_what_no_single_lake_can_see_is_found(fleet: Warehouse) -> None:
    lakes_of = {place.project_id: name for name, places in LAKES.items() for place in places}
    keys = fleet.df("select target_keys from rpt_stream_conflicts")["target_keys"]
    assert any(len({lakes_of[key.partition("/")[0]] for key in each}) > 1 for each in keys)
    lakes = fleet.df(
        f"select url_fingerprint, count(distinct {LAKE_COLUMN}) as lakes from rpt_source_reuse, dim_pull_tasks "
        "where is_current and list_contains(source_fingerprints || backup_source_fingerprints, url_fingerprint) "
        "group by all"
    )["lakes"]
    assert lakes.max() > 1


def test_every_row_names_its_lake(fleet: Warehouse) -> None:
    found = fleet.df(f"select distinct {LAKE_COLUMN}, project_id from dim_pull_tasks order by all")
    assert list(found.itertuples(index=False, name=None)) == sorted(
        (name, place.project_id) for name, places in LAKES.items() for place in places
    )


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Three lakes that differ in days, in what is held and in version."""
    lakes = three_lakes(tmp_path_factory.mktemp("uneven"), DAYS[0], len(DAYS))
    with open_fleet([lake.root for lake in lakes.values()]) as opened:
        yield opened


def test_a_lake_that_has_not_come_to_a_day_is_expected_on_it_and_not_complete(uneven: Warehouse) -> None:
    newest, before = uneven.df("from dim_dates order by snapshot_date desc limit 2").itertuples()
    assert newest.snapshot_date.date() == DAYS[-1] + timedelta(days=1)
    assert newest.targets_expected == before.targets_expected == len(ALL)
    assert newest.targets_complete <= len(NORTH)  # the south is held, the east is late
    assert not newest.is_complete
    covered = uneven.df(
        "select distinct targets_complete, targets_expected from fct_daily_task_counts "
        "where snapshot_date = (select max(snapshot_date) from dim_dates)"
    )
    assert covered.values.tolist() == [[newest.targets_complete, newest.targets_expected]]
    late = uneven.df(
        "select count(*) as tasks, max(state_date) as state_date "
        "from pull_tasks_as_of((select max(snapshot_date) from dim_dates)) where region = 'cn-east-3'"
    )
    assert late["tasks"][0] > 0
    assert late["state_date"][0].date() <= DAYS[-1]


def test_a_lake_of_another_version_has_null_where_it_says_nothing(uneven: Warehouse) -> None:
    found = uneven.df(
        f"select {LAKE_COLUMN}, count(vod_refresh_type) as said, count(vod_start_video_time) as times "
        "from dim_pull_tasks group by all order by all"
    )
    said = dict(zip(found[LAKE_COLUMN], found["said"], strict=True))
    assert said["east"] == 0 < min(said["north"], said["south"])
    assert found["times"].min() > 0
    assert types(uneven.connection, "dim_pull_tasks")["vod_start_video_time"] == "BIGINT"
    assert "of_tomorrow" not in types(uneven.connection, "dim_pull_tasks")
    assert "east" not in set(uneven.df(f"select distinct {LAKE_COLUMN} from rpt_status_vocabulary")[LAKE_COLUMN])


def test_a_target_that_went_from_one_lake_to_another_counts_once(tmp_path) -> None:
    first, moved = EAST
    archived(tmp_path / "old" / "lake", EAST, DAYS[:2])
    archived(tmp_path / "old" / "lake", [first], DAYS[2:4])
    archived(tmp_path / "new" / "lake", [moved], DAYS[3:5])
    with open_fleet([tmp_path / "old" / "lake", tmp_path / "new" / "lake"]) as fleet:
        ((doubled, there),) = fleet.connection.sql(
            f"select count(*) - count(distinct (project_id, region, task_id)), "
            f"count(*) filter (project_id = '{moved.project_id}') "
            f"from pull_tasks_as_of((select max(snapshot_date) from dim_dates))"
        ).fetchall()
        assert (doubled, there > 0) == (0, True)
        keys = fleet.df("select project_id, region from rpt_target_reliability")
        assert len(keys) == len(keys.drop_duplicates()) == len(EAST)
        on_first = fleet.df(f"from pull_tasks_as_of(date '{DAYS[1]}')")
        assert set(on_first["project_id"]) == {place.project_id for place in EAST}


def test_a_target_that_two_lakes_ask_on_one_day_has_one_row_of_that_day(tmp_path) -> None:
    archived(tmp_path / "old" / "lake", SOUTH, DAYS[:2])
    archived(tmp_path / "new" / "lake", SOUTH, DAYS[1:3])
    with open_fleet([tmp_path / "old" / "lake", tmp_path / "new" / "lake"]) as fleet:
        for name, key in (
            ("rpt_snapshot_coverage", "snapshot_date, project_id, region"),
            ("rpt_schedule_load", "project_id, region, hour_start"),
            ("rpt_target_reliability", "project_id, region"),
        ):
            ((rows, keys),) = fleet.connection.sql(f"select count(*), count(distinct ({key})) from {name}").fetchall()
            assert rows == keys > 0, name
        ((most,),) = fleet.connection.sql(
            "select max(times) from (select count(*) as times from fct_pull_task_days group by snapshot_date, task_id)"
        ).fetchall()
        assert most == 2  # once for each lake that lists it


def test_days_to_which_a_lake_has_not_come_are_missing_ones(tmp_path) -> None:
    archived(tmp_path / "a" / "lake", NORTH, DAYS[:4])
    archived(tmp_path / "b" / "lake", SOUTH, DAYS[:2])
    with open_fleet([tmp_path / "a" / "lake", tmp_path / "b" / "lake"]) as fleet:
        last = fleet.df("select max(snapshot_date) as day from dim_dates")["day"][0].date()
        held = fleet.df("select max(snapshot_date) as day from fct_target_days where region = 'ap-southeast-3'")["day"][
            0
        ]
        late = (last - held.date()).days
        assert late > 0
        found = fleet.df(
            "select coverage, verdict_reason, count(*) as days from rpt_snapshot_coverage "
            f"where region = 'ap-southeast-3' and snapshot_date > date '{held.date()}' group by all"
        )
        assert found.values.tolist() == [["missing", "no_run", late]]
        reliability = fleet.df("from rpt_target_reliability where region = 'ap-southeast-3'")
        assert reliability["longest_gap_days"][0] >= late
        assert reliability["last_error_date"][0].date() == last
        spells = fleet.df(
            "select min(days_unknown) as unknown from fct_status_spells where region = 'ap-southeast-3' and to_date is null"
        )
        assert spells["unknown"][0] >= late


def test_every_calendar_day_is_there_though_no_lake_knows_it(tmp_path) -> None:
    first, later = days_from(date(2026, 12, 28), 2), days_from(date(2027, 1, 5), 2)
    archived(tmp_path / "a" / "lake", NORTH, first)
    archived(tmp_path / "b" / "lake", SOUTH, later)
    with open_fleet([tmp_path / "a" / "lake", tmp_path / "b" / "lake"]) as fleet:
        dates = fleet.df("from dim_dates order by snapshot_date")
        begin, end = dates["snapshot_date"].iloc[0], dates["snapshot_date"].iloc[-1]
        assert len(dates) == (end - begin).days + 1
        assert (dates["snapshot_date"].dt.isocalendar().week == dates["iso_week"]).all()
        assert (dates["snapshot_date"].dt.isocalendar().year == dates["iso_year"]).all()
        assert (dates["starts_at"] == dates["snapshot_date"]).all()  # counted in UTC
        between = dates[(dates["snapshot_date"] > "2026-12-29") & (dates["snapshot_date"] < "2027-01-05")]
        assert not between["has_run"].any()
        assert (between["targets_complete"] == 0).all()
        assert (between["targets_expected"] == len(NORTH)).all()
        ((wrong,),) = fleet.connection.sql(
            "select count(*) from rpt_schedule_load where coverage = 'complete' and not is_forecast "
            "and hour_start >= timestamp '2026-12-30' and hour_start < timestamp '2027-01-05'"
        ).fetchall()
        assert wrong == 0


def test_columns_say_what_they_mean_over_many_lakes(fleet: Warehouse) -> None:
    ((silent,),) = fleet.connection.sql(
        "select count(*) from duckdb_columns() where table_name in (select name from (from duckdb_views() select "
        "view_name as name where comment is not null and not internal)) and coalesce(comment, '') = ''"
    ).fetchall()
    assert silent == 0
    said = dict(
        fleet.connection.sql(
            "select table_name, comment from duckdb_columns() where column_name = 'targets_expected'"
        ).fetchall()
    )
    assert "lake only" in said["rpt_coverage_gaps"]
    assert "lake only" in said["meta_runs"]
    assert "lake only" not in said["fct_daily_task_counts"] + said["dim_dates"] + said["rpt_stream_conflicts"]
    assert fleet.tables()["description"].notna().all()
    assert set(fleet.tables()["name"]) == {*(model.name for model in MODELS), "meta_build", "meta_runs"}
