"""How a command ends: its exit code, and one message for a mistake."""

from __future__ import annotations

import asyncio
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from desk import BEIJING, Desk, write_config
from plain_service import PlainService, listing, serving_plainly
from pulltasks.sandbox.data import Place
from sampling import sampled
from terminals import PULLTASKS

GOOD, SLOW = (Place(f"{n}" * 32, "cn-north-4", 3, name=f"p{n}") for n in (1, 2))


@pytest.mark.parametrize(("number", "code"), sampled([(signal.SIGINT, 130), (signal.SIGTERM, 143)], 0))
def test_a_run_that_is_stopped_says_so_in_a_line_and_keeps_what_was_whole(
    tmp_path: Path, number: int, code: int
) -> None:
    service = PlainService()
    service.answers[GOOD.project_id] = lambda _: (200, {}, listing(GOOD.project_id))

    async def hang(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    service.streams[SLOW.project_id] = hang
    with serving_plainly(service) as url:
        desk = Desk(None, url, tmp_path, (GOOD, SLOW))
        process = subprocess.Popen(
            [PULLTASKS, "snapshot", "--config", desk.config_file],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(200):
            if SLOW.project_id in service.requests and GOOD.project_id in service.requests:
                break
            time.sleep(0.05)
        time.sleep(0.5)  # so that the answer has arrived
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert process.returncode == code
        *_, line = err.splitlines()  # what stands before it are the lines of the log
        assert line.startswith(f"pulltasks: interrupted ({signal.Signals(number).name}). Finished raw files are kept")
        assert [path.parent.name for path in desk.lake.raw.rglob("*.zst")] == [GOOD.project_id]
        del service.streams[SLOW.project_id]
        service.answers[SLOW.project_id] = lambda _: (200, {}, listing(SLOW.project_id))
        asked = dict(service.requests)
        ended = subprocess.run([PULLTASKS, "snapshot", "--config", desk.config_file], capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert service.requests[GOOD.project_id] == asked[GOOD.project_id]  # what was kept is not asked for again


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda text: text.replace("[api]", "[api]\npage_sise = 1"), "api.page_sise: there is no such key"),
        (lambda text: text.replace("cn-north-4", "Beijing"), "targets.0.region: 'Beijing' is not a valid region id"),
        (lambda text: text + "sk = 'hush-hush'\n", "a secret must not be in the file"),
        (lambda text: '[lake]\nroot = "/proc/lake"\n' + text, "lake.root: /proc/lake cannot be written"),
        (
            lambda text: text.replace("http://127.0.0.1", "https://no-such-host.invalid"),
            "no-such-host.invalid does not resolve",
        ),
        (
            lambda text: text.replace("[[targets]]", '[auth]\nenv_prefix = "NONE_"\n[[targets]]', 1),
            "set NONE_HUAWEICLOUD_SDK_AK",
        ),
    ],
    ids=["unknown key", "bad region", "secret", "unwritable root", "unresolvable", "no credentials"],
)
def test_a_configuration_mistake_is_one_message_and_exit_code_2(tmp_path: Path, command, break_it, words: str) -> None:
    file = write_config(tmp_path, "http://127.0.0.1:9", BEIJING)
    file.write_text(break_it(file.read_text()))
    code, out, err = command("snapshot", "--config", file)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
    assert "hush-hush" not in err


@pytest.mark.parametrize(
    "bytes_a_file",
    [1_000, 100_000, 400_000, *(pytest.param(size, marks=pytest.mark.slow) for size in (20_000, 700_000))],
)
def test_a_disk_that_takes_no_more_is_one_message_and_the_next_run_goes_on(
    desk: Desk, command, bytes_a_file: int
) -> None:
    config_file = desk.config_file
    done = subprocess.run(
        [PULLTASKS, "snapshot", "--config", config_file],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, bytes_a_file)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert "nothing was published" in done.stderr or "what was published is unchanged" in done.stderr, done.stderr
    assert command("snapshot", "--config", config_file)[0] == 0
