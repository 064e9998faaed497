"""`pulltasks query`: one statement that reads, shown as a terminal can hold it, written whole to wherever it shall go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from desk import Desk
from pulltasks.cli.query import columns_that_fit, table_lines
from sampling import sampled
from terminals import PULLTASKS, on_a_terminal

if TYPE_CHECKING:
    pass

WIDE = (
    "select range as number, "
    + ", ".join(f"'a text 频道 {n}' || range as c{n}" for n in range(49))
    + " from range(21000)"
)


def ask(desk: Desk, *arguments: object, said: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(PULLTASKS), "query", *map(str, arguments), "--config", str(desk.config_file)]
    return subprocess.run(command, input=said, capture_output=True, text=True, check=False)


def on_terminal(desk: Desk, columns: int, *arguments: str) -> list[str]:
    _, said = on_a_terminal("query", *arguments, "--config", str(desk.config_file), columns=columns)
    return said.decode().replace("\r\n", "\n").rstrip("\n").split("\n")


@pytest.mark.parametrize("columns", sampled([60, 120, 200], 0))
def test_on_a_terminal_it_fits(three_days: Desk, columns: int) -> None:
    lines = on_terminal(three_days, columns, WIDE)
    assert len(lines) <= 60
    assert max(map(cell_len, lines)) <= columns
    assert "21,000 rows (40 shown), 50 columns" in lines[-1] + lines[-2]
    assert "--all" in lines[-1] + lines[-2]
    assert "number" in lines[0]
    assert "c48" in lines[0]


def test_what_can_be_asked_is_listed_with_arguments_and_an_example_that_runs(three_days: Desk) -> None:
    lines = on_terminal(three_days, 80, "--tables")
    assert max(map(cell_len, lines)) <= 80
    names = [line for line in lines if not line.startswith("  ")]
    assert {"pull_tasks", "rpt_daily_totals", "tasks_scheduled_at(at_time)", "meta_build"} <= set(names)
    place = lines.index("pull_tasks_as_of(as_of_date)")
    assert lines[place + 1] == "  The tasks as known on a date"
    example = " ".join(line.strip() for line in lines[place + 2 : lines.index(names[names.index(lines[place]) + 1])])
    assert example.startswith("select")
    assert ask(three_days, example).returncode == 0
    assert ask(three_days, "--tables").stdout.splitlines() == lines


@pytest.mark.parametrize("beside", [["select 1"], ["--unredacted"], ["--format", "json"], ["-o", "x.csv"]])
def test_the_list_of_tables_takes_nothing_else(three_days: Desk, beside: list[str]) -> None:
    answer = ask(three_days, "--tables", *beside)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "--tables: lists the published tables and takes nothing else" in answer.stderr


def test_a_small_answer_is_shown_whole_and_a_number_stands_to_the_right(three_days: Desk) -> None:
    lines = on_terminal(three_days, 80, "select 'a' as word, 5 as number union all select 'bcd', 12345")
    assert lines[2:4] == ["a          5", "bcd    12345"]
    assert lines[-1] == "2 rows, 2 columns"


def test_all_shows_everything_on_a_terminal(three_days: Desk) -> None:
    lines = on_terminal(three_days, 60, "--all", "select range as n, repeat('x', 200) as x from range(100)")
    assert len(lines) == 102
    assert "x" * 200 in lines[2]


def test_off_a_terminal_all_rows_are_there(three_days: Desk) -> None:
    assert len(ask(three_days, "select range as n from range(5000)").stdout.splitlines()) == 5002


def test_the_text_comes_from_a_file_or_from_standard_input(three_days: Desk, tmp_path: Path) -> None:
    file = tmp_path / "question.sql"
    file.write_text("\ufeff-- how many\nselect 41 + 1 as n;\n", encoding="utf-8")
    for answer in (ask(three_days, "-f", file), ask(three_days, "-", said=file.read_text(encoding="utf-8-sig"))):
        assert (answer.returncode, answer.stdout.split()[-1]) == (0, "42")
    for arguments in (("select 1", "-f", file), (), ("-f", tmp_path / "none.sql")):
        answer = ask(three_days, *arguments)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert answer.stderr.startswith("pulltasks: ")


@pytest.mark.parametrize("name", ["rows.csv", "rows.json", "rows.parquet", "rows.txt"])
def test_the_rows_go_to_a_file_whose_name_says_how(three_days: Desk, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    answer = ask(three_days, "from dim_targets", "-o", output)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    kind = {"rows.csv": b"target_name,", "rows.json": b"[", "rows.parquet": b"PAR1", "rows.txt": b"target_name "}[name]
    assert output.read_bytes().startswith(kind)


@pytest.mark.parametrize(
    ("name", "before"),
    sampled(product(["rows.csv", "rows.json", "rows.parquet", "rows.txt"], [None, 0o644, 0o600]), 0, 1, 2, 4, 7, 10),
)
def test_a_file_that_shows_secrets_is_for_its_owner_alone(
    three_days: Desk, tmp_path: Path, name: str, before: int | None
) -> None:
    output = tmp_path / name
    if before is not None:
        output.touch()
        output.chmod(before)
    assert ask(three_days, "from pull_tasks", "--unredacted", "-o", output).returncode == 0
    assert output.stat().st_mode & 0o777 == 0o600
    assert ask(three_days, "from dim_targets", "-o", output).returncode == 0
    umask = os.umask(0)
    os.umask(umask)
    assert output.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_query_that_fails_leaves_the_file_as_it_was(three_days: Desk, tmp_path: Path) -> None:
    output = tmp_path / "rows.csv"
    output.write_text("before")
    assert ask(three_days, "select * from nothing", "-o", output).returncode == 2
    assert output.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_a_spreadsheet_gets_every_character_and_runs_no_cell(three_days: Desk) -> None:
    sql = "select '频道' as a, '=1+1' as b, '-2' as c, -2 as d, ['x', '@y'] as e, null as f, '@z' as g, date '2026-11-17' as h"
    answer = subprocess.run(
        [PULLTASKS, "query", sql, "--excel", "--config", three_days.config_file], capture_output=True, check=True
    )
    header, row = answer.stdout.decode("utf-8-sig").splitlines()
    assert answer.stdout.startswith(b"\xef\xbb\xbf")
    assert header == "a,b,c,d,e,f,g,h"
    assert row == '频道,\'=1+1,\'-2,-2,"[""x"", ""@y""]",,\'@z,2026-11-17'


def test_plain_csv_is_what_the_database_writes(three_days: Desk) -> None:
    assert ask(three_days, "select '=1+1' as a, ['x'] as b", "--format", "csv").stdout == "a,b\n=1+1,[x]\n"


def test_the_tidy_tables_cannot_be_written_where_they_may_be_read(three_days: Desk, tmp_path: Path) -> None:
    file = next(three_days.lake.tidy.rglob("*.parquet"))
    before = file.read_bytes()
    answer = ask(three_days, f"copy (select 1) to '{file}'", "--unredacted")
    assert (answer.returncode, file.read_bytes()) == (2, before)
    assert json.loads(
        ask(three_days, "select count(*) as n from pull_tasks", "--unredacted", "--format", "json").stdout
    )[0]["n"]


def test_every_width_is_kept_whatever_the_cells_hold() -> None:
    header, row = ["a" * 30, "频道" * 20, "n", "x"], ["", "字" * 100, "1", "y" * 500]
    for width in range(12, 200):
        shown = columns_that_fit(header, [row], width)
        lines = table_lines(
            [header[n] for n in shown], ["VARCHAR"] * len(shown), [[row[n] for n in shown]], width,
            None if len(shown) == 4 else 1,
        )  # fmt: skip
        assert max(map(cell_len, lines)) <= width


def test_the_shell_opens_the_published_file_or_says_what_is_missing(
    three_days: Desk, monkeypatch, tmp_path: Path
) -> None:
    program = tmp_path / "duckdb"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    command = [str(PULLTASKS), "shell", "--config", str(three_days.config_file)]
    found = subprocess.run(
        command, env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert f"attach '{three_days.lake.published.resolve()}' as pulltasks (read_only)" in found.stdout
    missing = subprocess.run(command, env=os.environ | {"PATH": "/none"}, capture_output=True, text=True, check=False)
    assert (missing.returncode, "pulltasks[shell]" in missing.stderr) == (2, True)


QUERY = "select region, count(*) as tasks from dim_pull_tasks group by all order by all"


def test_query_shows_rows_in_four_formats(published: Desk, command, tmp_path: Path) -> None:
    (_, singapore), (_, beijing) = expected = [("ap-southeast-3", 120), ("cn-north-4", 250)]
    assert singapore
    assert beijing
    _, out, _ = command("query", QUERY, "--config", published.config_file, "--format", "csv")
    header, *lines = out.splitlines()
    assert header == "region,tasks"
    counts = {line.split(",")[0]: int(line.split(",")[1]) for line in lines}
    assert counts.keys() == dict(expected).keys()
    _, out, _ = command("query", QUERY + ";", "--config", published.config_file, "--format", "json")
    assert {row["region"]: row["tasks"] for row in json.loads(out)} == counts
    _, out, _ = command("query", QUERY, "--config", published.config_file)
    assert all(str(count) in out for count in counts.values())
    answer = subprocess.run(
        [PULLTASKS, "query", QUERY, "--config", published.config_file, "--format", "parquet"],
        capture_output=True,
        check=True,
    )
    (tmp_path / "rows.parquet").write_bytes(answer.stdout)
    import duckdb

    assert dict(duckdb.sql(f"from '{tmp_path}/rows.parquet'").fetchall()) == counts


HOLDER = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); c.sql('from dim_targets').fetchall(); print('held', flush=True); sys.stdin.readline()"


def test_query_works_while_others_hold_and_publish_the_warehouse(desk: Desk, begin, command) -> None:
    day = datetime.now(UTC).date()
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
            code, out, _ = command("query", "select through_date from meta_build", "--config", file, "--format", "csv")
            answers.add((code, out.split()[-1]))
        assert publisher.returncode == 0
        code, out, _ = command("query", "select through_date from meta_build", "--config", file, "--format", "csv")
        holder.communicate("\n")
    assert (code, out.split()[-1]) == (0, str(day))
    assert answers <= {(0, str(day - timedelta(days=1))), (0, str(day))}
    assert answers
