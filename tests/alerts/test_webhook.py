"""One message: its two shapes, its bounds, and what each answer of a receiver means."""

from __future__ import annotations

import json
import socket
import threading
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler

import pytest

from pulltasks.alerts.rules import MAX_TEXT_BYTES, Alert, AlertTarget, one_line
from pulltasks.alerts.webhook import MAX_ALERTS, TRIES, Message, body_of, post
from pulltasks.errors import AlertNotSent
from webhook_server import GOOD, TOKEN, QuietServer, listening

DAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 3, 0, 7, 123456, tzinfo=UTC)
TARGET = AlertTarget("0123456789abcdef0123456789abcdef", "cn-north-4", "event-beijing")
DINGTALK_MAX_BYTES = 20_000


def message(count: int, text: str = "it <!channel> & *fails*") -> Message:
    return Message(NOW, DAY, 1000 - count, 1000, [Alert("failed", text, DAY, "forbidden", TARGET)] * count)


def texts(body: bytes) -> list[str]:
    """The lines that a reader of DingTalk sees."""
    return json.loads(body)["text"]["content"].split("\n")


def test_a_monitor_gets_one_json_object() -> None:
    assert json.loads(body_of(message(1), "json")) == {
        "source": "pulltasks",
        "sent_at": "2026-11-22T03:00:07Z",
        "snapshot_date": "2026-11-22",
        "targets_complete": 999,
        "targets_expected": 1000,
        "severity": "warning",
        "alerts_total": 1,
        "alerts": [
            {
                "kind": "failed",
                "target": {"project_id": TARGET.project_id, "region": "cn-north-4", "name": "event-beijing"},
                "snapshot_date": "2026-11-22",
                "reason": "forbidden",
                "text": "it <!channel> & *fails*",
                "severity": "warning",
                "link": "docs/troubleshooting.md#network-and-service",
            }
        ],
        "resolved": [],
    }


def test_dingtalk_gets_plain_text() -> None:
    assert json.loads(body_of(message(1), "dingtalk")) == {
        "msgtype": "text",
        "text": {"content": "pulltasks: 2026-11-22, 999 of 1000 targets complete\nfailed: it <!channel> & *fails*"},
    }


@pytest.mark.parametrize(("count", "more"), [(1, None), (20, None), (21, 1), (1000, 980)])
def test_many_alarms_are_the_first_twenty_and_a_count(count: int, more: int | None) -> None:
    heading, *lines = texts(body_of(message(count), "dingtalk"))
    assert heading.startswith("pulltasks: ")
    assert len(lines) == min(count, MAX_ALERTS) + (more is not None)
    assert lines[-1] == f"and {more} more; run `pulltasks status` to see all" or more is None


@pytest.mark.parametrize("count", [20, 21])
def test_a_monitor_gets_the_first_twenty_and_the_number(count: int) -> None:
    content = json.loads(body_of(message(count), "json"))
    assert (len(content["alerts"]), content["alerts_total"]) == (20, count)


@pytest.mark.parametrize("character", ["a", "频", "🎥", '"', "\\", "&", "\u0007", "\n"])
def test_the_longest_message_is_one_that_dingtalk_accepts(character: str) -> None:
    text = one_line(f"x{character}" * 5000)
    assert len(text.encode()) <= MAX_TEXT_BYTES
    assert len(body_of(message(1000, text), "dingtalk")) < DINGTALK_MAX_BYTES


def test_without_a_published_day_the_message_says_so() -> None:
    nothing = Message(NOW, None, None, None, [Alert("run_failed", "no key", DAY, "ConfigError")])
    assert texts(body_of(nothing, "dingtalk"))[0] == "pulltasks: nothing that is published can be read"
    assert json.loads(body_of(nothing, "json"))["targets_expected"] is None


@pytest.mark.parametrize("shape", GOOD)
def test_what_is_accepted_is_sent_once_and_whole(shape: str) -> None:
    with listening() as webhook:
        webhook.answers = [GOOD[shape]]
        body = body_of(message(3), shape)
        post(webhook.address, body, shape)
        assert webhook.bodies == [body]
        assert webhook.types == ["application/json; charset=utf-8"]
        assert webhook.paths == [f"/hook/{TOKEN}?access_token={TOKEN}"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(status: int) -> None:
    with listening() as webhook:
        webhook.answers = [(status, b""), (status, b""), GOOD["json"]]
        post(webhook.address, b"{}", "json")
        assert len(webhook.bodies) == TRIES


@pytest.mark.parametrize(
    ("shape", "answer", "requests", "words"),
    [
        ("json", (500, b"oops"), 3, "HTTP 500; the next run tries again"),
        ("json", (429, b""), 3, "throttles (HTTP 429); the next run tries again"),
        ("json", (404, b""), 1, "HTTP 404; copy the address again"),
        ("json", (400, b"invalid_payload"), 1, "HTTP 400; copy the address again, and check alerts.format"),
        ("json", (302, b""), 1, "HTTP 302, a redirect"),
        ("json", (308, b""), 1, "HTTP 308, a redirect"),
        ("dingtalk", (200, b'{"errcode":7}'), 1, "code 7; check the settings of the bot"),
        ("dingtalk", (200, b'{"errcode":130101,"errmsg":"send too fast"}'), 3, "throttles (HTTP 200 with code 130101)"),
        ("dingtalk", (200, b'{"errcode":{}}'), 1, "code that is not a number"),
        ("dingtalk", (200, b'{"errcode":310000,"errmsg":"keywords not in content"}'), 1, "310000; let the bot's"),
        ("dingtalk", (200, b'{"errcode":"x"}'), 1, "code that is not a number; check the settings"),
        ("dingtalk", (200, b'{"code":0}'), 1, "without a code; check alerts.format: this is not a dingtalk bot"),
        ("dingtalk", (200, b"<html>"), 1, "without a code"),
        ("dingtalk", (200, b"[0]"), 1, "without a code"),
        ("dingtalk", (200, b""), 1, "without a code"),
    ],
)
def test_a_refusal_names_host_and_status_and_what_to_do(
    shape: str, answer: tuple[int, bytes], requests: int, words: str
) -> None:
    with listening() as webhook, listening() as elsewhere:
        webhook.answers, webhook.location = [answer], elsewhere.address
        with pytest.raises(AlertNotSent) as caught:
            post(webhook.address, b"{}", shape)
        assert (len(webhook.bodies), elsewhere.bodies) == (requests, [])
    assert str(caught.value).startswith(("127.0.0.1 answered ", "127.0.0.1 throttles "))
    assert words in str(caught.value)
    assert TOKEN not in repr(caught.value)


def test_who_does_not_answer_in_time_is_tried_three_times() -> None:
    with listening() as webhook:
        webhook.stalls = threading.Event()
        with pytest.raises(AlertNotSent, match="did not answer") as caught:
            post(webhook.address, b"{}", "json", timeout_seconds=0.2)
        assert len(webhook.bodies) == TRIES
    assert TOKEN not in repr(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_who_is_not_there_or_speaks_otherwise_is_told_without_the_address(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(AlertNotSent, match="did not answer") as caught:
        post(f"{scheme}://127.0.0.1:{port}/{TOKEN}", b"{}", "json")
    assert TOKEN not in repr(caught.value)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".example.com"])
def test_a_host_that_does_not_resolve_is_told_without_the_address(host: str) -> None:
    with pytest.raises(AlertNotSent, match="did not answer") as caught:
        post(f"https://{host}/{TOKEN}", b"{}", "json")
    assert TOKEN not in repr(caught.value)


@pytest.mark.parametrize(("error", "is_silent"), [(BrokenPipeError, True), (ValueError, False), (OSError, False)])
def test_a_test_server_is_silent_about_broken_pipes_only(capfd, error: type[Exception], is_silent: bool) -> None:
    class Handler(BaseHTTPRequestHandler):
        def handle(self) -> None:
            raise error

    with QuietServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False  # so that closing it waits for what it prints
        with socket.create_connection(server.server_address):
            server.handle_request()
    assert (capfd.readouterr().err == "") is is_silent


def test_a_webhook_on_this_machine_is_sent_past_any_proxy(monkeypatch: pytest.MonkeyPatch, webhook) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    post(webhook.address, b"{}", "json")
    assert webhook.bodies == [b"{}"]
