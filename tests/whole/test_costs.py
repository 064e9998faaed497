"""What a run may cost, by counting: requests, decoding, rows, bytes, files, imports, events. Seconds are for bench/."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

import dagster as dg
from dagster_runs import materialised, run_day
from desk import Desk
from pulltasks import masking
from pulltasks.capture.day import TARGETS_AT_ONCE, DayCapture
from pulltasks.huawei import pull_tasks, reading
from pulltasks.lake import strays, tasks
from pulltasks.lake.lake import Lake
from pulltasks.lake.normalise import normalise_day
from pulltasks.run import steps
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import Place
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.tables import TABLES
from pulltasks.warehouse.sql import models

BEFORE, DAY = date(2026, 11, 21), date(2026, 11, 22)
WITH_ALL = "[dashboard]\nenabled = true\n[publish]\ntables = true\n"


def places(count: int, tasks: int) -> tuple[Place, ...]:
    return tuple(Place(f"{n:032x}", "cn-north-4", tasks, name=f"project-{n}") for n in range(count))


def counted(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> list[object]:
    """The first arguments of all calls of a function from now on."""
    calls: list[object] = []
    function = getattr(owner, name)

    def counting(*arguments, **options):
        calls.append(arguments[0])
        return function(*arguments, **options)

    monkeypatch.setattr(owner, name, counting)
    return calls


@pytest.fixture
def big(tmp_path: Path):
    sandbox = Sandbox(places(3, 500))
    with serving(sandbox) as url:
        yield Desk(sandbox, url, tmp_path, sandbox.places)


def test_a_quiet_list_costs_its_pages_and_each_answer_is_read_once_for_its_proof(big: Desk, monkeypatch) -> None:
    read = counted(monkeypatch, pull_tasks, "read_page")
    results = big.capture(DAY)
    pages = sum(1 + -(-(result.task_count - 99) // 95) for result in results)
    assert sum(result.requests for result in results) == pages
    assert sum(path.endswith("/pull/stream/task") for _, path, _, _ in big.sandbox.log) == pages
    assert len(read) == pages


def test_answers_as_documented_are_decoded_once_and_no_task_is_converted_by_itself(big: Desk, monkeypatch) -> None:
    requests = sum(result.requests for result in big.capture(DAY))
    decoded = counted(monkeypatch, reading, "_decode_answer")
    converted = counted(monkeypatch, tasks, "_typed_task")
    normalise_day(big.lake, DAY)
    assert len(decoded) == requests
    assert converted == []


def test_a_capture_masks_nothing_that_is_plain(big: Desk, monkeypatch) -> None:
    masked = counted(monkeypatch, masking, "mask_words")
    big.capture(DAY)
    assert masked == []


def test_tidy_tables_take_few_bytes_a_task(big: Desk) -> None:
    big.capture(DAY)
    tables = normalise_day(big.lake, DAY).manifest.tables
    assert sum(entry.bytes for entry in tables.values()) / tables["pull_tasks"].rows < 160


def test_a_run_puts_each_file_in_its_place_once(big: Desk, monkeypatch) -> None:
    put = counted(monkeypatch, Lake, "put")
    big.run(DAY)
    # the list of targets, a capture each, a file a table, the manifest, the key, its checksum, the warehouse
    assert len(put) == 1 + len(big.places) + len(TABLES) + 1 + 1 + 1 + 1


def test_a_run_plans_its_build_once_whether_or_not_there_is_something_to_do(big: Desk, monkeypatch) -> None:
    planned = counted(monkeypatch, steps, "plan_build")
    for runs in (1, 2):
        snapshot(big.settings, DAY, big.clock, simulated=True)
        assert len(planned) == runs


@pytest.fixture
def published(small_desk: Desk) -> Desk:
    """Two days are published, with page and open tables."""
    small_desk.extra = WITH_ALL
    for day in (BEFORE, DAY):
        snapshot(small_desk.settings, day, small_desk.clock, simulated=True)
    return small_desk


def files_of(desk: Desk) -> dict[Path, tuple[int, ...]]:
    """All files of the lake, with what a write changes of them."""
    found = ((path, path.lstat()) for path in desk.lake.root.rglob("*") if path.is_symlink() or path.is_file())
    return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in found}


def test_a_run_with_nothing_to_do_writes_its_line_in_the_log_of_runs_and_no_other_file(published: Desk) -> None:
    before = files_of(published)
    result = snapshot(published.settings, DAY, published.clock, simulated=True)
    assert (result.is_complete, result.dashboard) == (True, published.lake.dashboard)
    after = files_of(published)
    assert before.keys() == after.keys()
    assert [path for path in after if after[path] != before[path]] == [published.lake.run_log]


def test_a_run_with_nothing_to_do_reads_each_capture_of_the_day_once_and_hashes_the_raw_files_of_a_month_once(
    published: Desk, monkeypatch
) -> None:
    read = [counted(monkeypatch, strays, name) for name in ("read_capture", "read_header")]
    bytes_read = counted(monkeypatch, Path, "read_bytes")
    snapshot(published.settings, DAY, published.clock, simulated=True)
    of_the_day = published.lake.raw_files(DAY)
    assert [sorted(paths) for paths in read] == [of_the_day, []]
    raw = [path for path in bytes_read if path.suffix == ".zst"]
    assert raw == [*published.lake.raw_files(BEFORE), *of_the_day]


def test_all_models_are_parsed_by_one_query(monkeypatch) -> None:
    parsed = counted(monkeypatch, models, "_parsed")
    found = models.read_models(models.SQL_FOLDER, models.NOTHING_KEPT)
    assert [len(found.in_order)] == [len(texts) for texts in parsed]


def test_few_targets_are_under_way_at_a_time(tmp_path: Path, monkeypatch) -> None:
    under_way, most = 0, 0
    one_capture = DayCapture._capture

    async def counting(*arguments):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await one_capture(*arguments)
        finally:
            under_way -= 1

    monkeypatch.setattr(DayCapture, "_capture", counting)
    sandbox = Sandbox(places(25, 3))
    with serving(sandbox) as url:
        Desk(sandbox, url, tmp_path, sandbox.places, extra="max_concurrency = 1\n").capture(DAY)
    assert most == TARGETS_AT_ONCE


# What a verb may import beyond the standard library, the command line itself and what these bring along.
LIGHT = {"typer", "shellingham", "annotated_doc"}
SETTINGS = {"pydantic", "pydantic_core", "pydantic_settings", "annotated_types", "typing_inspection", "dotenv"}
READING = LIGHT | SETTINGS | {"typing_extensions", "msgspec", "filelock", "rich"}
IDLE = READING | {"pyarrow"}
SENDING = {
    "httpx",
    "httpcore",
    "h11",
    "anyio",
    "certifi",
    "idna",
    "sniffio",
    "click",
    "pygments",
    "zstandard",
    "brotli",
}
SENDING |= {"aiohttp", "aiohappyeyeballs", "aiosignal", "attr", "attrs", "frozenlist", "multidict", "propcache", "yarl"}
SENDING |= {"stamina", "tenacity", "huaweicloudsdkcore", "simplejson", "charset_normalizer", "requests", "urllib3"}
SENDING |= {"six", "dateutil"}
PAGE = {"jinja2", "markupsafe"}
MAY_IMPORT = {
    "--help": LIGHT,
    "status": READING,
    "query": READING,
    "snapshot": IDLE,  # everything is complete and published
    "snapshot --refresh": IDLE | SENDING | PAGE | {"duckdb"},
    "compact": IDLE,
    "dashboard": READING | PAGE,
}
# One process, which forks for each verb before it has imported anything.
LIST_IMPORTS = """
import json, os, sys
found = {}
for verb, arguments in json.loads(sys.argv[1]).items():
    reading, writing = os.pipe()
    if not os.fork():
        sys.argv = ["pulltasks", *arguments]
        from pulltasks.cli.main import command
        try:
            command()
        except SystemExit as end:
            code = end.code
        installed = {
            module.__name__ for name, module in list(sys.modules.items())
            if "." not in name and "site-packages" in (getattr(module, "__file__", None) or "")
        }
        os.write(writing, json.dumps([code or 0, sorted(installed)]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        found[verb] = json.loads(answer.read())
    os.wait()
print(json.dumps(found), file=sys.stderr)
"""


def test_a_verb_imports_no_more_than_it_needs(desk: Desk) -> None:
    desk.extra = WITH_ALL
    snapshot(desk.settings, DAY, desk.clock, simulated=True)
    of_verbs = {"query": ["select 1"], "snapshot": ["--simulated-date", str(DAY)]}
    arguments = {
        verb: [*verb.split(), *of_verbs.get(verb.split()[0], []), "--config", str(desk.config_file)]
        for verb in MAY_IMPORT
        if verb != "--help"
    }
    child = subprocess.run(
        [sys.executable, "-c", LIST_IMPORTS, json.dumps({"--help": ["--help"]} | arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(child.stderr.strip().rpartition("\n")[2])
    for verb, (code, names) in found.items():
        imported = {name for name in names if not name.startswith("_")} - {"pulltasks"}
        assert code in {0, 3}, verb  # 3: the day has passed
        assert "typer" in imported
        assert imported <= MAY_IMPORT[verb], verb


def events_of_a_run(folder: Path, targets: int) -> tuple[int, dg.ExecuteInProcessResult]:
    folder.mkdir()
    sandbox = Sandbox(places(targets, 3))
    with serving(sandbox) as url, dg.DagsterInstance.ephemeral() as instance:
        desk = Desk(sandbox, url, folder, sandbox.places)
        result = run_day(desk, DAY, instance=instance)
        assert result.success
        return len(instance.all_logs(result.run_id)), result


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_run_of_many_targets_leaves_no_event_for_each(tmp_path: Path) -> None:
    few, _ = events_of_a_run(tmp_path / "few", 2)
    many, result = events_of_a_run(tmp_path / "many", 110)
    assert many <= few + 10  # a line of progress for each tenth of the targets
    captured = materialised(result)["raw/captures"]
    assert len(captured.metadata["verdicts"].value.records) == 100
    assert "rpt_snapshot_coverage" in str(captured.metadata["all_verdicts"].value)
