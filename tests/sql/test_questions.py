"""Questions of an analyst, asked through the names alone: in SQL, pandas and Arrow, which Polars reads as it is.

Each number is the one that the tidy Parquet files give by other means: by pandas alone, without any model.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from desk import BEIJING, DAYS, SINGAPORE, Desk
from pulltasks import open_warehouse, tidy_files
from pulltasks.dashboard.contents import read_contents
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.settings import Limits
from pulltasks.warehouse.read.published import open_published

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pulltasks import Warehouse

# All complete; Singapore refused; Beijing incomplete; no run; all complete.
CALENDAR = DAYS[:5]
LAST = CALENDAR[-1]
TWENTY = datetime(2026, 11, 20, 20)
KEY = ["project_id", "region", "task_id"]
HOUR = timedelta(hours=1)


class Tidy:
    """The tidy tables as pandas reads them, and the few ideas that the numbers below need."""

    def __init__(self, desk: Desk) -> None:
        def read(table: str) -> pd.DataFrame:
            files = tidy_files(table, CALENDAR[0], LAST, desk.lake.root)
            return pd.concat(pd.read_parquet(file, partitioning=None) for file in files)

        self.rows, self.captures, self.urls = (
            read(table) for table in ("pull_tasks", "captures", "pull_task_source_urls")
        )

    @cached_property
    def listed(self) -> pd.DataFrame:
        """What complete captures listed."""
        return self.rows[self.rows["capture_complete"]]

    @cached_property
    def now(self) -> pd.DataFrame:
        newest = self.listed.groupby("project_id")["snapshot_date"].transform("max")
        return self.listed[self.listed["snapshot_date"] == newest]

    def complete_days(self, project: str) -> list[date]:
        of_target = self.captures[(self.captures["project_id"] == project) & (self.captures["verdict"] == "complete")]
        return sorted(of_target["snapshot_date"])

    @cached_property
    def statuses(self) -> dict[tuple, dict[date, str]]:
        """The status of each task on each day that is known."""
        found: dict[tuple, dict[date, str]] = {}
        for row in self.listed.itertuples():
            found.setdefault((row.project_id, row.region, row.task_id), {})[row.snapshot_date] = row.status
        return found

    def pairs(self) -> Iterator[tuple[date, tuple, str | None, str | None]]:
        """Day, task, and its status before and after, for each two complete days of a target that follow each other."""
        for task, known in self.statuses.items():
            days = self.complete_days(task[0])
            for before, after in pairwise(days):
                yield after, task, known.get(before), known.get(after)

    def totals(self) -> dict[date, tuple[int | None, int | None]]:
        count = self.listed.groupby(["snapshot_date", "project_id"]).size()
        found = {}
        for day in CALENDAR:
            known, last = [], []
            for place in (BEIJING, SINGAPORE):
                days = [each for each in self.complete_days(place.project_id) if each <= day]
                (known if days[-1] == day else last).append(int(count[days[-1], place.project_id]))
            found[day] = (sum(known) if known else None, sum(last) if last else None)
        return found

    def came_and_went(self) -> dict[date, tuple[int, int]]:
        seen: set[tuple] = set()
        found = {day: [0, 0] for place in (BEIJING, SINGAPORE) for day in self.complete_days(place.project_id)[1:]}
        for day, task, before, after in sorted(self.pairs(), key=lambda pair: pair[0]):
            if before is not None:
                seen.add(task)
                found[day][1] += after is None
            elif after is not None:
                found[day][0] += task not in seen
        return {day: (added, removed) for day, (added, removed) in found.items()}

    def days_in_status(self) -> dict[str, int]:
        total: Counter[str] = Counter()
        for task, known in self.statuses.items():
            days = self.complete_days(task[0])
            for day, until in zip(days, [*days[1:], LAST + timedelta(days=1)], strict=True):
                if day in known:
                    total[known[day]] += (until - day).days
        return dict(total)

    def lives(self) -> tuple[int, int]:
        """The number of tasks that have ended, and the days from their first to their last, in all."""
        current = set(self.now[KEY].itertuples(index=False, name=None))
        ended = [task for task in self.statuses if task not in current]
        last = self.rows.groupby(KEY)["snapshot_date"].max()
        return len(ended), sum((last[task] - min(self.statuses[task])).days for task in ended)

    def hosts(self) -> dict[str, int]:
        mine = self.now[[*KEY, "snapshot_date"]].merge(self.urls[self.urls["role"] == "primary"])
        hosts = mine.assign(host=[urlsplit(url).hostname for url in mine["url"]])
        return dict(Counter(hosts.drop_duplicates([*KEY, "host"])["host"]))

    def without_backup(self) -> int:
        backups = self.urls[(self.urls["role"] == "backup") & self.urls["url"].fillna("").ne("")]
        return len(self.now) - len(self.now.merge(backups[[*KEY, "snapshot_date"]].drop_duplicates()))

    def covering(self, begin: datetime, end: datetime) -> int:
        starts, ends = self.now["start_time"], self.now["end_time"]
        return int(((starts.isna() | (starts < end)) & (ends.isna() | (ends > begin))).sum())

    def hours(self) -> dict[datetime, int]:
        begins = [datetime(2026, 11, 20) + n * HOUR for n in range(24)]
        return {begin: found for begin in begins if (found := self.covering(begin, begin + HOUR))}


def per(frame: pd.DataFrame, column: str) -> dict:
    return {key: int(count) for key, count in frame[column].value_counts().items()}


def counted(table: pa.Table, column: str) -> dict:
    found = table.group_by(column).aggregate([([], "count_all")])
    return dict(zip(found[column].to_pylist(), found["count_all"].to_pylist(), strict=True))


def by_day(frame: pd.DataFrame, *columns: str) -> dict:
    rows = frame.dropna(subset=list(columns), how="all").astype(object)
    return {
        day.date(): tuple(None if pd.isna(cell) else int(cell) for cell in cells)
        for day, *cells in rows[["snapshot_date", *columns]].itertuples(index=False)
    }


def by_day_in(table: pa.Table, *columns: str) -> dict:
    rows = zip(table["snapshot_date"].to_pylist(), *(table[name].to_pylist() for name in columns), strict=True)
    return {day: tuple(cells) for day, *cells in rows if any(cell is not None for cell in cells)}


def tasks(warehouse: Warehouse) -> SimpleNamespace:
    return SimpleNamespace(df=warehouse.df("from pull_tasks"), arrow=warehouse.arrow("from pull_tasks"))


LOAD = "from rpt_schedule_load where cast(hour_start as date) = date '2026-11-20'"
AT_TWENTY = f"from tasks_scheduled_at(timestamp '{TWENTY}')"
PAST = f"from pull_tasks_as_of(date '{DAYS[1]}') where target_name = 'singapore'"
DURATIONS = "from pull_tasks where start_time is not null and end_time is not null"

# For each question its SQL, the same in pandas, in Arrow, and from the tidy files.
QUESTIONS: dict[str, tuple[str, Any, Any, Any]] = {
    "how many tasks are there now": (
        "select count(*) from pull_tasks",
        lambda w: len(tasks(w).df),
        lambda w: tasks(w).arrow.num_rows,
        lambda t: len(t.now),
    ),
    "how many of each status": (
        "select status, count(*) from pull_tasks group by all",
        lambda w: per(tasks(w).df, "status"),
        lambda w: counted(tasks(w).arrow, "status"),
        lambda t: per(t.now, "status"),
    ),
    "how many of each source type": (
        "select source_type, count(*) from pull_tasks group by all",
        lambda w: per(tasks(w).df, "source_type"),
        lambda w: counted(tasks(w).arrow, "source_type"),
        lambda t: per(t.now, "source_type"),
    ),
    "how many on each day": (
        "select snapshot_date, tasks_known, tasks_last_known from rpt_daily_totals",
        lambda w: by_day(w.df("from rpt_daily_totals"), "tasks_known", "tasks_last_known"),
        lambda w: by_day_in(w.arrow("from rpt_daily_totals"), "tasks_known", "tasks_last_known"),
        lambda t: t.totals(),
    ),
    "how many came and went on each day": (
        "select snapshot_date, tasks_added, tasks_removed from rpt_daily_changes where targets_compared > 0",
        lambda w: by_day(w.df("from rpt_daily_changes"), "tasks_added", "tasks_removed"),
        lambda w: by_day_in(w.arrow("from rpt_daily_changes"), "tasks_added", "tasks_removed"),
        lambda t: t.came_and_went(),
    ),
    "which task changes its status most": (
        "select task_id, count(*) from fct_pull_task_changes where field = 'status' group by all",
        lambda w: per(w.df("from fct_pull_task_changes where field = 'status'"), "task_id"),
        lambda w: counted(w.arrow("from fct_pull_task_changes where field = 'status'"), "task_id"),
        lambda t: dict(Counter(task[2] for _, task, old, new in t.pairs() if None not in (old, new) and old != new)),
    ),
    "how long do tasks stay in a status": (
        "select status, sum(days) from fct_status_spells group by all",
        lambda w: w.df("from fct_status_spells").groupby("status")["days"].sum().to_dict(),
        lambda w: {
            row["status"]: row["days_sum"]
            for row in w.arrow("from fct_status_spells").group_by("status").aggregate([("days", "sum")]).to_pylist()
        },
        lambda t: t.days_in_status(),
    ),
    "what is scheduled at 20:00": (
        f"select count(*) {AT_TWENTY}",
        lambda w: len(w.df(AT_TWENTY)),
        lambda w: w.arrow(AT_TWENTY).num_rows,
        lambda t: t.covering(TWENTY, TWENTY + timedelta(microseconds=1)),
    ),
    "how many have no backup": (
        "select count(*) from pull_tasks where not has_backup",
        lambda w: int((~tasks(w).df["has_backup"]).sum()),
        lambda w: pc.sum(pc.invert(tasks(w).arrow["has_backup"])).as_py(),
        lambda t: t.without_backup(),
    ),
    "which source hosts are used most": (
        "select host, count(*) from (select unnest(source_hosts) as host from pull_tasks) group by all",
        lambda w: per(tasks(w).df.explode("source_hosts"), "source_hosts"),
        lambda w: dict(Counter(pc.list_flatten(tasks(w).arrow["source_hosts"]).to_pylist())),
        lambda t: t.hosts(),
    ),
    "which hour is the busiest": (
        f"select hour_start, sum(tasks_scheduled) {LOAD} group by all",
        lambda w: {
            hour.to_pydatetime(): int(count)
            for hour, count in w.df(LOAD).groupby("hour_start")["tasks_scheduled"].sum().items()
        },
        lambda w: {
            row["hour_start"]: row["tasks_scheduled_sum"]
            for row in w.arrow(LOAD).group_by("hour_start").aggregate([("tasks_scheduled", "sum")]).to_pylist()
        },
        lambda t: t.hours(),
    ),
    "how many were created in each week": (
        "select isoyear(create_time) * 100 + weekofyear(create_time), count(*) from pull_tasks group by all",
        lambda w: per(weeks(tasks(w).df), "week"),
        lambda w: dict(
            Counter(
                calendar["iso_year"] * 100 + calendar["iso_week"]
                for calendar in pc.iso_calendar(tasks(w).arrow["create_time"]).to_pylist()
            )
        ),
        lambda t: per(weeks(t.now), "week"),
    ),
    "on how many days was a target not complete": (
        "select region, count(*) from fct_target_days where coverage <> 'complete' group by all",
        lambda w: per(w.df("from fct_target_days where coverage <> 'complete'"), "region"),
        lambda w: counted(w.arrow("from fct_target_days where coverage <> 'complete'"), "region"),
        lambda t: {
            place.region: len(CALENDAR) - len(t.complete_days(place.project_id)) for place in (BEIJING, SINGAPORE)
        },
    ),
    "how long are tasks scheduled": (
        f"select cast(quantile_cont(epoch(end_time) - epoch(start_time), 0.5) as bigint) {DURATIONS}",
        lambda w: int((tasks(w).df["end_time"] - tasks(w).df["start_time"]).dt.total_seconds().median()),
        lambda w: int(
            pc.quantile(pc.seconds_between(w.arrow(DURATIONS)["start_time"], w.arrow(DURATIONS)["end_time"]))[0].as_py()
        ),
        lambda t: int((t.now["end_time"] - t.now["start_time"]).dt.total_seconds().median()),
    ),
    "how long did ended tasks live": (
        "select (count(*), sum(last_seen_date - first_seen_date)) from dim_pull_tasks where not is_current",
        lambda w: lived(w.df("from dim_pull_tasks where not is_current")),
        lambda w: lived(w.arrow("from dim_pull_tasks where not is_current").to_pandas(date_as_object=False)),
        lambda t: t.lives(),
    ),
    "what was listed on a day that is not known": (
        f"select state_date, count(*) {PAST} group by all",
        lambda w: {day.date(): count for day, count in per(w.df(PAST), "state_date").items()},
        lambda w: counted(w.arrow(PAST), "state_date"),
        lambda t: per(
            t.listed[(t.listed["snapshot_date"] == DAYS[0]) & (t.listed["region"] == SINGAPORE.region)], "snapshot_date"
        ),
    ),
}


def weeks(frame: pd.DataFrame) -> pd.DataFrame:
    calendar = frame["create_time"].dt.isocalendar()
    return pd.DataFrame({"week": (calendar["year"] * 100 + calendar["week"]).astype("int64")})


def lived(frame: pd.DataFrame) -> tuple[int, int]:
    return len(frame), int((frame["last_seen_date"] - frame["first_seen_date"]).dt.days.sum())


def answer(rows: list[tuple]) -> Any:
    """What a query found: one value, or values by the first column; rows of which nothing is known are left out."""
    if len(rows) == 1 and len(rows[0]) == 1:
        return rows[0][0]
    return {
        first: rest[0] if len(rest) == 1 else tuple(rest)
        for first, *rest in rows
        if any(cell is not None for cell in rest)
    }


@pytest.fixture(scope="module")
def asked(begin_with_gaps, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    sandbox = Sandbox((BEIJING, SINGAPORE))
    with serving(sandbox) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUAWEICLOUD_SDK_AK", AccessKey().ak)
        patch.setenv("HUAWEICLOUD_SDK_SK", AccessKey().sk)
        desk = Desk(sandbox, url, tmp_path_factory.mktemp("questions"), sandbox.places)
        begin_with_gaps(desk)
        yield desk


@pytest.fixture(scope="module")
def tidy(asked: Desk) -> Tidy:
    return Tidy(asked)


@pytest.fixture(scope="module")
def warehouse(asked: Desk) -> Iterator[Warehouse]:
    with open_warehouse(asked.lake.published) as opened:
        yield opened


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_way_to_ask_gives_the_number_of_the_tidy_files(question: str, warehouse: Warehouse, tidy: Tidy) -> None:
    sql, in_pandas, in_arrow, from_tidy = QUESTIONS[question]
    expected = from_tidy(tidy)
    assert expected
    assert answer(warehouse.sql(sql).fetchall()) == expected
    assert in_pandas(warehouse) == expected
    assert in_arrow(warehouse) == expected


def test_the_tasks_of_now_are_the_current_ones_and_not_all(warehouse: Warehouse) -> None:
    columns = [name for name in warehouse.sql("from pull_tasks").columns if name not in ("source_url", "has_backup")]
    chosen = ", ".join(columns)
    now, current = (
        sorted(warehouse.sql(f"select {chosen} from {source}").fetchall(), key=repr)
        for source in ("pull_tasks", "dim_pull_tasks where is_current")
    )
    assert now == current
    ((ever,),) = warehouse.sql("select count(*) from dim_pull_tasks").fetchall()
    assert ever > len(now)


def test_the_totals_are_those_of_the_page(asked: Desk, warehouse: Warehouse) -> None:
    """The page sums in its script, over the targets that are shown; this does the same with what it is given."""
    with open_published(asked.lake) as connection:
        page = read_contents(connection, "UTC", Limits(timedelta(days=1), timedelta(days=2)))
    counts = [[0] * len(page["days"]) for _ in page["targets"]]
    for target, _, _, days, numbers in page["counts"]:
        for day, number in zip(days, numbers, strict=True):
            counts[target][day] += number
    shown, last = {}, [0] * len(page["targets"])
    for place, day in enumerate(page["days"]):
        letters = [text[place] for text in page["coverage"]]
        known = sum(each[place] for each in counts)
        last = [each[place] if letter == "c" else old for each, letter, old in zip(counts, letters, last, strict=True)]
        beside = sum(old for old, letter in zip(last, letters, strict=True) if letter not in "c.")
        complete = letters.count("c")
        shown[day] = (known if complete else None, beside or None, complete, len(letters) - letters.count("."))
    totals = warehouse.sql(
        "select cast(snapshot_date as varchar), tasks_known, tasks_last_known, targets_complete, targets_expected "
        "from rpt_daily_totals"
    ).fetchall()
    assert {day: tuple(rest) for day, *rest in totals} == shown
    assert sorted(shown) == [str(day) for day in CALENDAR]


def test_polars_reads_what_arrow_is_given(warehouse: Warehouse) -> None:
    polars = pytest.importorskip("polars")
    assert len(polars.from_arrow(warehouse.arrow("from pull_tasks"))) == len(warehouse.df("from pull_tasks"))


def test_the_first_columns_are_those_that_are_read_first(warehouse: Warehouse) -> None:
    first = warehouse.sql("from pull_tasks").columns[:9]
    assert first == [
        *("target_name", "task_id", "status", "destination", "start_time", "end_time", "source_type", "source_url"),
        "state_date",
    ]
    for (name,) in warehouse.sql("select name from (from duckdb_tables() select table_name as name)").fetchall():
        columns = warehouse.sql(f"from {name}").columns
        hidden = [n for n, each in enumerate(columns) if each.endswith(("_fingerprint", "_fingerprints", "_raw"))]
        shown = [n for n, each in enumerate(columns) if n not in hidden and each != "content_hash"]
        assert not hidden or min(hidden) > max(shown), name
        if {"target_name", "task_id"} <= set(columns):
            assert columns.index("target_name") + 1 == columns.index("task_id"), name
            assert columns.index("task_id") < columns.index("project_id"), name
