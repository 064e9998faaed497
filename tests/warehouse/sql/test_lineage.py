"""What is found in the SQL of models: where columns come from, and when what was found before is used."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from pulltasks.warehouse.sql.lineage import column_lineage, parse_installed
from pulltasks.warehouse.sql.models import KEPT_FILE, SQL_FOLDER, Kept, kept_of, load_models
from sql_texts import HEADER


def folder_with(tmp_path: Path, kept: Kept) -> Path:
    shutil.copytree(SQL_FOLDER, tmp_path / "sql", ignore=shutil.ignore_patterns("template-*"))
    (tmp_path / "sql" / KEPT_FILE).write_bytes(msgspec.json.encode(kept))
    return tmp_path / "sql"


def wrong(name: str, **changes: str) -> Kept:
    """What is kept, but that of one model is wrong."""
    kept = kept_of(SQL_FOLDER)
    strange = msgspec.structs.replace(
        kept.models[name], reads="stg_days", lineage={"region": "stg_days.month"}, **changes
    )
    return Kept(kept.columns, {**kept.models, name: strange})


def test_lineage_follows_a_column_to_the_tables_it_is_made_of() -> None:
    lineage = column_lineage(load_models())["dim_targets"]
    assert set(lineage["target_name"]) == {("stg_captures", "target_name"), ("before.dim_targets", "target_name")} | (
        set(lineage["target_name"]) & {("stg_captures", "project_id")}
    )


def test_columns_that_are_put_together_by_name_come_from_those_of_their_name() -> None:
    lineage = column_lineage(load_models())["dim_pull_tasks"]
    assert lineage["status"] == (("before.dim_pull_tasks", "status"), ("stg_pull_tasks", "status"))
    assert lineage["extra"] == (("before.dim_pull_tasks", "extra"), ("stg_pull_tasks", "extra"))


def test_an_argument_of_a_macro_is_no_column_and_the_parser_has_nothing_to_warn_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    models = load_models()
    lineage = column_lineage(models, Kept("", {}))
    assert lineage["pull_tasks_as_of"]["status"] == (("dim_pull_task_versions", "status"),)
    assert not [record.getMessage() for record in caplog.records]


def test_lineage_tells_the_view_pull_tasks_from_the_tidy_table_of_that_name(tmp_path: Path) -> None:
    lineage = column_lineage(load_models())
    assert lineage["stg_listed_tasks"]["task_id"] == (("tidy.pull_tasks", "task_id"),)
    assert lineage["rpt_tasks_without_backup"]["task_id"] == (("pull_tasks", "task_id"),)
    assert lineage["pull_tasks"]["has_backup"] == (("dim_pull_tasks", "backup_source_fingerprints"),)
    folder = folder_with(tmp_path, kept_of(SQL_FOLDER))
    both = HEADER.replace("kind: table", "kind: view") + (
        "select count(now.task_id) + count(raw.domain) as a from pull_tasks as now, tidy.pull_tasks as raw"
    )
    (folder / "reports" / "rpt_both.sql").write_text(both)
    models = load_models(folder)
    assert (models["rpt_both"].depends_on, models["rpt_both"].sources) == ({"pull_tasks"}, {"tidy.pull_tasks"})
    assert column_lineage(models)["rpt_both"]["a"] == (("pull_tasks", "task_id"), ("tidy.pull_tasks", "domain"))


def test_what_is_kept_is_what_is_found_anew() -> None:
    assert (SQL_FOLDER / KEPT_FILE).read_text(encoding="utf-8") == parse_installed(), "run `make docs`"


def test_what_is_kept_costs_no_database_and_no_parser() -> None:
    code = (
        "import sys; from pulltasks.warehouse.sql.lineage import column_lineage; "
        "from pulltasks.warehouse.sql.models import load_models; "
        "assert column_lineage(load_models())['dim_targets']['region']; "
        "print({'duckdb', '_duckdb', 'sqlglot'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_what_is_kept_is_used_for_just_its_text(tmp_path: Path) -> None:
    models = load_models(folder_with(tmp_path, wrong("dim_targets")))
    assert models["dim_targets"].depends_on == {"stg_days"}, "the text is the one that it was found in"
    shutil.rmtree(tmp_path / "sql")
    kept = wrong("dim_targets", text="of another text")
    assert load_models(folder_with(tmp_path, kept)) == load_models()
    assert column_lineage(load_models(), kept) == column_lineage(load_models())


def test_a_changed_text_is_parsed_and_followed(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, kept_of(SQL_FOLDER))
    file = folder / "reports" / "rpt_expiring_tasks.sql"
    text = file.read_text().replace("tasks.status,", "(select max(month) from dim_dates) as status,")
    file.write_text(text)
    models = load_models(folder)
    assert load_models()["rpt_expiring_tasks"].depends_on == {"dim_pull_tasks", "stg_build"}
    assert models["rpt_expiring_tasks"].depends_on == {"dim_dates", "dim_pull_tasks", "stg_build"}
    assert column_lineage(models)["rpt_expiring_tasks"]["status"] == (("dim_dates", "month"),)


def test_lineage_is_followed_again_once_a_column_is_added_to_any_table(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, kept_of(SQL_FOLDER))
    file = folder / "marts" / "dim_targets.sql"
    file.write_text(file.read_text().replace("-- column: ", "-- column: added BIGINT | A number.\n-- column: ", 1))
    kept = wrong("rpt_expiring_tasks")
    assert column_lineage(load_models(), kept)["rpt_expiring_tasks"] == {"region": (("stg_days", "month"),)}
    assert len(column_lineage(load_models(folder), kept)["rpt_expiring_tasks"]) > 1
