"""Services through apprise, what is over, the heartbeat, Chinese: real servers on loopback, a day that breaks and heals."""

from __future__ import annotations

import base64
import hmac
import json
import socketserver
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.lark import NotifyLark
from apprise.plugins.slack import NotifySlack

from desk import SINGAPORE, Desk
from pulltasks.alerts.notify import announce, send_test
from pulltasks.alerts.rules import Alert
from pulltasks.alerts.services import check_services, send_to_services
from pulltasks.alerts.webhook import Message
from pulltasks.alerts.words import text_in
from pulltasks.errors import AlertNotSent, ConfigError
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import PLANTED_STREAM_KEY, PLANTED_TOKEN
from webhook_server import GOOD, TOKEN, Webhook, listening

if TYPE_CHECKING:
    from collections.abc import Iterator

DAYS = (date(2026, 11, 21), date(2026, 11, 22), date(2026, 11, 23))


class Mailbox(socketserver.StreamRequestHandler):
    """Just enough SMTP to take a letter."""

    letters: list[str]

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                letter = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    letter += part
                self.letters.append(letter.decode())
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                return


@contextmanager
def mailbox() -> Iterator[tuple[str, list[str]]]:
    letters: list[str] = []
    handler = type("Handler", (Mailbox,), {"letters": letters})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield (
            f"mailto://127.0.0.1:{server.server_address[1]}?from=pulltasks@example.com&to=ops@example.com&mode=insecure",
            letters,
        )
        server.shutdown()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """A service on loopback that apprise calls by JSON."""
    with listening() as receiver:
        monkeypatch.setenv("PULLTASKS_ALERTS__URLS", receiver.address.replace("http://", "json://"))
        yield receiver


def run(desk: Desk, day: date) -> str | None:
    snapshot(desk.settings, day, desk.clock, simulated=True)
    return announce(desk.settings, datetime.now(UTC))


def test_a_day_that_breaks_and_heals_is_told_twice(desk: Desk, service: Webhook) -> None:
    desk.extra = "[alerts]\nresolved = true\n"
    assert run(desk, DAYS[0]) is None
    assert service.bodies == []
    desk.sandbox.faults[SINGAPORE.project_id, DAYS[1]] = "forbidden"
    assert run(desk, DAYS[1]) is None
    (broken,) = service.messages
    assert (broken["title"], broken["type"]) == ("pulltasks: 2026-11-22, 1 of 2 targets complete", "warning")
    assert "failed: " in broken["message"]
    assert "live:stream:listPullTask" in broken["message"]
    assert run(desk, DAYS[2]) is None
    healed = service.messages[-1]
    assert (len(service.messages), healed["type"]) == (2, "success")
    assert healed["message"] == f"resolved: failed {SINGAPORE.project_id}/{SINGAPORE.region}"
    assert json.loads(desk.lake.alerts_sent.read_bytes()) == {"sent": []}


def test_without_resolved_the_end_is_not_told(desk: Desk, service: Webhook) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, DAYS[1]] = "forbidden"
    for day in DAYS[1:]:
        assert run(desk, day) is None
    assert len(service.messages) == 1


def test_webhook_and_services_are_told_side_by_side_and_each_has_a_memory_of_its_own(
    desk: Desk, service: Webhook, webhook: Webhook
) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, DAYS[1]] = "forbidden"
    webhook.answers = [(404, b"")]
    assert "1 alarm could not be sent" in (run(desk, DAYS[1]) or "")
    assert (len(service.bodies), len(webhook.bodies)) == (1, 1)
    webhook.answers = [(200, b"")]
    assert announce(desk.settings, datetime.now(UTC)) is None
    assert (len(service.bodies), len(webhook.bodies)) == (1, 2)
    assert webhook.kinds() == ["failed"]
    assert (webhook.messages[-1]["severity"], webhook.messages[-1]["resolved"]) == ("warning", [])


def test_a_letter_arrives_and_holds_no_secret(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, DAYS[1]] = "forbidden"
    with mailbox() as (address, letters):
        monkeypatch.setenv("PULLTASKS_ALERTS__URLS", address)
        assert run(desk, DAYS[1]) is None
        send_test(desk.settings, datetime.now(UTC))
    assert len(letters) == 2
    assert "Subject: pulltasks: 2026-11-22, 1 of 2 targets complete" in letters[0]
    assert not any(secret in letter for letter in letters for secret in (PLANTED_STREAM_KEY, PLANTED_TOKEN))


def test_a_service_that_refuses_is_one_warning_without_its_address_and_is_tried_again(
    desk: Desk, service: Webhook, capfd
) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, DAYS[1]] = "forbidden"
    service.answers = [(500, b"")]
    warning = run(desk, DAYS[1])
    assert warning is not None
    assert "1 alarm could not be sent: json did not accept it" in warning
    assert TOKEN not in warning + "".join(capfd.readouterr())
    service.answers = [(200, b"")]
    assert announce(desk.settings, datetime.now(UTC)) is None


CHATS = {
    "slack": (NotifySlack, "webhook_url", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"),
    "feishu": (NotifyFeishu, "notify_url", "feishu://hush-hush"),
    "lark": (NotifyLark, "notify_url", "lark://hush-hush"),
    "dingtalk": (NotifyDingTalk, "notify_url", "dingtalk://hush@hushhush/13912345678"),
}


@pytest.mark.parametrize(
    ("chat", "answer", "requests", "words"),
    [
        ("slack", (200, b"ok"), 1, None),
        ("slack", (200, b"no_text"), 1, "slack did not accept it"),
        ("slack", (404, b"no_service"), 1, "slack did not accept it (code 404); check the address"),
        ("slack", (429, b""), 3, "slack throttles (code 429); the next run tries again"),
        ("feishu", (200, b'{"StatusCode":0,"code":0,"msg":"success"}'), 1, None),
        ("feishu", (200, b'{"code":19024,"msg":"Key Words Not Found"}'), 1, "feishu did not accept it (code 19024)"),
        ("feishu", (200, b'{"code":11232,"msg":"frequency limited"}'), 3, "feishu throttles (code 11232)"),
        ("lark", (200, b'{"code":19024,"msg":"Key Words Not Found"}'), 1, "lark did not accept it (code 19024)"),
        ("lark", (429, b""), 3, "lark throttles (code 429)"),
        ("dingtalk", (200, b'{"errcode":0,"errmsg":"ok"}'), 1, None),
        ("dingtalk", (200, b'{"errcode":310000,"errmsg":"sign not match"}'), 1, "code 310000; let the bot's keyword"),
        ("dingtalk", (200, b'{"errcode":130101,"errmsg":"send too fast"}'), 3, "throttles (HTTP 200 with code 130101)"),
    ],
)
def test_a_refusal_within_a_200_response_is_never_sent_and_what_throttles_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, chat: str, answer: tuple[int, bytes], requests: int, words: str | None
) -> None:
    plugin, attribute, address = CHATS[chat]
    alert = Alert("failed", "it fails", DAYS[0])
    with listening() as receiver:
        receiver.answers = [answer]
        monkeypatch.setattr(plugin, attribute, receiver.address)
        try:
            send_to_services([address], Message(datetime.now(UTC), DAYS[0], 1, 2, [alert]))
            said = None
        except AlertNotSent as error:
            said = str(error)
    assert (len(receiver.bodies), said is None) == (requests, words is None)
    assert (words or "") in (said or "")
    assert "hush" not in (said or "")
    assert b"pulltasks: 2026-11-21, 1 of 2 targets complete" in receiver.bodies[0]


def test_dingtalk_gets_its_signature_and_who_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as receiver:
        receiver.answers = [GOOD["dingtalk"]]
        monkeypatch.setattr(NotifyDingTalk, "notify_url", receiver.address + "{token}")
        send_to_services([CHATS["dingtalk"][2]], Message(datetime.now(UTC), DAYS[0], 1, 2, []))
    ((query,),) = [parse_qs(urlsplit(path).query).get("sign", []) for path in receiver.paths]
    sent_at = parse_qs(urlsplit(receiver.paths[0]).query)["timestamp"][0]
    expected = hmac.digest(b"hush", f"{sent_at}\nhush".encode(), "sha256")
    assert base64.b64decode(query) == expected
    assert receiver.messages[0]["at"] == {"atMobiles": ["13912345678"]}


def test_an_address_that_no_service_has_is_a_mistake_that_does_not_quote_it() -> None:
    with pytest.raises(ConfigError, match=r"address 2 \(nothing://…\) is not known to apprise") as caught:
        check_services(["json://127.0.0.1", "nothing://hush-hush"])
    assert "hush-hush" not in str(caught.value)


def test_nothing_in_a_message_calls_anybody_or_is_markup(desk: Desk, service: Webhook) -> None:
    alert = Alert("failed", "<!channel> @all *x* [a](b) `c`", DAYS[0])
    send_to_services(
        [service.address.replace("http://", "json://")], Message(datetime.now(UTC), DAYS[0], 1, 2, [alert])
    )
    assert not set("<>@*[]`") & set(service.messages[0]["message"])


def test_a_good_run_beats_and_another_one_does_not(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as heart:
        monkeypatch.setenv("PULLTASKS_ALERTS__HEARTBEAT", heart.address)
        assert run(desk, DAYS[0]) is None
        assert len(heart.paths) == 1
        desk.sandbox.faults[SINGAPORE.project_id, DAYS[1]] = "forbidden"
        assert run(desk, DAYS[1]) is None
        assert len(heart.paths) == 1
        heart.answers = [(404, b"")]
        warning = run(desk, DAYS[2])
    assert warning is not None
    assert warning.startswith("the heartbeat could not be sent: 127.0.0.1 answered HTTP 404")
    assert TOKEN not in warning


def test_chinese_says_the_reason_in_words(desk: Desk, service: Webhook) -> None:
    desk.extra = '[alerts]\nlanguage = "zh"\n'
    desk.sandbox.faults[SINGAPORE.project_id, DAYS[1]] = "forbidden"
    assert run(desk, DAYS[1]) is None
    (message,) = service.messages
    assert message["title"] == text_in("zh", "heading", day="2026-11-22", complete=1, count=2)
    assert message["message"].startswith("采集失败 singapore")
    assert "请管理员在此项目中授予 live:stream:listPullTask" in message["message"]


@pytest.mark.parametrize("key", ["urls", "heartbeat"])
def test_an_address_may_not_stand_in_the_file(desk: Desk, key: str) -> None:
    desk.extra = f'[alerts]\n{key} = "https://hush-hush"\n'
    with pytest.raises(ConfigError, match=f"alerts.{key}: a secret must not be in the file") as caught:
        _ = desk.settings
    assert "hush-hush" not in str(caught.value)


def test_the_alarm_of_a_test_needs_an_address(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="no address is set"):
        send_test(desk.settings, datetime.now(UTC))


@pytest.mark.real_time
def test_a_service_that_drips_is_left_behind(service: Webhook) -> None:
    service.stalls = threading.Event()
    with pytest.raises(AlertNotSent, match="did not answer within"):
        send_to_services(
            [service.address.replace("http://", "json://")], Message(datetime.now(UTC), None, None, None, []),
            deadline_seconds=0.5,
        )  # fmt: skip
    service.stalls.set()
