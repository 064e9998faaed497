"""`doctor` about the lake: each trouble is named with advice, nothing is changed, nothing stands in its way."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from desk import SMALL_DAYS, Desk, copied
from pulltasks.doctor.lake import examine_lake
from raw_files import day_moved

if TYPE_CHECKING:
    from collections.abc import Callable

DAYS = SMALL_DAYS[:2]
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def desk(two_days: Desk, tmp_path: Path) -> Desk:
    return copied(two_days, tmp_path)


def findings(desk: Desk) -> dict[str, tuple[str, str | None]]:
    report = examine_lake(desk.settings, NOW)
    return {finding.question: (finding.answer, finding.advice) for finding in report.findings}


def test_a_lake_that_is_well_needs_nothing(desk: Desk) -> None:
    found = findings(desk)
    assert not [advice for _, advice in found.values() if advice]
    assert found.pop("space")[0].endswith(" MB")
    assert found.pop("pace")[0].startswith("default: up to 3 requests in a second, ")
    assert found.pop("memory")[0].startswith("a run needs about ")
    assert {question: answer for question, (answer, _) in found.items()} == {
        "permissions": "secret files are private",
        "unexpected files": "none in raw/; the headers of the newest 31 days and of those without tables were read",
        "redaction key": "agrees with its checksum",
        "manifests": "2 days readable",
        "days without tables": "none",
        "days without raw": "none",
        "days after today": "none",
    }


def files(desk: Desk) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in desk.lake.root.rglob("*") if path.is_file()}


def open_to_others(desk: Desk) -> None:
    desk.lake.raw.chmod(0o755)


def open_key(desk: Desk) -> None:
    desk.lake.redaction_key.chmod(0o640)


def another_key(desk: Desk) -> None:
    desk.lake.redaction_key.write_text("0" * 64 + "\n")


def no_key(desk: Desk) -> None:
    desk.lake.redaction_key.unlink()


def no_checksum(desk: Desk) -> None:
    desk.lake.redaction_key_checksum.unlink()


def torn_manifest(desk: Desk) -> None:
    desk.lake.manifest_file(DAYS[0]).write_bytes(b'{"snapshot_date":')


def no_manifest(desk: Desk) -> None:
    desk.lake.manifest_file(DAYS[0]).unlink()


def no_raw(desk: Desk) -> None:
    shutil.rmtree(desk.lake.targets_file(DAYS[0]).parent)


def a_day_ahead(desk: Desk) -> None:
    day_moved(desk.lake, DAYS[0], date(2027, 5, 1))


@pytest.mark.parametrize(
    ("harm", "question", "answer", "advice"),
    [
        (open_to_others, "permissions", "open to others: raw", "chmod -R go="),
        (open_key, "permissions", "open to others: redaction.key", "chmod -R go="),
        (another_key, "redaction key", "damaged, or another one", "restore it from a backup"),
        (no_checksum, "redaction key", "has no checksum yet", ""),
        (no_key, "redaction key", "gone", "restore redaction.key"),
        (
            torn_manifest,
            "manifests",
            "cannot be used: tidy/manifests/snapshot_date=2026-10-30.json",
            "the next snapshot",
        ),
        (no_manifest, "days without tables", "2026-10-30", "pulltasks rebuild --from 2026-10-30 --to 2026-10-30"),
        (no_raw, "days without raw", "2026-10-30; only tidy/ has them: back it up", "restore raw/"),
        (a_day_ahead, "days after today", "2027-05-01", "pulltasks forget --date 2027-05-01"),
    ],
)
def test_each_trouble_is_named_with_what_to_do(
    desk: Desk, harm: Callable[[Desk], None], question: str, answer: str, advice: str
) -> None:
    harm(desk)
    before = files(desk)
    found = findings(desk)
    assert found[question][0] == answer
    assert advice in (found[question][1] or "")
    assert files(desk) == before


def test_raw_files_that_the_settings_removed_are_no_trouble(desk: Desk) -> None:
    no_raw(desk)
    desk.extra = "[lake]\nkeep_raw_days = 1\n"
    answer, advice = findings(desk)["days without raw"]
    assert (answer.split(";")[0], advice) == ("2026-10-30", None)


def test_strays_are_named_ten_of_them_and_the_rest_counted(desk: Desk) -> None:
    project = next(path for path in desk.lake.targets_file(DAYS[0]).parent.iterdir() if path.is_dir())
    for place in (
        desk.lake.raw / "notes.txt",
        desk.lake.raw / "snapshot_date=2026-10-30 (copy)" / "x",
        project / "x.tmp",
    ):
        place.parent.mkdir(exist_ok=True)
        place.write_text("x")
    answer, advice = findings(desk)["unexpected files"]
    stray = f"raw/snapshot_date=2026-10-30/{project.name}/x.tmp"
    assert answer == f"not read, not removed: raw/notes.txt, {stray}, raw/snapshot_date=2026-10-30 (copy)"
    assert advice is None
    for number in range(20):
        (desk.lake.raw / f"a{number:02}").write_text("x")
    assert findings(desk)["unexpected files"][0].endswith("a09 and 13 more")


def test_without_a_lake_there_is_nothing_to_look_at(desk: Desk) -> None:
    shutil.rmtree(desk.lake.root)
    assert findings(desk) == {"folder": ("not there yet; the first snapshot creates it", None)}


def doctor(desk: Desk, *options: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("pulltasks"), "doctor", "--config", desk.config_file, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_test_alarm_is_sent_once_asked_for_and_not_remembered(desk: Desk, webhook) -> None:
    assert doctor(desk).returncode == 0
    assert not webhook.messages
    ended = doctor(desk, "--test-alarm", "--format", "json")
    assert (ended.returncode, json.loads(ended.stdout)[0]["target"]) == (0, "lake")
    assert "a test alarm was sent and accepted" in ended.stderr
    (message,) = webhook.messages
    assert [alert["kind"] for alert in message["alerts"]] == ["test"]
    assert (message["snapshot_date"], message["targets_complete"]) == ("2026-10-31", 2)
    assert not desk.lake.alerts_sent.exists()


def test_a_test_alarm_that_cannot_be_sent_is_an_error_that_says_so(desk: Desk, webhook) -> None:
    webhook.answers[:] = [(403, b"")]
    ended = doctor(desk, "--test-alarm")
    assert (ended.returncode, "127.0.0.1" in ended.stderr, "Traceback" in ended.stderr) == (1, True, False)


def test_without_a_webhook_a_test_alarm_says_what_is_missing(desk: Desk) -> None:
    ended = doctor(desk, "--test-alarm")
    assert (ended.returncode, ended.stderr.count("alerts: no address is set")) == (2, 1)
