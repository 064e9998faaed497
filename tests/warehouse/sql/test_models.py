"""SQL files: what a header must say, and what is found in the SQL itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pulltasks.errors import ModelError
from pulltasks.warehouse.sql.models import Models, load_models, with_ancestors
from sql_texts import HEADER, folder


def test_models_come_in_an_order_in_which_they_can_be_built() -> None:
    models = load_models()
    seen: set[str] = set()
    for model in models.in_order:
        assert model.depends_on <= seen
        seen.add(model.name)


def test_only_reports_read_reports() -> None:
    models = load_models()
    read = {(model.layer, name) for model in models.in_order for name in model.depends_on | model.reads_before}
    read |= {("checks", name) for check in models.checks for name in re.findall(r"\brpt_\w+", check.sql)}
    assert {layer for layer, name in read if name.startswith("rpt_")} == {"reports"}


def test_dependencies_are_those_of_the_sql_and_not_its_own_names() -> None:
    model = load_models()["dim_pull_tasks"]
    assert model.depends_on == {"stg_captures", "stg_listed_tasks", "stg_moved_tasks", "stg_pull_tasks"}
    assert model.reads_before == {"dim_pull_tasks"}
    assert model.sources == {"tidy.build"}


def test_ancestors_are_all_that_a_model_is_built_from() -> None:
    names = [model.name for model in with_ancestors(load_models(), ["dim_targets"])]
    assert names == ["stg_captures", "dim_targets"]


COVERAGE = {"targets_complete", "targets_expected"}


def covers_nothing(models: Models) -> list[str]:
    """Name the marts and reports whose rows do not say how many targets they cover, nor their headers why not."""
    return [
        model.name
        for model in models.in_order
        if model.layer in ("marts", "reports")
        and ({column.name for column in model.columns} >= COVERAGE)
        == (model.coverage or "").startswith("not needed, because ")
    ]


def test_every_number_stands_beside_how_many_targets_it_covers_or_its_header_says_why_not() -> None:
    assert covers_nothing(load_models()) == []


def test_a_report_without_coverage_and_without_a_reason_is_noticed(tmp_path: Path) -> None:
    columns = "".join(f"-- column: {name} BIGINT | Of the day.\n" for name in sorted(COVERAGE))
    reason = "-- coverage: not needed, because it says so\n"
    models = {
        "rpt_bare": HEADER,
        "rpt_half": HEADER + "-- column: targets_complete BIGINT | Of the day.\n",
        "rpt_silent": HEADER + "-- coverage: not needed\n",
        "rpt_both": HEADER + columns + reason,
        "rpt_covered": HEADER + columns,
        "dim_excused": HEADER + reason,
        "stg_inner": HEADER.replace("table", "staging"),
    }
    found = covers_nothing(load_models(folder(tmp_path, **{n: text + "select 1 as a" for n, text in models.items()})))
    assert sorted(found) == ["rpt_bare", "rpt_both", "rpt_half", "rpt_silent"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("dim_a", HEADER + "select 1 as a from nowhere", "reads nowhere, which no file in sql/ defines"),
        ("dim_a", HEADER + "select 1 as a from tidy.nowhere", "reads tidy.nowhere"),
        ("dim_a", HEADER + "select 1 as a from read_parquet('x')", "reads read_parquet, which no file in sql/ defines"),
        ("dim_a", HEADER + "create table x as select 1", "a model is one select"),
        ("dim_a", HEADER + "select from from", "dim_a.sql"),
        ("dim_a", HEADER.replace("key: a", "key: b") + "select 1 as a", "names b, which is not a column"),
        (
            "dim_a",
            HEADER + "-- parts: stg_b\nselect a from stg_b",
            "a table cannot be built in the parts of another model, as it holds no past",
        ),
        (
            "dim_a",
            HEADER + "with dim_b as (select 1 as a) select a from dim_b",
            "names a subquery dim_b like a model",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path: Path, name: str, text: str, words: str) -> None:
    files = {name: text} if name.startswith("dim") else {"dim_b": HEADER + "select 1 as a", name: text}
    with pytest.raises(ModelError, match="(?s).*" + re.escape(words)):
        load_models(folder(tmp_path, **files))


def test_the_view_pull_tasks_and_the_tidy_table_of_that_name_are_two_things() -> None:
    models = load_models()
    reading = {model.name for model in models.in_order if "tidy.pull_tasks" in model.sources}
    assert reading == {"stg_captures", "stg_listed_tasks", "stg_pull_tasks"}
    assert not any("pull_tasks" in model.depends_on for model in models.in_order if model.kind.is_by_day)
    assert "pull_tasks" in models["rpt_tasks_without_backup"].depends_on
    assert models["pull_tasks"].depends_on == {"dim_pull_tasks"}
    assert not models["pull_tasks"].sources


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        # the tidy table without its schema: the view is built after the last day
        ("select count(*) as a from pull_tasks", "is built day by day and reads pull_tasks, built at the end"),
        ("with pull_tasks as (select 1 as a) select a from pull_tasks", "names a subquery pull_tasks like a model"),
        ("select count(*) as a from main.pull_tasks", "reads main.pull_tasks"),
    ],
)
def test_a_model_of_a_day_that_means_the_tidy_table_has_to_say_so(tmp_path: Path, sql: str, words: str) -> None:
    staging = HEADER.replace("kind: table", "kind: staging")
    files = {"pull_tasks": HEADER.replace("kind: table", "kind: view") + "select 1 as a", "stg_a": staging + sql}
    with pytest.raises(ModelError, match="(?s).*" + re.escape(words)):
        load_models(folder(tmp_path, **files))


def test_a_name_that_does_not_tell_its_layer_is_refused(tmp_path: Path) -> None:
    place = folder(tmp_path)
    (place / "marts" / "things.sql").write_text(HEADER + "select 1 as a")
    with pytest.raises(ModelError, match="begins with"):
        load_models(place)


def test_models_that_read_each_other_are_refused(tmp_path: Path) -> None:
    files = {"dim_a": HEADER + "select a from dim_b", "dim_b": HEADER + "select a from dim_a"}
    with pytest.raises(ModelError, match="in a circle"):
        load_models(folder(tmp_path, **files))


# Columns of the staged tasks whose change another compared column tells: keys, what is derived, the hash of all.
TOLD_BY_OTHERS = {
    "project_id", "region", "task_id", "content_hash", "hidden_fingerprint",
    "create_time_raw", "start_time_raw", "end_time_raw",  # masked whole: `other` tells
    "destination", "destination_host", "destination_fingerprint",  # of domain, app_name, stream_name, destination_url
    "destination_url_fingerprint", "push_args_fingerprint", "callback_url_fingerprint", "extra_fingerprint",
    "callback_host", "source_hosts", "backup_source_hosts", "source_fingerprints", "backup_source_fingerprints",
    "callback_events_specified",  # null or not of callback_events
}  # fmt: skip


def test_a_field_of_a_task_that_the_list_of_compared_fields_forgets_is_noticed() -> None:
    models = load_models()
    compared = set(re.findall(r"'field': '(\w+)'", models["fct_pull_task_changes"].sql)) - {"other"}
    staged = {column.name for column in models["stg_pull_tasks"].columns}
    assert compared | TOLD_BY_OTHERS == staged
    assert not compared & TOLD_BY_OTHERS
