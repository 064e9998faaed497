"""`pulltasks lake verify`: age, newest day, and what is wrong."""

from __future__ import annotations

from pathlib import Path

from desk import DAYS, Desk


def test_verify_tells_age_newest_day_and_what_is_wrong(kept: Desk, rclone: None, tmp_path: Path, command) -> None:
    code, _, err = command("lake", "verify", "--config", kept.config_file)
    assert code == 1
    assert "`pulltasks lake backup` creates the first one" in err
    assert command("lake", "backup", "--config", kept.config_file)[0] == 0
    code, out, err = command("lake", "verify", "--read-data", "--config", kept.config_file)
    assert (code, err) == (0, "")
    assert f"(0 h ago), through {DAYS[1]}" in out
    (tmp_path / "place" / "lake" / "redaction.key").unlink()
    code, _, err = command("lake", "verify", "--config", kept.config_file)
    assert code == 3
    assert "redaction.key: is missing there or differs; `pulltasks lake backup --full` copies it again" in err
