"""`pulltasks fleet status` and `pulltasks sql`: what needs somebody, and an exit code that speaks for all lakes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import duckdb
import pytest

from desk import BEIJING, SINGAPORE, Desk
from pulltasks import open_fleet
from pulltasks.fleet.statements import left_out
from pulltasks.lake.redaction_key import KEY_BYTES
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.server import Sandbox, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLES_ON = "[publish]\ntables = true\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two lakes of one target each, captured today with one redaction key, through the command line's own steps."""
    from pulltasks.run.order import snapshot

    sandbox = Sandbox((replace(BEIJING, task_count=12), replace(SINGAPORE, task_count=9)))
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch, serving(sandbox) as url:
        patch.setenv("HUAWEICLOUD_SDK_AK", AccessKey().ak)
        patch.setenv("HUAWEICLOUD_SDK_SK", AccessKey().sk)
        for name, place in (("beijing", BEIJING), ("singapore", SINGAPORE)):
            (folder / name).mkdir()
            desk = Desk(sandbox, url, folder / name, (place,), extra=TABLES_ON)
            desk.lake.prepare()
            desk.lake.redaction_key.write_text("3d" * KEY_BYTES)
            snapshot(desk.settings, datetime.now(UTC).date(), desk.clock)
        yield folder


@pytest.fixture
def lakes(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "lakes", symlinks=True)
    return tmp_path / "lakes"


def options(folder: Path, *names: str) -> list[str]:
    return [word for name in names or ("beijing", "singapore") for word in ("--lake", str(folder / name / "lake"))]


def version_of(folder: Path) -> Path:
    """The newest version of a lake's open tables."""
    latest = json.loads((folder / "lake" / "published" / "latest.json").read_text())
    return folder / "lake" / "published" / "tables" / latest["version"]


def again(folder: Path, sandbox_faults: dict, place, name: str, day) -> None:
    """Capture a lake once more, on a simulated day."""
    from pulltasks.run.order import snapshot

    sandbox = Sandbox((replace(BEIJING, task_count=12), replace(SINGAPORE, task_count=9)))
    sandbox.faults |= sandbox_faults
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, folder / name, (place,), extra=TABLES_ON, ids=[100])
        snapshot(desk.settings, day, desk.clock, simulated=True)


def test_all_lakes_complete_is_zero(lakes: Path, command) -> None:
    code, out, err = command("fleet", "status", *options(lakes))
    assert (code, out, err) == (0, "green: 2 of 2 targets complete in 2 lakes\n", "")
    _, out, _ = command("fleet", "status", *options(lakes), "--all")
    assert [line.split()[0] for line in out.splitlines()] == [
        "green:",
        "beijing:",
        "singapore:",
        "complete",
        "complete",
    ]
    assert "beijing/beijing" in out


def test_one_target_of_one_lake_that_is_not_complete_is_three(lakes: Path, command) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    again(lakes, {(SINGAPORE.project_id, tomorrow): "forbidden"}, SINGAPORE, "singapore", tomorrow)
    code, out, _ = command("fleet", "status", *options(lakes))
    assert code == 3
    (_, of_lake, _, cause, *_, names, rest) = out.splitlines()
    assert of_lake.startswith(f"singapore: red, 0 of 1 complete on {tomorrow}, captured ")
    assert cause.startswith("  failed (forbidden): HTTP 403")
    assert (names, rest) == ("    singapore/singapore", "1 target complete (--all lists them)")


def test_a_lake_that_cannot_be_read_hides_none_of_the_others(lakes: Path, command) -> None:
    shutil.rmtree(lakes / "singapore" / "lake" / "published")
    code, out, _ = command("fleet", "status", *options(lakes))
    assert code == 3
    assert out.splitlines()[0] == "red: 1 of 1 target complete in 1 lake; 1 lake cannot be read"
    assert "singapore: " in " ".join(out.split())
    assert "set [publish] tables = true" in " ".join(out.split())
    (lakes / "beijing" / "lake" / "published" / "latest.json").write_text("{")
    code, out, _ = command("fleet", "status", *options(lakes), "--format", "json")
    said = json.loads(out)
    assert (code, said["is_good"], said["level"], said["targets_expected"]) == (3, False, "red", 0)
    assert all(each["trouble"] for each in said["lakes"])


def test_age_alone_counts_where_a_limit_is_asked_for(lakes: Path, command) -> None:
    assert command("fleet", "status", *options(lakes), "--max-age", "26h")[0] == 0
    for file in ("fct_target_days", "rpt_snapshot_coverage"):
        path = next(each for each in version_of(lakes / "beijing").glob(f"{file}/data.parquet"))
        older = path.with_name("older")
        duckdb.sql(
            f"copy (select * replace (finished_at - interval 2 day as finished_at) from '{path}') to '{older}' "
            "(format parquet)"
        )
        older.replace(path)
    code, out, _ = command("fleet", "status", *options(lakes), "--max-age", "26h", "--format", "json")
    levels = {each["name"]: each["level"] for each in json.loads(out)["lakes"]}
    assert (code, levels) == (3, {"beijing": "red", "singapore": "green"})
    assert command("fleet", "status", *options(lakes), "--max-age", "3d")[0] == 0
    assert command("fleet", "status", *options(lakes), "--max-age", "soon")[0] == 2


def test_lakes_can_stand_in_a_file(lakes: Path, command, tmp_path: Path) -> None:
    file = tmp_path / "lakes.txt"
    (lakes / "x#2").symlink_to(lakes / "singapore")
    file.write_text(f"\ufeff# all\r\n{lakes}/beijing/lake\r\n\r\nsin={lakes}/x#2/lake  # another account\r\n")
    code, out, _ = command("fleet", "status", "--lakes", file, "--all")
    assert (code, "sin: green" in out, "2 lakes" in out) == (0, True, True)
    assert command("fleet", "status", "--lakes", tmp_path / "none.txt")[0] == 2
    assert command("fleet", "status")[0] == 2


def test_what_a_question_to_all_would_get_wrong_is_said(lakes: Path, command) -> None:
    other_key = lakes / "other"
    other_key.mkdir()
    again(lakes, {}, BEIJING, "other", datetime.now(UTC).date())
    code, out, err = command("fleet", "status", *options(lakes, "beijing", "singapore", "other"))
    assert code == 0
    assert f"{BEIJING.project_id}/cn-north-4 is a target of beijing and other: its tasks count twice" in err
    assert "other: other masks or another redaction key than beijing, singapore" in err
    assert out


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_the_statements_of_an_engine_are_printed_whole(lakes: Path, command, engine: str) -> None:
    code, out, err = command("sql", "--engine", engine, *options(lakes))
    assert (code, err) == (0, "")
    head = [line for line in out.splitlines() if line.startswith("-- ")]
    assert f"for {engine}: the current files of beijing, singapore." in head[0]
    assert all(any(name in line for line in head) for name in left_out(engine))
    if engine == "duckdb":
        with (
            duckdb.connect() as connection,
            open_fleet([str(lakes / n / "lake") for n in ("beijing", "singapore")]) as fleet,
        ):
            connection.execute(out)
            query = "from rpt_target_reliability order by all"
            assert connection.sql(query).fetchall() == fleet.connection.sql(query).fetchall()


def test_a_table_that_a_lake_lacks_is_named(lakes: Path, command) -> None:
    latest = lakes / "beijing" / "lake" / "published" / "latest.json"
    said = json.loads(latest.read_text())
    del said["tables"]["rpt_data_quality"]
    latest.write_text(json.dumps(said))
    _, out, _ = command("sql", "--engine", "spark", *options(lakes))
    assert "-- beijing does not publish rpt_data_quality: its rows are missing." in out


def test_a_mistake_is_one_sentence(lakes: Path, command, tmp_path: Path) -> None:
    for arguments in (
        ["--engine", "spark", "--lake", tmp_path],
        ["--engine", "spark"],
        ["--engine", "spark", "--lake", "s3://bucket/x"],
        ["--engine", "oracle", "--lake", lakes / "beijing" / "lake"],
        ["--engine", "spark", "--lake", lakes / "beijing" / "lake", "--version", "no-such"],
    ):
        code, out, err = command("sql", *arguments)
        assert (code, out) == (2, ""), arguments
        assert "Traceback" not in err
        assert err.strip()
        assert ("'duckdb', 'spark'" in err) == ("oracle" in arguments)


def test_a_bucket_that_cannot_be_asked_and_a_strange_table_hide_nothing(lakes: Path, command) -> None:
    for column, value in (("rules", "null"), ("rules", None)):
        file = version_of(lakes / "singapore") / "meta_build" / "data.parquet"
        other = file.with_name("other")
        change = f"exclude ({column})" if value is None else f"replace ({value}::varchar as {column})"
        duckdb.sql(f"copy (select * {change} from '{file}') to '{other}' (format parquet)")
        other.replace(file)
        code, out, err = command("fleet", "status", *options(lakes), "--lake", "s3://bucket/x", "--all")
        assert code == 3
        assert any(line.startswith("beijing: green, ") for line in out.splitlines())
        assert "Traceback" not in out + err
        assert "x: " in out  # why the bucket cannot be read


def test_a_lake_ahead_of_its_clock_says_why_it_is_red(lakes: Path, command) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=2)
    again(lakes, {}, SINGAPORE, "singapore", tomorrow)
    code, out, _ = command("fleet", "status", *options(lakes))
    assert code == 3
    assert f"singapore: its newest day, {tomorrow}, is in the future; a clock was wrong there" in " ".join(out.split())
    said = json.loads(command("fleet", "status", *options(lakes), "--format", "json")[1])
    assert {each["name"]: each["is_ahead"] for each in said["lakes"]} == {"beijing": False, "singapore": True}


def test_lakes_that_count_days_in_other_zones_are_named(lakes: Path, command) -> None:
    published = lakes / "singapore" / "lake" / "published"
    said = json.loads((published / "latest.json").read_text())
    (published / "latest.json").write_text(json.dumps(said | {"timezone": "Asia/Shanghai"}))
    _, _, err = command("fleet", "status", *options(lakes))
    assert "singapore: another timezone than beijing; a date is not the same day in both" in err
