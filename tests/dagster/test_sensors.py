"""Dagster's sensors tell the same alarms, by the same function, once, and never a secret."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

import dagster as dg
from dagster_runs import checks, definitions, run_day
from desk import BEIJING, SINGAPORE, Desk
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.data import PLANTED_STREAM_KEY, PLANTED_TOKEN
from pulltasks.sandbox.server import Sandbox
from pulltasks_dagster.definitions import JOB, MONTHLY_JOB
from webhook_server import TOKEN

# Dagster's own code warns on its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
DAY = date(2026, 11, 22)


@pytest.fixture
def sandbox() -> Sandbox:
    """Few tasks: what is tried here is no matter of size."""
    return Sandbox((replace(BEIJING, task_count=12), replace(SINGAPORE, task_count=5)))


NAMES = ["alert_on_age", "alert_on_failure", "alert_on_success"]


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as each:
        yield each


def execute(desk: Desk, instance: dg.DagsterInstance, job: str = JOB, day: str = str(DAY), **config: object):
    if job == JOB:
        return run_day(desk, date.fromisoformat(day), instance=instance, **config)
    monthly = definitions(desk).resolve_job_def(job)
    return monthly.execute_in_process(partition_key=day, raise_on_error=False, instance=instance)


def sense(desk: Desk, instance: dg.DagsterInstance, run_id: str, name: str = "alert_on_failure") -> str | None:
    """What a sensor that watches runs says of one that has ended."""
    run = instance.get_run_by_id(run_id)
    ended = {dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS}
    (event,) = [
        entry.dagster_event
        for entry in instance.all_logs(run_id)
        if entry.dagster_event and entry.dagster_event.event_type in ended
    ]
    context = dg.build_run_status_sensor_context(
        sensor_name=name, dagster_event=event, dagster_instance=instance, dagster_run=run
    )
    sensor = definitions(desk).resolve_sensor_def(name)
    return sensor(context.for_run_failure() if name == "alert_on_failure" else context).skip_message


def tick(desk: Desk, instance: dg.DagsterInstance, name: str, cursor: str | None = None):
    """A tick as the daemon makes it."""
    defs = definitions(desk)
    sensor = defs.resolve_sensor_def(name)
    with dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs, sensor_name=name) as context:
        return sensor.evaluate_tick(context)


def test_sensors_run_by_themselves_only_when_a_webhook_is_set(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def statuses() -> dict[str, str]:
        defs = definitions(desk)
        return {name: defs.resolve_sensor_def(name).default_status.value for name in NAMES}

    assert statuses() == dict.fromkeys(NAMES, "STOPPED")
    monkeypatch.setenv("PULLTASKS_ALERTS__WEBHOOK", "https://h.example.com/x")
    assert statuses() == dict.fromkeys(NAMES, "RUNNING")


def test_a_run_that_published_tells_which_targets_are_not_complete(desk: Desk, instance, webhook) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    for _ in range(2):
        result = execute(desk, instance)
        assert not result.success
        assert sense(desk, instance, result.run_id) == "nothing is left to report"
    assert len(webhook.bodies) == 1
    assert webhook.kinds() == ["failed"]
    assert webhook.messages[0]["alerts"][0]["target"]["name"] == "singapore"


def test_a_credential_that_is_refused_later_in_the_day_is_told_though_all_is_complete(
    desk: Desk, instance, webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert execute(desk, instance).success
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "wrong")
    result = execute(desk, instance, refresh=True)
    assert not result.success  # as the command line ends with 3, though what stands is complete
    assert checks(result)["warehouse", "all_targets_complete"].passed
    assert sense(desk, instance, result.run_id) == "nothing is left to report"
    assert webhook.kinds() == ["credential_refused"]


def test_a_page_that_could_not_be_written_is_told_and_takes_nothing_back(desk: Desk, instance, webhook) -> None:
    desk.extra = "[dashboard]\nenabled = true\n"
    desk.lake.dashboard.mkdir(parents=True)
    result = execute(desk, instance)
    assert not result.success
    assert checks(result)["warehouse", "all_targets_complete"].passed
    assert desk.lake.published.exists()
    sense(desk, instance, result.run_id)
    (alert,) = webhook.messages[0]["alerts"]
    assert alert["kind"] == "run_failed"
    assert "published, but the page could not be written" in alert["text"]


def test_a_run_that_could_not_begin_tells_why(desk: Desk, instance, webhook) -> None:
    desk.lake.prepare()
    with desk.lake.lock():
        execute(desk, instance)
    (run,) = instance.get_runs()
    sense(desk, instance, run.run_id)
    assert "another run is writing to" in webhook.messages[0]["alerts"][0]["text"]


def test_a_look_without_a_run_forgets_no_failed_run(desk: Desk, instance, webhook) -> None:
    desk.run(DAY)
    with desk.lake.lock():
        execute(desk, instance)
    (run,) = instance.get_runs()
    sense(desk, instance, run.run_id)
    tick(desk, instance, "alert_on_age")
    sense(desk, instance, run.run_id)
    assert [webhook.kinds(n) for n in range(len(webhook.bodies))] == [["run_failed"]]


def test_an_error_of_the_system_is_told_without_what_stands_in_the_file(desk: Desk, instance, webhook) -> None:
    desk.run(DAY)
    desk.lake.tidy.joinpath("pull_tasks").rename(desk.folder / "away")
    desk.lake.tidy.joinpath("pull_tasks").write_text(PLANTED_STREAM_KEY)
    for path in desk.lake.tidy.joinpath("manifests").iterdir():
        path.unlink()
    result = execute(desk, instance)
    assert not result.success
    sense(desk, instance, result.run_id)
    (alert,) = [alert for alert in webhook.messages[0]["alerts"] if alert["kind"] == "run_failed"]
    assert alert["text"].endswith("File exists; what was published is unchanged. To continue, fix that; then run again")
    assert PLANTED_STREAM_KEY not in webhook.bodies[0].decode()


def test_a_failed_month_is_told(desk: Desk, instance, webhook) -> None:
    desk.run(date(2026, 10, 30))
    desk.run(date(2026, 11, 1))
    desk.lake.tidy_file("pull_tasks", date(2026, 10, 30)).write_bytes(b"damaged")
    result = execute(desk, instance, MONTHLY_JOB, "2026-10-01")
    assert not result.success
    sense(desk, instance, result.run_id)
    assert [alert["reason"] for alert in webhook.messages[0]["alerts"]] == [MONTHLY_JOB]


def test_ticks_of_the_daemon_tell_a_success_and_a_failure_once(desk: Desk, instance, webhook) -> None:
    cursors = {name: tick(desk, instance, name).cursor for name in ("alert_on_failure", "alert_on_success")}
    assert execute(desk, instance).success
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    assert not execute(desk, instance, day=str(DAY + timedelta(days=1))).success
    for name, cursor in cursors.items():
        first = tick(desk, instance, name, cursor)
        assert first.skip_message == "nothing is left to report"
        assert first.run_requests == []
        tick(desk, instance, name, first.cursor)
    assert [webhook.kinds(n) for n in range(len(webhook.bodies))] == [["failed"]]


def test_an_age_is_told_without_any_run(desk: Desk, instance, webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.run(DAY)
    assert tick(desk, instance, "alert_on_age").skip_message == "nothing is left to report"
    assert webhook.bodies == []
    monkeypatch.setenv("PULLTASKS_ALERTS__MAX_AGE", "0m")
    for _ in range(2):
        tick(desk, instance, "alert_on_age")
    assert len(webhook.bodies) == 1
    assert webhook.kinds() == ["no_complete_day"]


def test_a_webhook_that_refuses_is_said_in_the_tick(desk: Desk, instance, webhook) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    webhook.answers = [(404, b"")]
    result = execute(desk, instance)
    assert "127.0.0.1 answered HTTP 404; copy the address" in (sense(desk, instance, result.run_id) or "")


def test_no_secret_is_in_a_message_an_event_or_a_tick(desk: Desk, instance, webhook, capfd) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    webhook.answers = [(500, b"")]
    result = execute(desk, instance)
    said = [sense(desk, instance, result.run_id) or "", str(tick(desk, instance, "alert_on_age"))]
    texts = [*said, repr(instance.all_logs(result.run_id)), repr(result.all_events), "".join(capfd.readouterr())]
    texts += [body.decode() for body in webhook.bodies]
    assert "pulltasks" in texts[-1]
    for secret in (PLANTED_STREAM_KEY, PLANTED_TOKEN, AccessKey().sk, AccessKey().ak, TOKEN):
        assert not any(secret in text for text in texts), secret
