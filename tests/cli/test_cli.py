"""The command line: exit codes, one message for a mistake, nothing written where nothing may be."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from desk import BEIJING, SINGAPORE, Desk, write_config
from pulltasks.cli.account import SANDBOX_FAULTS
from pulltasks.run.report import once
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.data import PLANTED_STREAM_KEY, PLANTED_TOKEN
from pulltasks.sandbox.server import FAULTS, Sandbox, serving
from pulltasks.tables import TABLES

PULLTASKS = Path(sys.executable).with_name("pulltasks")


@pytest.fixture
def run(command):
    """One verb in this process."""
    return command


def today() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def published(desk: Desk, run, once) -> Desk:
    """Today is published, and all was complete."""
    once("cli", desk, lambda: run("snapshot", "--config", desk.config_file))
    return desk


@pytest.fixture
def without_singapore(desk: Desk, run, once) -> Desk:
    """Today is published, and Singapore refuses."""
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    once("cli without Singapore", desk, lambda: run("snapshot", "--config", desk.config_file))
    return desk


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_snapshot_of_today_publishes_and_says_so(desk: Desk, run) -> None:
    code, out, _ = run("snapshot", "--config", desk.config_file)
    assert code == 0
    assert f"{today():%Y-%m-%d}: 2 of 2 targets complete" in out
    assert "published" in out
    code, out, _ = run("status", "--config", desk.config_file)
    assert (code, "2 of 2 targets complete" in out) == (0, True)


def test_status_tells_monitors_and_cron_how_old_the_newest_complete_day_is(published: Desk, run) -> None:
    code, out, _ = run("status", "--config", published.config_file, "--max-age", "26h")
    assert (code, out.count("\n")) == (0, 1)
    assert out == "green: the newest published capture ended 0.0 h ago; 2 of 2 targets complete within 50.0 h\n"
    published.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    run("snapshot", "--config", published.config_file, "--refresh")
    code, out, _ = run("status", "--config", published.config_file, "--max-age", "0m")
    assert (code, out.count("\n"), "longer than 0.0 h" in out) == (3, 1, True)
    code, out, _ = run("status", "--config", published.config_file, "--max-age", "0m", "--format", "json")
    report = json.loads(out)
    assert (code, report["is_good"], report["targets_expected"]) == (3, False, 2)
    assert report["newest_complete_age_seconds"] < 600
    assert {target["name"] for target in report["targets"]} == {"beijing", "singapore"}


def test_status_without_a_complete_day_says_so(without_singapore: Desk, run) -> None:
    code, out, _ = run("status", "--config", without_singapore.config_file, "--max-age", "2d")
    assert (code, out.startswith("red: "), "singapore" in out, "was never complete" in out) == (3, True, True, True)


def test_a_sentence_that_holds_for_many_targets_is_said_once() -> None:
    messages = [(f"t{n}", f"t{n}: HTTP 403 APIGW.0302 (no), request r-{n}; let it") for n in range(50)]
    messages += [("other", "other: another trouble, request r; do that"), ("good", None)]
    assert once(messages) == [
        "50 targets: HTTP 403 APIGW.0302 (no); let it",
        "other: another trouble, request r; do that",
    ]


def test_a_target_that_missed_a_day_is_amber_and_named(desk: Desk, begin, run) -> None:
    begin(desk, (today() - timedelta(days=1)).date())
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    run("snapshot", "--config", desk.config_file)
    code, out, _ = run("status", "--config", desk.config_file, "--max-age", "26h")
    assert (code, out.split(":")[0]) == (0, "amber")
    assert "2 of 2 targets complete within 50.0 h, 1 of them not on" in out
    assert "not complete on" in out.splitlines()[1]
    assert "singapore" in out.splitlines()[1]
    code, _, _ = run("status", "--config", desk.config_file)
    assert code == 3


@pytest.mark.parametrize("text", ["26", "h", "-1h", "1w", "1.5h"])
def test_an_age_that_is_none_is_refused(desk: Desk, run, text: str) -> None:
    code, _, err = run("status", "--config", desk.config_file, "--max-age", text)
    assert (code, f"{text!r} is not a valid duration" in err) == (2, True)


def test_one_refused_target_is_exit_code_3_and_the_other_is_published(desk: Desk, run) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    code, out, _ = run("snapshot", "--config", desk.config_file)
    assert code == 3
    assert "1 of 2 targets complete" in out
    assert "grant live:stream:listPullTask" in out
    code, out, _ = run("status", "--config", desk.config_file)
    assert (code, "failed" in out, "forbidden" in out) == (3, True, True)


def test_yesterday_is_refused_and_nothing_is_written(desk: Desk, run) -> None:
    config_file = desk.config_file
    before = files(desk.folder)
    yesterday = (today() - timedelta(days=1)).date()
    code, out, err = run("snapshot", "--date", yesterday, "--config", config_file)
    assert (code, out) == (2, "")
    assert f"{yesterday} has passed" in err
    assert f"pulltasks rebuild --from {yesterday} --to {yesterday}" in err
    assert files(desk.folder) == before
    assert desk.sandbox.log == []


def test_a_rebuild_from_raw_gives_the_same_bytes(desk: Desk, begin, run) -> None:
    day = (today() - timedelta(days=1)).date()
    begin(desk, day)
    before = {table.name: desk.lake.tidy_file(table.name, day).read_bytes() for table in TABLES}
    for table in TABLES:
        desk.lake.tidy_file(table.name, day).unlink()
    desk.lake.manifest_file(day).unlink()
    asked = len(desk.sandbox.log)
    code, out, _ = run("rebuild", "--from", day, "--to", day, "--config", desk.config_file)
    assert (code, f"rebuilt 1 days from the raw archive: {day}" in out) == (0, True)
    assert {table.name: desk.lake.tidy_file(table.name, day).read_bytes() for table in TABLES} == before
    assert len(desk.sandbox.log) == asked


def test_a_rebuild_without_raw_is_refused(desk: Desk, run) -> None:
    code, _, err = run("rebuild", "--from", "2026-01-01", "--to", "2026-01-31", "--config", desk.config_file)
    assert (code, "no raw archive from 2026-01-01 to 2026-01-31" in err) == (1, True)


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda text: text.replace("[api]", "[api]\npage_sise = 1"), "api.page_sise: there is no such key"),
        (lambda text: text.replace("cn-north-4", "Beijing"), "targets.0.region: 'Beijing' is not a valid region id"),
        (lambda text: text + "sk = 'hush-hush'\n", "a secret must not be in the file"),
        (lambda text: '[lake]\nroot = "/proc/lake"\n' + text, "lake.root: /proc/lake cannot be written"),
        (
            lambda text: text.replace("http://127.0.0.1", "https://no-such-host.invalid"),
            "no-such-host.invalid does not resolve",
        ),
        (
            lambda text: text.replace("[[targets]]", '[auth]\nenv_prefix = "NONE_"\n[[targets]]', 1),
            "set NONE_HUAWEICLOUD_SDK_AK",
        ),
    ],
    ids=["unknown key", "bad region", "secret", "unwritable root", "unresolvable", "no credentials"],
)
def test_a_configuration_mistake_is_one_message_and_exit_code_2(tmp_path: Path, run, break_it, words: str) -> None:
    file = write_config(tmp_path, "http://127.0.0.1:9", BEIJING)
    file.write_text(break_it(file.read_text()))
    code, out, err = run("snapshot", "--config", file)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
    assert "hush-hush" not in err


def test_all_mistakes_are_shown_at_once(tmp_path: Path, run) -> None:
    file = write_config(tmp_path, "http://127.0.0.1:9", BEIJING, BEIJING)
    file.write_text("timezone = 'Mars'\n" + file.read_text().replace("[api]", "[api]\npage_size = 0"))
    _, _, err = run("snapshot", "--config", file)
    assert "2 mistakes in" in err
    file.write_text(write_config(tmp_path, "http://127.0.0.1:9", BEIJING, BEIJING).read_text())
    assert "targets.1: the same project_id and region as targets.0" in run("snapshot", "--config", file)[2]


def test_a_wrong_key_costs_one_request_for_each_of_two_projects_and_is_exit_code_3(
    desk: Desk, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "hush-hush")
    code, out, err = run("snapshot", "--config", desk.config_file)
    assert (code, len(desk.sandbox.log)) == (3, 2)
    assert "credential_refused" in out
    assert "hush-hush" not in out + err


@pytest.mark.parametrize(
    "arguments",
    [
        ("snapshot", "--date", "someday"),
        ("rebuild", "--from", "2026-02-02", "--to", "2026-02-01"),
        ("fly",),
        ("query",),
    ],
)
def test_wrong_usage_is_exit_code_2(desk: Desk, run, arguments: tuple[str, ...]) -> None:
    code, _, err = run(*arguments, *(("--config", desk.config_file) if arguments[0] != "fly" else ()))
    assert (code, bool(err), "Traceback" in err) == (2, True, False)


@pytest.mark.parametrize("verb", ["status", "query"])
def test_nothing_published_is_exit_code_1(desk: Desk, run, verb: str) -> None:
    code, _, err = run(verb, *(("select 1",) if verb == "query" else ()), "--config", desk.config_file)
    assert (code, "run `pulltasks snapshot` first" in err) == (1, True)


def test_a_second_run_on_the_lake_ends_without_touching_anything(desk: Desk, run) -> None:
    desk.lake.prepare()
    config_file = desk.config_file
    with desk.lake.lock():
        before = files(desk.folder)
        code, _, err = run("snapshot", "--config", config_file)
        assert (code, "another run is writing" in err) == (1, True)
        assert files(desk.folder) == before
    assert desk.sandbox.log == []


def test_a_run_writes_the_page_if_the_settings_ask_for_it_and_says_where(published: Desk, run) -> None:
    assert not published.lake.dashboard.exists()
    published.extra = "[dashboard]\nenabled = true\n"
    code, out, _ = run("snapshot", "--config", published.config_file)
    assert (code, f"the page is {published.lake.dashboard}" in out) == (0, True)
    first = published.lake.dashboard.read_bytes()
    day = today().date()
    published.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    run("snapshot", "--config", published.config_file, "--refresh")
    run("rebuild", "--from", day, "--to", day, "--config", published.config_file)
    assert published.lake.dashboard.read_bytes() != first


def test_a_page_that_cannot_be_written_takes_nothing_back_and_is_exit_code_3(desk: Desk, run) -> None:
    desk.extra = "[dashboard]\nenabled = true\n"
    desk.lake.dashboard.mkdir(parents=True)
    code, out, err = run("snapshot", "--config", desk.config_file)
    assert (code, "2 of 2 targets complete" in out, desk.lake.published.exists()) == (3, True, True)
    assert "published, but the page could not be written" in err
    assert "Traceback" not in err


def test_dashboard_writes_the_page_of_what_is_published_and_prints_where(desk: Desk, run) -> None:
    code, out, err = run("dashboard", "--config", desk.config_file)
    assert (code, out, "run `pulltasks snapshot` first" in err) == (1, "", True)
    assert not desk.lake.root.exists()
    run("snapshot", "--config", desk.config_file)
    code, out, _ = run("dashboard", "--config", desk.config_file)
    assert (code, out.strip()) == (0, str(desk.lake.dashboard))
    with desk.lake.lock():
        code, _, err = run("dashboard", "--config", desk.config_file)
    assert (code, "another run is writing" in err) == (1, True)


@pytest.mark.parametrize(("ending", "is_open"), [("exit 0", True), ("exit 1", False)])
def test_dashboard_opens_the_page_or_says_that_it_cannot(
    published: Desk, run, once, tmp_path, ending: str, is_open: bool
) -> None:
    once("cli page", published, lambda: run("dashboard", "--config", published.config_file))
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n{ending}\n')
    browser.chmod(0o755)
    done = subprocess.run(
        [PULLTASKS, "dashboard", "--open", "--config", published.config_file],
        env=os.environ | {"BROWSER": f"{browser} %s", "PATH": "/bin", "DISPLAY": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(published.lake.dashboard))
    assert (tmp_path / "opened").read_text().strip() == published.lake.dashboard.as_uri()
    assert ("no browser could be started" in done.stderr) == (not is_open)


@pytest.mark.parametrize("damage", [b"", b"oops" * 1000])
def test_a_damaged_published_file_keeps_no_day_from_being_captured(published: Desk, run, damage: bytes) -> None:
    published.lake.published.resolve().write_bytes(damage)
    code, out, err = run("snapshot", "--config", published.config_file, "--refresh")
    assert (code, "2 of 2 targets complete" in out) == (0, True)
    assert "could not be opened; rebuilt from the tidy tables" in err
    assert run("status", "--config", published.config_file)[0] == 0


@pytest.mark.parametrize(
    "bytes_a_file",
    [1_000, 100_000, 400_000, *(pytest.param(size, marks=pytest.mark.slow) for size in (20_000, 700_000))],
)
def test_a_disk_that_takes_no_more_is_one_message_and_the_next_run_goes_on(desk: Desk, run, bytes_a_file: int) -> None:
    config_file = desk.config_file
    done = subprocess.run(
        [PULLTASKS, "snapshot", "--config", config_file],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, bytes_a_file)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert "nothing was published" in done.stderr or "what was published is unchanged" in done.stderr, done.stderr
    assert run("snapshot", "--config", config_file)[0] == 0


QUERY = "select region, count(*) as tasks from dim_pull_tasks group by all order by all"


def test_query_shows_rows_in_four_formats(published: Desk, run, tmp_path: Path) -> None:
    (_, singapore), (_, beijing) = expected = [("ap-southeast-3", 120), ("cn-north-4", 250)]
    assert singapore
    assert beijing
    _, out, _ = run("query", QUERY, "--config", published.config_file, "--format", "csv")
    header, *lines = out.splitlines()
    assert header == "region,tasks"
    counts = {line.split(",")[0]: int(line.split(",")[1]) for line in lines}
    assert counts.keys() == dict(expected).keys()
    _, out, _ = run("query", QUERY + ";", "--config", published.config_file, "--format", "json")
    assert {row["region"]: row["tasks"] for row in json.loads(out)} == counts
    _, out, _ = run("query", QUERY, "--config", published.config_file)
    assert all(str(count) in out for count in counts.values())
    answer = subprocess.run(
        [PULLTASKS, "query", QUERY, "--config", published.config_file, "--format", "parquet"],
        capture_output=True,
        check=True,
    )
    (tmp_path / "rows.parquet").write_bytes(answer.stdout)
    import duckdb

    assert dict(duckdb.sql(f"from '{tmp_path}/rows.parquet'").fetchall()) == counts


def test_query_does_not_write(published: Desk, run) -> None:
    code, _, err = run("query", "create table x as select 1", "--config", published.config_file)
    assert (code, "a query reads" in err) == (2, True)


def test_unredacted_reads_the_tidy_tables(published: Desk, run) -> None:
    _, masked, _ = run(
        "query",
        "select push_args, source_urls from dim_pull_tasks",
        "--config",
        published.config_file,
        "--format",
        "csv",
    )
    _, plain, _ = run(
        "query",
        "select push_args from pull_tasks",
        "--config",
        published.config_file,
        "--format",
        "csv",
        "--unredacted",
    )
    assert PLANTED_STREAM_KEY not in masked
    assert PLANTED_TOKEN not in masked
    assert PLANTED_STREAM_KEY in plain


HOLDER = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); c.sql('from dim_targets').fetchall(); print('held', flush=True); sys.stdin.readline()"


def test_query_works_while_others_hold_and_publish_the_warehouse(desk: Desk, begin, run) -> None:
    day = today().date()
    begin(desk, day - timedelta(days=1))
    file = desk.config_file  # written once: the processes below read it at any time
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, desk.lake.published], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        publisher = subprocess.Popen(
            [PULLTASKS, "snapshot", "--config", file], stdout=subprocess.DEVNULL, env=os.environ | {}
        )
        answers = set()
        while publisher.poll() is None:
            code, out, _ = run("query", "select through_date from meta_build", "--config", file, "--format", "csv")
            answers.add((code, out.split()[-1]))
        assert publisher.returncode == 0
        code, out, _ = run("query", "select through_date from meta_build", "--config", file, "--format", "csv")
        holder.communicate("\n")
    assert (code, out.split()[-1]) == (0, str(day))
    assert answers <= {(0, str(day - timedelta(days=1))), (0, str(day))}
    assert answers


def test_the_command_finds_its_models_from_any_folder(desk: Desk, tmp_path: Path) -> None:
    answer = subprocess.run(
        [PULLTASKS, "snapshot", "--config", desk.config_file], cwd="/", capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


HEAVY = {"dagster", "pandas", "pyarrow", "duckdb", "httpx", "sqlglot", "pydantic_settings", "starlette"}


@pytest.mark.parametrize("arguments", [["--help"], ["snapshot", "--help"], ["query", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"import sys; sys.argv = ['pulltasks', *{arguments}]\nfrom pulltasks.cli.main import main\ntry: main()\nexcept SystemExit: pass\nprint(sorted(sys.modules), file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: pulltasks" in answer.stdout
    assert not HEAVY & {name.strip("'[] \n") for name in answer.stderr.split(",")}


def test_the_sandbox_says_how_to_use_it_and_serves_until_it_is_stopped(tmp_path: Path, run) -> None:
    with subprocess.Popen(
        [PULLTASKS, "sandbox", "--port", "0", "--projects", "2", "--tasks", "120"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        greeting = ""
        while "export" not in greeting:
            greeting += server.stdout.readline()
        toml = greeting.split("# pulltasks.toml")[1].split("# in the shell")[0]
        (tmp_path / "pulltasks.toml").write_text(toml)
        assert f"export HUAWEICLOUD_SDK_AK={AccessKey().ak}" in greeting
        code, out, _ = run("snapshot", "--config", tmp_path / "pulltasks.toml")
        server.terminate()
    assert (code, "2 of 2 targets complete" in out) == (0, True)


def test_the_faults_in_the_help_are_those_of_the_sandbox() -> None:
    assert ", ".join(FAULTS) == SANDBOX_FAULTS


@pytest.mark.parametrize("fault", ["nothing", "0001=nothing", "0001@someday=forbidden"])
def test_a_fault_that_is_none_is_refused(run, fault: str) -> None:
    code, _, err = run("sandbox", "--port", "0", "--fault", fault)
    assert (code, f"--fault {fault}" in err) == (2, True)


def test_no_target_configured_by_name_needs_a_word_more(tmp_path: Path, run) -> None:
    sandbox = Sandbox((BEIJING,))
    with serving(sandbox) as url:
        file = write_config(tmp_path, url, BEIJING)
        file.write_text(file.read_text().replace('name = "beijing"\n', ""))
        code, out, _ = run("snapshot", "--config", file)
    assert (code, BEIJING.project_id in out) == (0, True)
