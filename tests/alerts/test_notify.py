"""Alarms: each kind is told once, with what to do, to who asked for it; no secret travels, no run ends otherwise."""

from __future__ import annotations

import logging
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from desk import BEIJING, SINGAPORE, Desk
from log_lines import without_log
from pulltasks.alerts.notify import announce
from pulltasks.alerts.rules import Failure
from pulltasks.cli import main as cli
from pulltasks.run.order import snapshot
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.data import PLANTED_STREAM_KEY, PLANTED_TOKEN, Place
from pulltasks.sandbox.server import Sandbox, serving
from sampling import sampled
from webhook_server import GOOD, TOKEN, listening

DAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


class Surprising(Sandbox):
    """A service that answers with a field that nobody knows, once it is told to."""

    surprises = False

    def _rendered_rows(self, place: Place, day: date) -> list[tuple[str, bytes]]:
        rows = super()._rendered_rows(place, day)
        if not self.surprises:
            return rows
        extra = {"new_field": PLANTED_STREAM_KEY}
        return [(key, msgspec.json.encode({**msgspec.json.decode(row), **extra})) for key, row in rows]


@pytest.fixture
def desk(tmp_path: Path):
    sandbox = Surprising((BEIJING, SINGAPORE))
    with serving(sandbox) as url:
        yield Desk(sandbox, url, tmp_path, sandbox.places)


@pytest.fixture
def run(desk: Desk, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """`pulltasks VERB` with the desk's configuration: exit code, and all that it said on stderr beside the log."""

    def go(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["pulltasks", *map(str, arguments), "--config", str(desk.config_file)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return (code if isinstance(code, int) else 0), without_log(capfd.readouterr().err)

    return go


def forbid(desk: Desk, place: Place, fault: str = "forbidden") -> None:
    desk.sandbox.faults[place.project_id, None] = fault


def tell(desk: Desk, **options: bool) -> str | None:
    return announce(desk.settings, datetime.now(UTC), **options)


@pytest.fixture
def good(desk: Desk, run, once) -> Desk:
    """Today is published, and all was complete."""
    once("good today", desk, lambda: run("snapshot"))
    return desk


@pytest.fixture
def refused(desk: Desk, run, once, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Today is published without Singapore, and nobody was told as there was no webhook."""
    forbid(desk, SINGAPORE)

    def make() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("PULLTASKS_ALERTS__WEBHOOK", raising=False)
            assert run("snapshot") == (3, "")

    once("refused today", desk, make)
    return desk


def test_a_good_run_sends_nothing(run, webhook) -> None:
    assert run("snapshot") == (0, "")
    assert webhook.bodies == []


def test_without_a_webhook_nothing_is_sent_nor_said_nor_kept(refused: Desk) -> None:
    assert tell(refused) is None
    assert not refused.lake.alerts.exists()


def test_a_target_that_fails_is_told_once_a_day_and_reason(desk: Desk, run, webhook) -> None:
    forbid(desk, SINGAPORE)
    for _ in range(2):
        assert run("snapshot") == (3, "")
    (sent,) = webhook.messages
    assert (sent["targets_complete"], sent["targets_expected"]) == (1, 2)
    (failed,) = sent["alerts"]
    assert (failed["kind"], failed["target"]["name"]) == ("failed", "singapore")
    assert "ask an administrator to grant live:stream:listPullTask" in failed["text"]
    forbid(desk, SINGAPORE, "maintenance")
    assert run("snapshot")[0] == 3
    assert [alert["reason"] for alert in webhook.messages[-1]["alerts"]] == ["service_unavailable"]
    assert len(webhook.bodies) == 2


def test_what_lasts_is_told_once_and_what_ended_is_told_when_it_comes_again(desk: Desk, run, webhook) -> None:
    surprising = [True, True, False, True]
    for days, surprises in enumerate(surprising):
        desk.sandbox.surprises = surprises
        snapshot(desk.settings, DAY + timedelta(days=days), desk.clock, simulated=True)
        assert announce(desk.settings, datetime.now(UTC)) is None
        is_remembered = "schema_surprise" in desk.lake.alerts_sent.read_text()
        assert is_remembered == surprises
    assert [webhook.kinds(n) for n in range(len(webhook.bodies))] == [["schema_surprise"]] * 2
    assert f"since {DAY}" in webhook.messages[1]["alerts"][0]["text"]


def test_a_surprise_is_not_told_again_because_its_target_was_away_for_an_hour(desk: Desk, run, webhook) -> None:
    desk.sandbox.surprises = True
    run("snapshot")
    forbid(desk, BEIJING)
    forbid(desk, SINGAPORE)
    later = DAY + timedelta(days=400)
    for faults in (dict(desk.sandbox.faults), {}):
        desk.sandbox.faults.clear()
        desk.sandbox.faults.update(faults)
        snapshot(desk.settings, later, desk.clock, simulated=True)
        assert announce(desk.settings, datetime.now(UTC)) is None
    kinds = [kind for n in range(len(webhook.bodies)) for kind in webhook.kinds(n)]
    assert kinds.count("schema_surprise") == 1
    assert kinds.count("failed") == 2


def test_a_rebuild_tells_as_well(refused: Desk, run, webhook) -> None:
    assert tell(refused) is None
    refused.lake.alerts_sent.unlink()
    today = datetime.now(UTC).date()
    assert run("rebuild", "--from", today, "--to", today) == (3, "")
    assert webhook.bodies[0].partition(b"alerts")[2] == webhook.bodies[1].partition(b"alerts")[2]


def test_a_refused_credential_is_a_kind_of_its_own(run, webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "wrong")
    assert run("snapshot")[0] == 3
    assert webhook.kinds() == ["credential_refused", "credential_refused"]
    assert "check the access key and its secret" in webhook.messages[0]["alerts"][0]["text"]


def test_a_credential_that_is_refused_later_in_the_day_is_told_though_all_is_complete(
    good: Desk, webhook, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "wrong")
    monkeypatch.setattr(sys, "argv", ["pulltasks", "snapshot", "--refresh", "--config", str(good.config_file)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out = capfd.readouterr().out
    assert ended.value.code == 3
    assert "this attempt: 0 of 2; published: 2 of 2 targets complete, " in out
    assert webhook.kinds() == ["credential_refused"]


def test_a_run_that_ends_with_an_error_is_told_and_ends_as_it_would(desk: Desk, run, webhook, monkeypatch) -> None:
    desk.lake.prepare()
    with desk.lake.lock():
        for _ in range(2):
            code, err = run("snapshot")
            assert (code, err.count("\n"), "another run is writing" in err) == (1, 1, True)
    monkeypatch.delenv("HUAWEICLOUD_SDK_SK")
    code, err = run("snapshot")
    assert (code, "warning" in err) == (2, False)
    busy, no_key = webhook.messages
    assert (busy["snapshot_date"], busy["targets_expected"]) == (None, None)
    assert "another run is writing" in busy["alerts"][0]["text"]
    assert [alert["reason"] for alert in no_key["alerts"]] == ["ConfigError"]


def test_an_error_of_the_system_is_told(good: Desk, run, webhook) -> None:
    desk = good
    desk.lake.tidy.joinpath("pull_tasks").rename(desk.folder / "away")
    desk.lake.tidy.joinpath("pull_tasks").write_bytes(b"")
    code, err = run("rebuild", "--from", "2026-01-01", "--to", "2027-01-01")
    assert code == 1
    assert webhook.kinds() == ["run_failed"]
    assert webhook.messages[0]["alerts"][0]["text"].removeprefix("the run ended with an error: ")[:40] in err


def test_an_age_is_told_once_a_day_without_any_run(good: Desk, webhook) -> None:
    begin = datetime.now(UTC).replace(hour=5) + timedelta(days=2)
    for hours in (0, 1, 2, 18.99, 19, 20):
        assert announce(good.settings, begin.replace(minute=0) + timedelta(hours=hours), has_run=False) is None
    assert [webhook.kinds(n) for n in range(len(webhook.bodies))] == [["no_complete_day"]] * 2


def test_a_lake_in_which_nothing_is_published_is_told_once_a_day(desk: Desk, webhook) -> None:
    desk.lake.prepare()
    for hours in (0, 1, 23, 24):
        assert announce(desk.settings, NOW.replace(hour=0) + timedelta(hours=hours), has_run=False) is None
    assert [webhook.kinds(n) for n in range(len(webhook.bodies))] == [["no_complete_day"]] * 2
    assert "nothing is published" in webhook.messages[0]["alerts"][0]["text"]


def test_a_lake_that_is_gone_is_told_though_nothing_can_be_kept_of_it(good: Desk, webhook) -> None:
    good.lake.root.rename(good.folder / "away")
    assert announce(good.settings, datetime.now(UTC) + timedelta(days=9), has_run=False)
    assert webhook.kinds() == ["no_complete_day"]


def test_what_was_told_is_not_told_again_after_the_warehouse_could_not_be_read(refused: Desk, webhook) -> None:
    assert tell(refused) is None
    build = refused.lake.published.resolve()
    told = len(webhook.bodies)
    whole = build.read_bytes()
    build.write_bytes(b"oops")
    assert tell(refused, has_run=False) is None
    assert webhook.kinds(told) == ["run_failed"]
    assert "what is published cannot be read" in webhook.messages[told]["alerts"][0]["text"]
    build.write_bytes(whole)
    assert tell(refused, has_run=False) is None
    assert len(webhook.bodies) == told + 1


def test_looking_without_a_run_forgets_no_failure_and_a_good_run_does(desk: Desk, webhook) -> None:
    desk.lake.prepare()
    failure = Failure("LakeError", "no room")
    for has_run, failures in ((True, [failure]), (False, []), (True, [failure]), (True, []), (True, [failure])):
        assert announce(desk.settings, NOW, failures, has_run=has_run) is None
    assert [webhook.kinds(n) for n in range(len(webhook.bodies))] == [
        ["run_failed"],
        ["no_complete_day"],
        ["run_failed"],
    ]


@pytest.mark.parametrize(
    ("answer", "requests", "words"),
    sampled(
        [((500, b""), 3, "HTTP 500; the next run tries again"), ((404, b""), 1, "HTTP 404; copy the address again")], 0
    ),
)
def test_what_could_not_be_sent_is_one_warning_and_is_sent_by_the_next_run(
    desk: Desk, run, webhook, answer: tuple[int, bytes], requests: int, words: str
) -> None:
    forbid(desk, SINGAPORE)
    webhook.answers = [*[answer] * requests, GOOD["json"]]
    code, err = run("snapshot")
    assert (code, err.count("\n"), len(webhook.bodies)) == (3, 1, requests)
    assert err.startswith("warning: 1 alarm could not be sent: 127.0.0.1 answered ")
    assert words in err
    for _ in range(2):
        assert tell(desk) is None
    assert len(webhook.bodies) == requests + 1


@pytest.mark.real_time
def test_two_at_a_time_send_once_and_a_slow_webhook_keeps_no_run_from_writing(desk: Desk, webhook) -> None:
    desk.lake.prepare()
    webhook.stalls = threading.Event()
    failure = Failure("LakeError", "no room")
    both = [threading.Thread(target=announce, args=(desk.settings, NOW, [failure])) for _ in range(2)]
    for each in both:
        each.start()
    while not webhook.bodies and any(each.is_alive() for each in both):
        both[0].join(0.01)
    with desk.lake.lock():
        webhook.stalls.set()
    for each in both:
        each.join()
    assert len(webhook.bodies) == 1


@pytest.mark.parametrize(
    "damage",
    sampled(
        [
            b"",
            b"oops",
            b"[]",
            b'{"sent":1}',
            b'{"sent":[{"kind":1}]}',
            b"\xff\xfe",
            b'{"sent":["x"]}',
            b'{"sent":null}',
        ],
        1,
        4,
    ),
)
def test_a_damaged_memory_is_empty_and_written_anew(refused: Desk, webhook, damage: bytes) -> None:
    assert tell(refused) is None
    memory = refused.lake.alerts_sent.read_bytes()
    refused.lake.alerts_sent.write_bytes(damage)
    assert tell(refused) is None
    assert (len(webhook.bodies), refused.lake.alerts_sent.read_bytes()) == (2, memory)


def test_the_memory_is_the_owners_alone(refused: Desk, webhook) -> None:
    desk = refused
    assert tell(desk) is None
    assert desk.lake.alerts_sent.stat().st_mode & 0o777 == 0o600
    assert desk.lake.alerts.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in desk.lake.alerts.iterdir()} <= {"sent.json", ".lock"}


def test_a_memory_that_cannot_be_written_keeps_nothing_from_being_sent(desk: Desk, run, webhook) -> None:
    forbid(desk, SINGAPORE)
    desk.lake.prepare()
    desk.lake.alerts.write_bytes(b"in the way")
    code, err = run("snapshot")
    assert (code, len(webhook.bodies)) == (3, 1)
    assert "alarms that were sent will be sent again" in err


def test_a_webhook_file_is_read_when_something_is_sent(desk: Desk, run, monkeypatch: pytest.MonkeyPatch) -> None:
    file = desk.folder / "webhook"
    desk.extra = f'[alerts]\nwebhook_file = "{file}"\nformat = "dingtalk"\n'
    forbid(desk, SINGAPORE)
    code, err = run("snapshot")
    assert (code, err.count("\n"), f"{file} cannot be read" in err) == (3, 1, True)
    with listening() as webhook:
        file.write_text(webhook.address)
        webhook.answers = [GOOD["dingtalk"]]
        assert tell(desk) is None
        assert webhook.messages[0]["msgtype"] == "text"


@pytest.mark.parametrize("shape", sampled(GOOD, 0))
def test_no_secret_is_in_a_message_nor_in_what_is_said_about_it(
    desk: Desk, run, once, webhook, shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    desk.extra = f'[warehouse]\nexpose_secrets = true\n[alerts]\nformat = "{shape}"\n'
    desk.sandbox.surprises = True
    forbid(desk, SINGAPORE)
    webhook.answers = [(404, b""), (500, b""), GOOD[shape]]
    said = []
    once("exposed today", desk, lambda: said.append(run("snapshot")[1]))
    said += [str(tell(desk)) for _ in range(3 - len(webhook.bodies))]
    assert len(webhook.bodies) == 3
    assert b"new_field" in webhook.bodies[-1]
    assert desk.lake.published.exists()
    texts = [body.decode() for body in webhook.bodies]
    texts += [*said, caplog.text, desk.lake.alerts_sent.read_text(), repr(desk.settings)]
    for secret in (PLANTED_STREAM_KEY, PLANTED_TOKEN, AccessKey().ak, AccessKey().sk, TOKEN):
        assert not any(secret in text for text in texts), secret
    assert all("pulltasks" in text for text in texts[:3])


@pytest.mark.parametrize(("count", "told"), [(20, 20), (21, 20)])
def test_many_targets_are_one_message(tmp_path: Path, webhook, count: int, told: int) -> None:
    places = tuple(Place(f"{n:032x}", "cn-north-4", 3, name=f"project-{n}") for n in range(count + 1))
    sandbox = Sandbox(places)
    for place in places[1:]:
        sandbox.faults[place.project_id, None] = "forbidden"
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, places)
        desk.run(DAY)
        settings = desk.settings.model_copy(
            update={"alerts": desk.settings.alerts.model_copy(update={"max_age": timedelta(days=3650)})}
        )
        for _ in range(2):
            assert announce(settings, datetime.now(UTC)) is None
    (sent,) = webhook.messages
    kinds = [alert["kind"] for alert in sent["alerts"]]
    assert (sent["alerts_total"], len(kinds)) == (count, told)
    assert kinds == ["failed"] * told
