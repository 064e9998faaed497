"""The command line and Dagster do the same: in ten situations they leave the same lake, rows, words and alarms."""

from __future__ import annotations

import errno
import re
import shutil
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dagster as dg
from dagster_runs import definitions, failure_of, run_day
from desk import BEIJING, SINGAPORE, Desk, copied
from log_lines import without_log
from pulltasks.cli import main as cli
from pulltasks.lake.manifests import stale_dates
from pulltasks.lake.parquet import TidyWriter
from pulltasks.run.order import snapshot
from pulltasks.run.report import NO_WIDTH
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.replies import Reply
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.warehouse.read.published import open_published
from webhook_server import Webhook, listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

    from pulltasks.sandbox.data import Place

# Dagster's own code warns on its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SNAPSHOT_UNIT = Path(__file__).parent.parent.parent / "deploy" / "systemd" / "pulltasks-snapshot.service"
# The ends of three months, and a day after them.
MONTHS = [date(2026, 1, 31), *(date(2026, month, day) for month, day in ((2, 1), (2, 28), (3, 1), (3, 31), (4, 1)))]
LATE = date(2026, 10, 29)
BEFORE = (date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 1))
DAY = date(2026, 11, 2)
# Columns that differ from run to run, whoever drives it.
VOLATILE = re.compile(
    r"capture_id|_at$|request_id|built|build_id|sha256|message|rules|words|duration_seconds|run_id|verb"
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Three days, the month of the first two closed; so many tasks that losing them is doubted."""
    sandbox = Sandbox((replace(BEIJING, task_count=60), replace(SINGAPORE, task_count=5)))
    with serving(sandbox) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUAWEICLOUD_SDK_AK", AccessKey().ak)
        patch.setenv("HUAWEICLOUD_SDK_SK", AccessKey().sk)
        desk = Desk(sandbox, url, tmp_path_factory.mktemp("prepared"), sandbox.places)
        for day in BEFORE:
            snapshot(desk.settings, day, desk.clock, simulated=True)
        yield desk


@pytest.fixture(scope="module")
def late(made_once) -> Iterator[Path]:
    """The raw files of a day before these."""
    with made_once(LATE) as desk:
        yield desk.lake.targets_file(LATE).parent


@dataclass
class Situation:
    """What a situation is made with."""

    desk: Desk
    patch: pytest.MonkeyPatch
    late: Path
    stack: ExitStack


def all_well(_: Situation) -> None:
    """Nothing is wrong."""


def refused(situation: Situation) -> None:
    situation.patch.setenv("HUAWEICLOUD_SDK_SK", "wrong")


def incomplete(situation: Situation) -> None:
    situation.desk.sandbox.faults[SINGAPORE.project_id, None] = "capped"
    situation.desk.sandbox.faults[BEIJING.project_id, None] = "unavailable"


def held(situation: Situation) -> None:
    """A target shows three of its tasks, says that these are all, and tells nothing of the others when asked by id."""
    sandbox = situation.desk.sandbox
    rows, page = sandbox._rows, sandbox._page

    def few(place: Place, day: date) -> list:
        return rows(place, day)[: 3 if place.project_id == BEIJING.project_id else None]

    def vague(request: Request, project_id: str) -> Reply:
        found = page(request, project_id)
        return Reply(404, b'{"error_code":"APIGW.0101"}') if "task_id" in request.query_params else found

    situation.patch.setattr(sandbox, "_rows", few)
    situation.patch.setattr(sandbox, "_page", vague)


def out_of_time(situation: Situation) -> None:
    situation.desk.extra = "max_run_minutes = 0.01\n" + situation.desk.extra
    situation.patch.setattr(situation.desk.sandbox, "latency_seconds", 2)


def a_damaged_earlier_day(situation: Situation) -> None:
    lake = situation.desk.lake
    raw = lake.raw_file(BEFORE[-1], BEIJING.project_id, BEIJING.region)
    raw.write_bytes(raw.read_bytes()[:-9])
    lake.manifest_file(BEFORE[-1]).unlink()


def a_closed_month_reopened(situation: Situation) -> None:
    shutil.copytree(situation.late, situation.desk.lake.raw / situation.late.name)


def a_page_that_cannot_be_written(situation: Situation) -> None:
    situation.desk.lake.dashboard.unlink(missing_ok=True)
    situation.desk.lake.dashboard.mkdir(parents=True)


def a_full_disk(situation: Situation) -> None:
    def full(_: TidyWriter) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    situation.patch.setattr(TidyWriter, "finish", full)


def a_lock_that_is_held(situation: Situation) -> None:
    situation.stack.enter_context(situation.desk.lake.lock())


SITUATIONS = [refused]
# Likewise, with the long simulations.
OTHERS = [
    a_damaged_earlier_day,
    a_page_that_cannot_be_written,
    all_well,
    incomplete,
    held,
    out_of_time,
    a_closed_month_reopened,
    a_full_disk,
    a_lock_that_is_held,
]


@dataclass
class Left:
    """What a run left: whether it was well, files, rows, what was said, alarms."""

    is_well: bool
    files: list[str]
    stale: list[date]
    months: list[date]
    tables: dict[str, list]
    said: str
    alarms: set[tuple]


@contextmanager
def made(
    situation: Callable[[Situation], None], prepared: Desk, folder: Path, late: Path
) -> Iterator[tuple[Desk, Webhook]]:
    """A desk in a situation of its own, and the webhook that its alarms go to."""
    folder.mkdir()
    desk = copied(prepared, folder)
    desk.extra = "[dashboard]\nenabled = true\n"
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch, listening() as webhook:
        patch.setenv("PULLTASKS_ALERTS__WEBHOOK", webhook.address)
        situation(Situation(desk, patch, late, stack))
        try:
            yield desk, webhook
        finally:
            desk.sandbox.faults.clear()


def left(desk: Desk, webhook: Webhook, said: str, *, is_well: bool) -> Left:
    lake = desk.lake
    files = [path.relative_to(lake.root) for path in lake.root.rglob("*") if path.is_file()]
    builds = [path for path in files if path.parts[0] in {"warehouse", "bases"}]
    with open_published(lake) as connection:
        columns = connection.execute(
            "select table_name, column_name from duckdb_columns() where database_name = current_database() "
            "and not internal order by all"
        ).fetchall()
        tables: dict[str, list] = {}
        for table, column in columns:
            tables.setdefault(table, []).extend([] if VOLATILE.search(column) else [f'"{column}"'])
        rows = {
            table: connection.execute(f"select {', '.join(names)} from {table} order by all").fetchall()
            for table, names in tables.items()
            if names
        }
    return Left(
        is_well=is_well,
        files=sorted([str(path) for path in files if path not in builds]),
        stale=stale_dates(lake),
        months=lake.compacted_months(),
        tables=rows,
        said=said,
        alarms={
            (alert["kind"], str(alert["target"]), alert["snapshot_date"], without_requests(alert["text"], lake.root))
            for message in webhook.messages
            for alert in message["alerts"]
        },
    )


def without_requests(text: str, root: Path) -> str:
    """A text without what differs from run to run."""
    return re.sub(r", request [0-9a-f-]+|[0-9.]+ h\b|\d\d:\d\d", "…", text).replace(str(root), "LAKE")


def by_command(desk: Desk, webhook: Webhook, capfd: pytest.CaptureFixture[str]) -> Left:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pulltasks.cli.output.width", lambda: NO_WIDTH)
        patch.setattr(
            sys,
            "argv",
            ["pulltasks", "snapshot", "--simulated-date", str(DAY), "--config", str(desk.config_file)],
        )
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
    out, err = capfd.readouterr()
    said = f"{out}\n{without_log(err)}"
    return left(desk, webhook, without_requests(said, desk.lake.root), is_well=ended.value.code == 0)


def by_dagster(desk: Desk, webhook: Webhook, instance: dg.DagsterInstance) -> Left:
    result = run_day(desk, DAY, instance=instance)
    said = [entry.user_message for entry in instance.all_logs(result.run_id) if entry.level == 30]
    said += [] if result.success else [failure_of(result).message]
    name = "alert_on_success" if result.success else "alert_on_failure"
    (ended,) = [
        event
        for event in (entry.dagster_event for entry in instance.all_logs(result.run_id))
        if event and event.event_type in {dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS}
    ]
    context = dg.build_run_status_sensor_context(
        sensor_name=name,
        dagster_event=ended,
        dagster_instance=instance,
        dagster_run=instance.get_run_by_id(result.run_id),
    )
    definitions(desk).resolve_sensor_def(name)(context if result.success else context.for_run_failure())
    return left(desk, webhook, without_requests("\n".join(said), desk.lake.root), is_well=result.success)


# What only the command line says: what was published, and how many targets its list leaves out.
OF_THE_COMMAND = re.compile(r"published |the page is |\d+ targets? complete \(`pulltasks status --all`|$")


def sentences(said: str) -> set[str]:
    """What was said beside that, and beside the number of tasks and requests behind that of targets."""
    texts = {line.strip().removeprefix("pulltasks: ").removeprefix("warning: ") for line in said.splitlines()}
    return {re.sub(r"; \d+ tasks?, \d+ requests? sent$", "", text) for text in texts if not OF_THE_COMMAND.match(text)}


@pytest.mark.parametrize(
    "situation",
    [*SITUATIONS, *(pytest.param(each, marks=pytest.mark.slow) for each in OTHERS)],
    ids=lambda each: each.__name__,
)
def test_both_leave_the_same(
    situation: Callable[[Situation], None], prepared: Desk, late: Path, tmp_path: Path, capfd
) -> None:
    with made(situation, prepared, tmp_path / "command", late) as (desk, webhook):
        command = by_command(desk, webhook, capfd)
    with (
        made(situation, prepared, tmp_path / "dagster", late) as (desk, webhook),
        dg.DagsterInstance.ephemeral() as instance,
    ):
        dagster = by_dagster(desk, webhook, instance)
    assert dagster.is_well == command.is_well == (situation in {all_well, a_closed_month_reopened})
    assert dagster.files == command.files
    assert (dagster.stale, dagster.months) == (command.stale, command.months)
    assert dagster.tables == command.tables
    assert dagster.alarms == command.alarms
    assert bool(command.alarms) == (not command.is_well)
    if not command.is_well:
        assert sentences(dagster.said) == sentences(command.said)


def test_three_months_end_alike_by_the_units_command_and_by_dagsters_job(tmp_path: Path, command) -> None:
    """Each way does every duty: months are closed, and raw files are removed when they are old."""
    unit = re.search(r"^ExecStart=\S+/pulltasks (.+)$", SNAPSHOT_UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert unit

    def by_unit(desk: Desk, day: date) -> None:
        code, _, err = command(*unit[1].split(), "--config", desk.config_file, "--simulated-date", day)
        assert code == 0, err

    def by_job(desk: Desk, day: date) -> None:
        assert run_day(desk, day).success

    sandbox = Sandbox((replace(BEIJING, task_count=6), replace(SINGAPORE, task_count=3)))
    found = []
    with serving(sandbox) as url, listening() as webhook:
        first = Desk(sandbox, url, tmp_path, sandbox.places, extra="[lake]\nkeep_raw_days = 20\n")
        by_unit(first, MONTHS[0])
        for run in (by_unit, by_job):
            (tmp_path / run.__name__).mkdir()
            desk = copied(first, tmp_path / run.__name__)  # with the same key for fingerprints
            for day in MONTHS[1:]:
                run(desk, day)
            assert desk.lake.compacted_months() == [date(2026, month, 1) for month in (1, 2, 3)]
            assert desk.lake.raw_dates() == MONTHS[-2:]
            assert desk.lake.tidy_dates() == MONTHS
            found.append(left(desk, webhook, "", is_well=True))
            by_unit(desk, MONTHS[-1])  # removes the days that the last month's file replaces
            before = files_of(desk)
            by_unit(desk, MONTHS[-1])
            assert files_of(desk) - before == {line for line in files_of(desk) if line[0] == "runs.ndjson"}
    assert found[0] == found[1]


def files_of(desk: Desk) -> set[tuple[str, bytes]]:
    """The lake's files, but for its lock."""
    root = desk.lake.root
    paths = [path for path in root.rglob("*") if path.is_file() and path.name != ".lock"]
    return {(str(path.relative_to(root)), path.read_bytes()) for path in paths}
