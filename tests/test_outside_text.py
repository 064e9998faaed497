"""Words that others wrote do nothing but stand there: on a terminal, in a log, in a message, in Dagster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import Desk
from plain_service import PlainService, serving_plainly
from pulltasks.cli import main as cli
from pulltasks.lake.raw import read_capture
from pulltasks.masking import mask_words
from pulltasks.outside_text import MAX_CHARACTERS, fit, visible
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import Place
from terminals import PULLTASKS, on_a_terminal

DAY = date(2026, 11, 22)
EVIL = "no\x1b]0;owned\x07\x1b[2J\n2026-11-22: 2 of 2 targets complete\u202e\u2028\x9b31m[/b] rtmp://h/live/s3cr3t?token=s3cr3t"
ONE, TWO = (Place(f"{n}" * 32, "cn-north-4", 1, name=f"p{n}") for n in (1, 2))


@given(st.text())
def test_what_is_fit_is_one_line_that_does_nothing(text: str) -> None:
    shown = fit(text)
    assert shown == visible(shown)
    assert len(shown.splitlines()) <= 1
    assert len(shown) <= MAX_CHARACTERS
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("频道 é", "频道 é"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("a\u202eb\u200bc\ufeff", "a\\u202eb\\u200bc\\ufeff"),
        ("\ud83d", "\\ud83d"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.from_regex(r"\A[A-Za-z0-9._-]{0,60}\Z"))
def test_what_is_spared_the_masks_is_what_they_leave_alone(text: str) -> None:
    assert fit(text) == mask_words(text) == text


def test_a_long_text_is_cut() -> None:
    assert fit("x" * 10_000) == "x" * (MAX_CHARACTERS - 1) + "…"


@pytest.fixture
def service():
    service = PlainService()
    tasks = [{"task_id": EVIL, "status": EVIL, "stream_name": EVIL} | {f"n{n}{EVIL}": 1 for n in range(40)}]
    service.answers[ONE.project_id] = lambda _: (
        200,
        {},
        json.dumps({"request_id": EVIL, "total": 1, "task_infos": tasks}).encode(),
    )
    refusal = json.dumps({"error_code": f"LIVE.1{EVIL}", "error_msg": EVIL}).encode()
    service.answers[TWO.project_id] = lambda _: (403, {"X-Request-Id": "r\x1b[31m token=s3cr3t"}, refusal)
    return service


@pytest.fixture
def desk(service: PlainService, tmp_path: Path):
    with serving_plainly(service) as url:
        yield Desk(None, url, tmp_path, (ONE, TWO), extra="max_attempts = 1")


def is_harmless(text: str) -> bool:
    return not any(character in text for character in "\x1b\x07\x9b\u202e\u2028") and "s3cr3t" not in text


def test_what_a_service_says_is_made_fit_before_anybody_sees_it(desk: Desk) -> None:
    result = snapshot(desk.settings, DAY, desk.clock, simulated=True)
    refused = next(capture for capture in result.captures if capture.target.project_id == TWO.project_id)
    assert is_harmless(refused.message)
    verdict = read_capture(desk.lake.raw_file(DAY, *refused.target.key)).verdict
    for text in (verdict.error_code, verdict.error_message, verdict.first_request_id, verdict.last_request_id):
        assert is_harmless(text or ""), text
    assert all(is_harmless(text) and len(text.splitlines()) == 1 for text in result.surprises)
    assert len(result.surprises) == 11  # ten named, the rest counted
    assert result.surprises[-1].endswith(" more; see rpt_data_quality")


QUERIES = (("status",), ("query", "select status, stream_name from dim_pull_tasks"), ("query", 'select 1 as "a [/b]"'))


@pytest.fixture
def published(desk: Desk, once) -> Desk:
    once("outside text", desk, lambda: snapshot(desk.settings, DAY, desk.clock, simulated=True))
    return desk


def test_on_a_terminal_and_in_a_pipe_it_does_nothing(published: Desk, monkeypatch, capfdbinary) -> None:
    for words in (("snapshot", "--simulated-date", str(DAY)), *QUERIES):
        code, said = on_a_terminal(*words, "--config", str(published.folder / "pulltasks.toml"))
        assert code in {0, 3}, said
        assert b"owned\x07" not in said
        assert b"\x1b[2J" not in said.replace(b"\x1b[2K", b"")
        monkeypatch.setattr(sys, "argv", ["pulltasks", *words, "--config", str(published.config_file)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        piped = capfdbinary.readouterr()
        assert (ended.value.code or 0) == code
        assert b"\x1b" not in piped.out + piped.err
        assert not any(line.startswith(b"2026-11-22: 2 of 2") for line in piped.out.splitlines())


@pytest.mark.parametrize("encoding", ["ascii", "gbk"])
def test_what_an_output_cannot_show_is_escaped(published: Desk, encoding: str) -> None:
    for words in (("status",), ("query", "select '频道 \U0001f4fa' as x")):
        ended = subprocess.run(
            [PULLTASKS, *words, "--config", published.config_file],
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert ended.returncode in {0, 3}, ended.stderr
        assert b"Traceback" not in ended.stderr
