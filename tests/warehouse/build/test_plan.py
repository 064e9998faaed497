"""What a build rests on: whatever decides its rows, and nothing else."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from desk import SMALL_DAYS, Desk, copied
from pulltasks import masking, tables
from pulltasks.errors import LakeError
from pulltasks.warehouse.build.plan import plan_build
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.sql.models import SQL_FOLDER, load_models
from sampling import sampled

DAYS = SMALL_DAYS[:3]


@pytest.fixture
def desk(three_days: Desk, tmp_path: Path) -> Desk:
    return copied(three_days, tmp_path)


@pytest.fixture
def sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A copy of sql/ whose masks are in force."""
    folder = tmp_path / "sql"
    shutil.copytree(SQL_FOLDER, folder)
    monkeypatch.setattr(masking, "sql_folder", lambda: folder)
    return folder


def change(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), encoding="utf-8")


def publish(desk: Desk, sql: Path = SQL_FOLDER) -> Path:
    with desk.lake.lock():
        return build_and_publish(desk.lake, load_models(sql), desk.settings.warehouse, datetime.now(UTC))


def days_to_build(desk: Desk, sql: Path = SQL_FOLDER) -> int:
    return len(plan_build(desk.lake, load_models(sql), desk.settings.warehouse).days)


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("masks/texts.sql", "-- Push arguments: names stay", "-- Arguments: names stay"),
        ("masks/addresses.sql", "    -- Text before an @", "    -- Text before /* an */ @"),
        ("staging/stg_captures.sql", "-- Tasks whose loss a person accepted", "-- Those whose loss a person accepted"),
        ("marts/dim_targets.sql", "from stg_captures as today\n", "from stg_captures as today -- of the day\n\n"),
        ("checks/assert_counts_agree.sql", "-- Each target", "-- Every target"),
    ],
)
def test_a_comment_changes_nothing(desk: Desk, sql: Path, file: str, before: str, after: str) -> None:
    published = desk.lake.published.resolve()
    change(sql / file, before, after)
    assert days_to_build(desk, sql) == 0
    assert publish(desk, sql) == published


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("masks/texts.sql", "when value is not null then '***' end;", "when value is not null then '*****' end;"),
        ("masks/fingerprints.sql", "1, 16)", "1, 15)"),
        (
            "marts/dim_targets.sql",
            "coalesce(today.is_expected, false) as is_expected",
            "today.is_expected is true as is_expected",
        ),
        ("marts/dim_targets.sql", "-- check: first_expected", "-- check: target_name <> ''\n-- check: first_expected"),
        ("marts/dim_targets.sql", "-- key: project_id, region", "-- key: region, project_id"),
        ("marts/dim_targets.sql", "-- Every target that was ever expected", "-- Each target that was ever expected"),
        ("checks/assert_counts_agree.sql", "where targets.is_expected", "where targets.is_expected is true"),
        ("marts/dim_pull_task_past_versions.sql", "| Day on which its end", "| The day on which its end"),
    ],
)
def test_whatever_decides_the_rows_or_their_descriptions_builds_every_day_anew(
    desk: Desk, sql: Path, file: str, before: str, after: str
) -> None:
    change(sql / file, before, after)
    assert days_to_build(desk, sql) == len(DAYS)


def test_the_schema_version_and_the_key_are_among_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from pulltasks.warehouse.sql import models

    monkeypatch.setattr(models, "SCHEMA_VERSION", tables.SCHEMA_VERSION + 1)
    assert days_to_build(desk) == len(DAYS)
    monkeypatch.undo()
    assert days_to_build(desk) == 0
    key = desk.lake.redaction_key.read_text()
    desk.lake.redaction_key.write_text(f"  {key}\n")
    assert days_to_build(desk) == 0  # the key's bytes, not the file's
    desk.lake.redaction_key.write_text(("0" if key[0] != "0" else "1") + key[1:])
    desk.lake.redaction_key_checksum.unlink()  # it is changed on purpose
    assert days_to_build(desk) == len(DAYS)


@pytest.mark.parametrize("setting", sampled(["mask_stream_names", "expose_secrets"], 0))
def test_what_was_masked_otherwise_goes_once_the_new_build_stands(desk: Desk, setting: str) -> None:
    before = {*desk.lake.builds(), *desk.lake.bases().values()}
    assert len(before) > 2
    desk.extra = f"[warehouse]\n{setting} = true\n"
    first = publish(desk)
    assert {*desk.lake.builds(), *desk.lake.bases().values()} == {first}
    desk.extra = ""
    second = publish(desk)
    assert {*desk.lake.builds(), *desk.lake.bases().values()} == {second}


def test_what_other_sql_made_under_the_same_masks_is_kept_like_any_build(desk: Desk, sql: Path) -> None:
    before = desk.lake.builds()
    change(sql / "marts/dim_targets.sql", "coalesce(today.is_expected, false) as", "today.is_expected is true as")
    assert desk.lake.builds() == before
    newest = publish(desk, sql)
    assert desk.lake.builds() == [*before[1:], newest]


def test_builds_count_on_from_those_of_versions_that_did_not_count(desk: Desk) -> None:
    *others, newest = desk.lake.builds()
    for build in others:
        build.unlink()
    old = newest.rename(newest.with_name("pulltasks-20991231T235959Z-abcdef.duckdb"))
    desk.lake.link(old.name, desk.lake.published)
    desk.extra = "[warehouse]\nmask_stream_names = true\n"
    assert publish(desk).name.startswith("pulltasks-000001-")
    assert desk.lake.builds()[-1] == desk.lake.published.resolve()


def test_a_day_adds_to_the_build_before_it(desk: Desk) -> None:
    published = desk.lake.published.resolve()
    assert desk.build() == published  # nothing is new
    desk.tidy(SMALL_DAYS[3])
    plan = plan_build(desk.lake, load_models(), desk.settings.warehouse)
    assert (plan.base, plan.days) == (published, (SMALL_DAYS[3],))


def test_tidy_files_that_are_not_what_the_manifest_names_are_refused(desk: Desk) -> None:
    path = desk.lake.tidy_file("captures", DAYS[2])  # of the open month
    path.write_bytes(path.read_bytes() + b"x")
    for file in desk.lake.warehouse.iterdir():
        file.unlink()
    with pytest.raises(LakeError, match=f"pulltasks rebuild --from {DAYS[2]} --to {DAYS[2]}"):
        desk.build()
