"""The backup by rclone in a real S3 server (SeaweedFS, signatures checked) behind what OBS refuses; `make test-backup`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from backups import backed_up, brought_back, contents_of
from desk import BEIJING, DAYS, SINGAPORE, Desk, copied
from obs_front import Front, fronting
from pulltasks.backup import backup as module
from pulltasks.backup.rclone import rclone_for
from pulltasks.backup.verify import verify_backup
from pulltasks.errors import BackupError
from pulltasks.run.order import compact, snapshot
from pulltasks.sandbox.server import Sandbox, serving

pytestmark = [
    pytest.mark.backup,
    # of the front's sockets, whose callers are killed
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

WEED = Path(__file__).parent.parent.parent / ".venv-s3" / "bin" / "weed"
AK, SK = "AKTEST", "SKTEST-secret"
FIRST = date(2026, 10, 1)


@pytest.fixture(scope="module")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a SeaweedFS with a bucket `lake`."""
    assert WEED.exists(), "run `make test-backup`, which installs SeaweedFS into .venv-s3"
    folder = tmp_path_factory.mktemp("weed")
    s3, grpc, master, volume, filer, admin = free_ports(6)
    command = [WEED, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-bucket=lake"]
    command += [f"-s3.port={s3}", f"-s3.port.grpc={grpc}", "-s3.port.iceberg=0", "-s3.domainName=obs.localhost"]
    command += ["-admin.ui=false", "-webdav=false", f"-master.port={master}", f"-volume.port={volume}"]
    command += [f"-filer.port={filer}", f"-admin.port={admin}"]
    environment = os.environ | {"AWS_ACCESS_KEY_ID": AK, "AWS_SECRET_ACCESS_KEY": SK}
    with (folder / "weed.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(150):
            with socket.socket() as caller:
                if caller.connect_ex(("127.0.0.1", s3)) == 0:
                    break
            time.sleep(0.2)
        time.sleep(2)  # the bucket is made after the port is there
        yield s3
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; below those from which the server's own, 10,000 higher, would be too high."""
    sockets: list[socket.socket] = []
    while len(sockets) < count:
        each = socket.socket()
        each.bind(("127.0.0.1", 0))
        sockets.append(each)
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def front(weed: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    with fronting(weed) as front:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{front.port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "127.0.0.1")
        monkeypatch.setenv("PULLTASKS_BACKUP__ACCESS_KEY", AK)
        monkeypatch.setenv("PULLTASKS_BACKUP__SECRET_KEY", SK)
        yield front


def section(front: Front, tmp_path: Path, more: str = "") -> str:
    url = f"s3://lake/{tmp_path.name}".replace("[", "-").replace("]", "")
    return f'[backup]\nurl = "{url}"\nendpoint = "{front.endpoint}"\nregion = "us-east-1"\n{more}'


@pytest.fixture
def desk(first_two: Desk, front: Front, tmp_path: Path) -> Desk:
    """A lake of two days with an empty prefix in the store."""
    return replace(copied(first_two, tmp_path), extra=section(front, tmp_path))


def run(desk: Desk, day: date = DAYS[2]):
    return snapshot(desk.settings, day, desk.clock, simulated=True)


def troubles(desk: Desk, *, read_data: bool = True) -> tuple[str, ...]:
    with desk.lake.lock():
        return verify_backup(desk.lake, desk.settings, read_data=read_data).troubles


def in_store(desk: Desk, *command: str, given: bytes = b"") -> bytes:
    """What rclone does in the store, as somebody else."""
    there = rclone_for(desk.settings, desk.settings.backup, "backup")
    return there._run(*command, given=given)


def test_thirty_days_go_there_and_come_back_as_they_are_and_as_they_were(front: Front, tmp_path: Path) -> None:
    sandbox = Sandbox((replace(BEIJING, task_count=12), replace(SINGAPORE, task_count=5)))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places, extra=section(front, tmp_path))
        states = {}
        for n in range(32):
            assert run(desk, FIRST + timedelta(days=n)).troubles == ()
            if n in {9, 30}:
                backed_up(desk, full=True)  # a run's own record is written after its backup
                states[n] = contents_of(desk.lake)
        compact(desk.settings, FIRST + timedelta(days=31))
        backed_up(desk, full=True)
        assert troubles(desk) == ()
        there, done = brought_back(desk, tmp_path / "there")
        assert (contents_of(there), done.troubles) == (contents_of(desk.lake), ())
        times = in_store(desk, "lsf", "there:replaced").decode().split()
        # one of each run but the first, and one of each comparison, which the run's record is new to
        for n, time_of_next in ((9, times[10]), (30, times[32])):
            there, _ = brought_back(desk, tmp_path / str(n), replaced=time_of_next.rstrip("/"))
            assert contents_of(there) == states[n]


def test_a_prefix_of_more_than_a_page_of_names_is_listed_whole_by_version_1(front: Front, desk: Desk) -> None:
    for n in range(1100):
        (desk.lake.root / f"note-{n}.txt").write_text(str(n))
    backed_up(desk)
    front.requests.clear()
    assert backed_up(desk, full=True).put == 0
    lists = [path for method, path, _ in front.requests if method == "GET" and "prefix=" in path]
    assert len([path for path in lists if "marker=" in path]) == 1
    assert not [path for path in lists if "list-type=2" in path]
    (desk.lake.root / "note-1099.txt").unlink()
    assert backed_up(desk, full=True).moved == 1


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("at", [0.02, 0.1, 0.2, 0.4, 0.6, 0.9, 1.3])
def test_killed_at_any_moment_the_next_backup_completes_it(
    desk: Desk, tmp_path: Path, sent: signal.Signals, at: float
) -> None:
    for n in range(20, 60):
        (desk.lake.root / f"note-{n}.txt").write_text("old")
    backed_up(desk)
    for n in range(40):
        (desk.lake.root / f"note-{n}.txt").write_text(str(n))
    for n in range(57, 60):
        (desk.lake.root / f"note-{n}.txt").unlink()
    started = tmp_path / "started"
    program = f"""
import pathlib, sys
from pulltasks.backup import rclone
original = rclone.Rclone._started
def _started(self, *arguments, **options):
    pathlib.Path({str(started)!r}).touch()
    return original(self, *arguments, **options)
rclone.Rclone._started = _started
sys.argv = ["pulltasks", "lake", "backup", "--config", {str(desk.config_file)!r}]
from pulltasks.cli.main import command
command()
"""
    child = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not started.exists() and child.poll() is None:
        time.sleep(0.01)
    time.sleep(at)
    os.killpg(child.pid, sent)
    _, err = child.communicate(timeout=30)
    assert "Traceback" not in err
    assert child.returncode in {0, 130, -sent}
    backed_up(desk)
    assert troubles(desk) == ()
    assert contents_of(brought_back(desk, tmp_path / "there")[0]) == contents_of(desk.lake)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"PULLTASKS_BACKUP__SECRET_KEY": "wrong"}, "does not accept the access key or the secret key"),
        ({"PULLTASKS_BACKUP__ACCESS_KEY": "NOBODY"}, "does not accept the access key or the secret key"),
        ({"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}, "cannot be reached"),
        ({"PULLTASKS_BACKUP__KIND": "s3"}, "the key lacks a permission"),  # OBS refuses the bucket in the path
    ],
)
def test_what_is_wrong_is_told_in_one_line_and_the_day_is_published(
    desk: Desk, changes: dict[str, str], said: str
) -> None:
    environment = os.environ | changes
    pulltasks = Path(sys.executable).parent / "pulltasks"
    arguments = ["snapshot", "--simulated-date", str(DAYS[2]), "--config", str(desk.config_file)]
    ended = subprocess.run([pulltasks, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 3, ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if "backup" in line]
    assert said in line
    assert SK not in ended.stdout + ended.stderr
    assert "published" in ended.stdout


@pytest.mark.parametrize(
    ("method", "code", "said"),
    [
        ("PUT", "403 AccessDenied", "lacks a permission"),
        ("GET", "403 AccessDenied", "lacks a permission"),
        ("DELETE", "403 AccessDenied", "lacks a permission"),
        ("PUT", "403 RequestTimeTooSkewed", "clock is wrong"),
        ("PUT", "400 ExpiredToken", "has expired"),
        ("PUT", "404 NoSuchBucket", "no such bucket"),
        ("PUT", "403 InvalidObjectState", "is archived"),
        ("PUT", "403 QuotaExceeded", "is full"),
        ("PUT", "503 SlowDown", "asks for fewer requests"),
        ("PUT", "429 TooManyRequests", "asks for fewer requests"),
        ("PUT", "301 PermanentRedirect", "another region"),
        ("HEAD", "403 AccessDenied", "is there and cannot be read"),
    ],
)
def test_what_the_store_refuses_is_one_sentence_and_the_next_backup_completes_it(
    desk: Desk, front: Front, method: str, code: str, said: str
) -> None:
    for name in ("note", "gone"):
        (desk.lake.root / f"{name}.txt").write_text("old")
    backed_up(desk)
    (desk.lake.root / "note.txt").write_text("new")
    (desk.lake.root / "gone.txt").unlink()
    front.always.append((method, "", code))
    with pytest.raises(BackupError, match=said) as told:
        backed_up(desk, full=True)
    assert "\n" not in str(told.value)
    front.always.clear()
    backed_up(desk)
    assert troubles(desk) == ()


@pytest.mark.parametrize("fault", [503, 429, 500, "lost", "slow"])
def test_a_store_that_falters_is_asked_again(desk: Desk, front: Front, fault: int | str) -> None:
    front.faults += [("PUT", "", fault), ("GET", "", fault)]
    backed_up(desk)
    assert troubles(desk) == ()


def test_a_put_that_was_answered_and_is_lost_is_noticed_or_healed(desk: Desk, front: Front) -> None:
    backed_up(desk)
    (desk.lake.root / "note.txt").write_text("new")
    front.faults += [("PUT", "note.txt", "swallowed")] * 9
    with pytest.raises(BackupError):
        backed_up(desk)
    front.faults.clear()
    backed_up(desk)
    assert troubles(desk) == ()


def test_objects_that_are_missing_or_damaged_are_named_and_put_again(desk: Desk, tmp_path: Path) -> None:
    backed_up(desk)
    captures, tasks = (
        f"lake/tidy/{table}/daily/snapshot_date={DAYS[0]}/data.parquet" for table in ("captures", "pull_tasks")
    )
    content = bytearray(in_store(desk, "cat", f"there:{tasks}"))
    content[100] ^= 1
    in_store(desk, "rcat", f"there:{tasks}", given=bytes(content))
    in_store(desk, "deletefile", f"there:{captures}")
    for read_data in (True, False):
        assert [text.split("/")[1] for text in troubles(desk, read_data=read_data)] in (["captures", "pull_tasks"], [])
    assert backed_up(desk, full=True).put >= 2
    assert troubles(desk) == ()
    assert contents_of(brought_back(desk, tmp_path / "there")[0]) == contents_of(desk.lake)


@pytest.mark.parametrize("kind", ["empty", "late"])
def test_a_list_that_is_not_the_truth_harms_nothing(desk: Desk, front: Front, tmp_path: Path, kind: str) -> None:
    backed_up(desk)
    before = in_store(desk, "lsf", "-R", "--files-only", "there:lake")
    front.always.append(("GET", "prefix=", kind))
    for _ in range(2):
        backed_up(desk, full=True)
    front.always.clear()
    assert in_store(desk, "lsf", "-R", "--files-only", "there:lake") == before
    assert troubles(desk) == ()
    assert backed_up(desk, full=True).put == 0
    assert contents_of(brought_back(desk, tmp_path / "there")[0]) == contents_of(desk.lake)


@pytest.mark.parametrize("kind", ["endless", "dripping"])
def test_a_store_without_end_ends_the_run_in_its_time_and_the_day_is_published(
    desk: Desk, front: Front, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    backed_up(desk)
    monkeypatch.setattr(module, "RAW_SECONDS", 3)
    monkeypatch.setattr(module, "COMPARE_EVERY", timedelta(0))
    desk = replace(desk, extra=desk.extra + "max_minutes = 0.1\n")
    front.always.append(("GET", "prefix=" if kind == "endless" else "", kind))
    began = time.monotonic()
    result = run(desk)
    assert time.monotonic() - began < 60
    assert result.status.is_complete
    assert "no more time" in result.troubles[0].text or "has no end" in result.troubles[0].text
    front.always.clear()
    assert run(desk).troubles == ()
    assert troubles(desk) == ()


def test_two_lakes_in_one_prefix_at_once_never_mix(desk: Desk, first_two: Desk, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = replace(copied(first_two, tmp_path / "other"), extra=desk.extra)
    backed_up(desk)
    with pytest.raises(BackupError, match="another lake"):
        backed_up(other)
    assert troubles(desk) == ()


def test_readers_get_types_that_browsers_need(
    desk: Desk, front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.setenv(f"PULLTASKS_PUBLISH__{name}", os.environ[f"PULLTASKS_BACKUP__{name}"])
    extra = section(front, tmp_path).replace("[backup]", "[publish]\ntables = true") + "[dashboard]\nenabled = true\n"
    readers = replace(desk, extra=extra.replace("s3://lake/", "s3://lake/readers-"))
    types: dict[str, str] = {}
    front.on_put = lambda path, headers: types.update({path.rpartition("/")[2]: headers.get("content-type", "")})
    assert run(readers).troubles == ()
    assert types["dashboard.html"] == "text/html; charset=utf-8"
    assert types["latest.json"] == "application/json"


def test_what_a_day_costs_in_requests_is_bounded(desk: Desk, front: Front) -> None:
    backed_up(desk)
    front.requests.clear()
    assert run(desk).troubles == ()
    assert not [path for method, path, _ in front.requests if method == "GET" and "%2Flake" in path]
    assert len(front.requests) < 90
    front.requests.clear()
    assert run(desk).troubles == ()
    assert front.requests == []
