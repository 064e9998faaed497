"""`compact`, `forget`, `backup` and `lake restore`: what is asked for is said first where it takes something away."""

from __future__ import annotations

from pathlib import Path

from desk import SMALL_DAYS, Desk, copied


def test_forget_says_what_it_would_do_and_does_it_when_told(three_days: Desk, tmp_path: Path, command) -> None:
    desk, day = copied(three_days, tmp_path), SMALL_DAYS[2]
    code, out, err = command("forget", "--date", day, "--config", desk.config_file)
    assert (code, "Add --yes to do it" in out + err, day in desk.lake.raw_dates()) == (2, True, True)
    code, out, err = command("forget", "--date", day, "--yes", "--config", desk.config_file)
    assert (code, f"{day} is forgotten; its files are in" in out + err) == (0, True)
    assert day not in desk.lake.raw_dates()


def test_without_the_setting_the_verbs_say_what_to_write(desk: Desk, command) -> None:
    for verb in ("backup", "restore"):
        code, _, err = command("lake", verb, "--config", desk.config_file)
        assert code == 2
        assert '[backup] url = "s3://bucket/prefix"' in err
