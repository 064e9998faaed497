"""What a setting is where the file says nothing of it."""

from __future__ import annotations

from pathlib import Path

from pulltasks import config


def test_times_are_shown_in_the_zone_that_dates_are_counted_in_unless_another_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pulltasks.toml"
    for text, zone in (("", "UTC"), ('timezone = "Asia/Shanghai"\n', "Asia/Shanghai")):
        file.write_text(text, encoding="utf-8")
        assert config.load(file, need_targets=False).warehouse.display_timezone == zone
    file.write_text('timezone = "Asia/Shanghai"\n[warehouse]\ndisplay_timezone = "Europe/Paris"\n', encoding="utf-8")
    assert config.load(file, need_targets=False).warehouse.display_timezone == "Europe/Paris"
