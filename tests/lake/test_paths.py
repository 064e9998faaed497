"""A path is a path, never a pattern; what somebody else put into the lake is left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from desk import BEIJING, SINGAPORE, Desk
from history import contents
from pulltasks import config
from pulltasks.errors import ConfigError
from pulltasks.lake.lake import Lake
from pulltasks.lake.tidy import open_tidy
from pulltasks.run.order import compact, rebuild, snapshot
from pulltasks.sandbox.server import Sandbox, serving

DAYS = (date(2026, 10, 31), date(2026, 11, 1))
WORKING = "it's {x} ~x 50% of a#b" + '频道 é\u0301;b"c&d=e,f$HOME-x(y)!:z'
REFUSED = ["lake[1]", "a*b", "a?b", "back\\slash", "]"]


@pytest.fixture
def desk(tmp_path: Path):
    sandbox = Sandbox((replace(BEIJING, task_count=7), replace(SINGAPORE, task_count=5)))
    with serving(sandbox) as url:
        yield Desk(sandbox, url, tmp_path, sandbox.places)


def run(desk: Desk, day: date):
    return snapshot(desk.settings, day, desk.clock, simulated=True)


def test_a_lake_works_wherever_it_lies(desk: Desk) -> None:
    folder = desk.folder / WORKING
    folder.mkdir()
    there = replace(desk, folder=folder)
    for day in DAYS:
        assert run(there, day).is_complete
    compact(there.settings, date.max)
    assert rebuild(there.settings, *DAYS, there.clock).is_complete
    with open_tidy(there.lake) as connection:
        assert connection.sql("select count(distinct snapshot_date) from pull_tasks").fetchall() == [(2,)]
    assert contents(there.lake.published.resolve())["dim_pull_tasks"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_path_that_would_be_read_as_a_pattern_is_refused_before_anything_is_written(desk: Desk, name: str) -> None:
    folder = desk.folder / name
    folder.mkdir()
    with pytest.raises(ConfigError, match="which the database reads as a pattern"):
        run(replace(desk, folder=folder), DAYS[0])
    assert [path.name for path in folder.iterdir()] == ["pulltasks.toml"]


def test_so_is_one_behind_a_link(desk: Desk) -> None:
    (desk.folder / "lake*").mkdir()
    (desk.folder / "lake").symlink_to("lake*")
    with pytest.raises(ConfigError, match="pattern"):
        run(desk, DAYS[0])


NO_DAYS = ["snapshot_date=20261119", "snapshot_date=2026-11-19", "snapshot_date=2026-W47-4", "snapshot_date=", "x"]
STRAYS = ["._{file}", "copy of {file}", "cn-north-4 (1).ndjson.zst", "cn-north-4.old.ndjson.zst"]


def test_strays_beside_raw_files_and_folders_that_hold_no_day_are_left_alone(desk: Desk) -> None:
    run(desk, DAYS[0])
    raw = desk.lake.raw_file(DAYS[0], BEIJING.project_id, BEIJING.region)
    strays = [*(raw.with_name(name.format(file=raw.name)) for name in STRAYS), raw.parent.with_name("._x") / raw.name]
    for number, stray in enumerate(strays):
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(b"oops" if number % 2 else raw.read_bytes())
    for name in NO_DAYS:
        (desk.lake.raw / name).mkdir()
    before = [stray.read_bytes() for stray in strays]
    result = run(desk, DAYS[1])
    assert (result.damaged_days, result.is_complete) == ((), True)
    assert [stray.read_bytes() for stray in strays] == before
    assert len(desk.lake.raw_files(DAYS[0])) == 2
    assert desk.lake.raw_dates() == list(DAYS)


def load(tmp_path: Path, text: str):
    (tmp_path / "conf").mkdir(exist_ok=True)
    file = tmp_path / "conf" / "pulltasks.toml"
    file.write_text(text, encoding="utf-8")
    return config.load(file, need_targets=False)


def test_a_home_is_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = load(tmp_path, '[lake]\nroot = "~/lake"\n[auth]\nmethod = "token"\ntoken_file = "~/token"\n')
    assert settings.lake.root == tmp_path / "home" / "lake"
    assert settings.auth.token.file == tmp_path / "home" / "token"


def test_relative_paths_are_relative_to_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the same name in the working folder is looked at."""
    monkeypatch.chdir(tmp_path)
    for name in ("lake", "token", "webhook", "password", "key", "copy"):
        (tmp_path / name).write_text("x")
    settings = load(
        tmp_path,
        '[lake]\nroot = "lake"\n[auth]\nmethod = "token"\ntoken_file = "token"\n[auth.other]\nmethod = "password"\nuser = "u"\n'
        'domain = "d"\npassword_file = "password"\n[alerts]\nwebhook_file = "webhook"\n'
        '[backup]\nurl = "copy"\naccess_key_file = "key"\nsecret_key_file = "../key"\n',
    )
    folder = tmp_path / "conf"
    assert settings.lake.root == folder / "lake"
    assert settings.auth.token.file == folder / "token"
    assert settings.auth.named["other"].password.file == folder / "password"
    assert settings.alerts.webhook.file == folder / "webhook"
    assert (settings.backup.access_key.file, settings.backup.secret_key.file) == (folder / "key", folder / "../key")
    assert settings.backup.url == str(folder / "copy")


@pytest.mark.parametrize("text", ['[lake]\nroot = ""\n', '[lake]\nroot = "  "\n'])
def test_an_empty_path_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="is empty; name a folder"):
        load(tmp_path, text)


def test_an_empty_variable_is_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLTASKS_LAKE__ROOT", "")
    with pytest.raises(ConfigError, match=r"lake\.root: is empty"):
        load(tmp_path, "")


def test_a_mark_before_the_configuration_is_passed_over(tmp_path: Path) -> None:
    assert load(tmp_path, '\ufefftimezone = "Asia/Shanghai"\n').timezone == "Asia/Shanghai"


def test_a_lake_that_is_only_read_is_never_judged_by_its_name(tmp_path: Path) -> None:
    assert Lake(tmp_path / "a*b").raw_dates() == []
