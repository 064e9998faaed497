"""`doctor` and `init`: what they ask, what they say, and what they never show or overwrite."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from desk import BEIJING, SINGAPORE, Desk
from pulltasks import config
from pulltasks.cli import main as cli
from pulltasks.doctor.targets import first_configuration, projects_of_regions
from pulltasks.sandbox.accounts import AccessKey, User
from pulltasks.sandbox.data import PLANTED_STREAM_KEY, PLANTED_TOKEN, Place
from pulltasks.sandbox.server import Sandbox, serving
from sentences import faults_of

MAX_REQUESTS = 8


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def go(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["pulltasks", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        for secret in (PLANTED_STREAM_KEY, PLANTED_TOKEN, AccessKey().ak, AccessKey().sk, "hush-hush"):
            assert secret not in out + err
        return int(ended.value.code or 0), out + err

    return go


def reports(desk: Desk, run) -> tuple[int, dict[str, dict[str, tuple[str, str | None]]]]:
    code, out = run("doctor", "--config", desk.config_file, "--format", "json")
    findings = [finding for report in json.loads(out) for finding in report["findings"]]
    # what is not set may be sent as null
    answers = [f["answer"] for f in findings if f["question"] != "not set is sent as"]
    assert not [wrong for answer in answers for wrong in faults_of(answer)]
    return code, {
        report["target"].split(" ")[0]: {f["question"]: (f["answer"], f["advice"]) for f in report["findings"]}
        for report in json.loads(out)
    }


def test_a_healthy_account_gets_answers_to_every_question_in_few_requests(desk: Desk, run) -> None:
    code, found = reports(desk, run)
    assert code == 0
    answers = {question: answer for question, (answer, _) in found["beijing"].items()}
    status = answers.pop("status seen")
    assert {word.split(" ")[0] for word in status.split(", ")} <= {"enable", "finish", "suspend", "wait"}
    assert answers.pop("latency").endswith(" ms")
    assert answers.pop("not set is sent as").startswith('"" ')
    assert answers == {
        "credential": "default: environment (HUAWEICLOUD_SDK_AK or CLOUD_SDK_AK)",
        "clock": "agrees with the service's",
        "signature": "accepted",
        "permission live:stream:listPullTask": "granted",
        "limit 100": "accepted",
        "total": answers["total"],
        "offset counts": "rows",
        "limit 101": "refused (400 LIVE.100011001)",
        "offset past the end": "accepted, 0 rows",
        "without region": "the same total",
        "answer to an unknown id": "404 LIVE.100011001",
        "answer to a known id": "that task",
        "sorted by (first page)": "create_time",
        "zone of create_time": "Z",
    }
    assert len(desk.sandbox.log) <= MAX_REQUESTS * len(desk.places)
    assert not desk.lake.root.exists()


def test_each_trouble_gets_one_line_of_advice(desk: Desk, run) -> None:
    desk.sandbox.faults[BEIJING.project_id, None] = "forbidden"
    desk.sandbox.faults[SINGAPORE.project_id, None] = "page_index"
    code, found = reports(desk, run)
    assert code == 3
    assert found["beijing"]["signature"] == ("accepted", None)
    assert found["beijing"]["listing"][0] == "refused: HTTP 403 APIGW.0302 (forbidden)"
    assert "grant live:stream:listPullTask" in found["beijing"]["listing"][1]
    assert found["singapore"]["offset counts"] == ("pages: listings are then proved by two sweeps that agree", None)


@pytest.mark.parametrize("fault", ["page_index", "no_total"])
def test_what_needs_nothing_to_be_done_is_no_trouble(desk: Desk, run, fault: str) -> None:
    desk.sandbox.faults[BEIJING.project_id, None] = fault
    code, found = reports(desk, run)
    assert code == 0
    assert not [question for question, (_, advice) in found["beijing"].items() if advice]
    assert found["beijing"]["offset counts"][0].startswith("pages" if fault == "page_index" else "rows")


@pytest.mark.parametrize("fault", ["html", "torn_json", "empty_object", "null_tasks", "short_page"])
def test_an_answer_that_is_no_listing_is_a_trouble_with_advice(desk: Desk, run, fault: str) -> None:
    desk.sandbox.faults[BEIJING.project_id, None] = fault
    code, found = reports(desk, run)
    assert code == 3
    question = "page at offset 1" if fault == "short_page" else "first page"
    assert found["beijing"][question][1]
    assert found["singapore"]["offset counts"] == ("rows", None)


def test_a_wrong_key_is_found_with_a_request_for_each_of_two_projects(
    desk: Desk, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "hush-hush")
    code, found = reports(desk, run)
    assert (code, len(desk.sandbox.log)) == (3, 2)
    assert found["beijing"]["signature"][0] == "refused: HTTP 401 APIGW.0301"
    assert "check the access key" in found["beijing"]["signature"][1]


def test_of_a_target_that_was_not_asked_nothing_is_said_but_that(
    tmp_path: Path, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = tuple(Place(f"{n:032x}", "cn-north-4", 5, name=f"t{n}") for n in range(4))
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "hush-hush")
    sandbox = Sandbox(places)
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, places)
        code, out = run("doctor", "--config", desk.config_file, "--format", "json")
        _, probed = run("doctor", "--config", desk.config_file, "--probe")
    said = [{f["question"]: f["answer"] for f in each["findings"]} for each in json.loads(out)[1:]]
    not_asked = "not asked: its credential was refused before"
    assert (code, ["signature" in each for each in said].count(True)) == (3, 1)
    assert [each["answers"] for each in said if each.keys() == {"credential", "answers"}] == [not_asked] * 3
    assert probed.count(not_asked) == 3


@pytest.mark.parametrize("count", [0, 1, 2])
def test_doctor_is_right_for_none_one_and_many(tmp_path: Path, run, count: int) -> None:
    place = replace(BEIJING, task_count=count)
    sandbox = Sandbox((place,))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, (place,))
        reports(desk, run)
        desk.run(date(2026, 11, 22))
        _, found = reports(desk, run)
    assert "1 target, " in found["lake"]["memory"][0]
    assert found["lake"]["manifests"][0] == "1 day readable"


def test_a_skewed_clock_is_named(desk: Desk, run) -> None:
    desk.sandbox.now = lambda: datetime.now(UTC) + timedelta(minutes=3)
    _, found = reports(desk, run)
    assert found["beijing"]["clock"][1] == "set this machine's clock (NTP)"
    assert found["beijing"]["clock"][0].startswith(("+180 s", "+179 s"))


def test_a_list_of_one_page_does_not_tell_what_offsets_count(tmp_path: Path, run) -> None:
    sandbox = Sandbox((replace(BEIJING, task_count=20),))
    with serving(sandbox) as url:
        _, found = reports(Desk(sandbox, url, tmp_path, sandbox.places), run)
    assert found["beijing"]["offset counts"][0] == "unknown (the list fits on one page)"


def test_the_report_for_maintainers_names_no_task_no_target_and_no_address(desk: Desk, run, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    run("doctor", "--config", desk.config_file, "--report", file)
    text = file.read_text(encoding="utf-8")
    beijing, singapore = json.loads(text)["targets"]
    if "limit 100" not in beijing:
        beijing, singapore = singapore, beijing
    assert {"offset counts", "sorted by (first page)", "total", "offset past the end", "clock"} <= beijing.keys()
    assert {"without region", "status seen", "not set is sent as", "answer to an unknown id"} <= beijing.keys()
    assert singapore["listing"] == "refused: HTTP 403 APIGW.0302 (forbidden)"
    for secret in (BEIJING.project_id, SINGAPORE.project_id, "beijing", "singapore", desk.url, "127.0.0.1"):
        assert secret not in text
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", text)  # no id of a task


def test_the_report_can_be_read_as_text(desk: Desk, run) -> None:
    code, out = run("doctor", "--config", desk.config_file)
    assert (code, "beijing" in out, "  offset counts: rows" in out) == (0, True, True)


@pytest.mark.parametrize("method", ["chain", "password"])
def test_init_writes_what_the_credential_may_see_and_never_overwrites(
    tmp_path: Path, run, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    sub = Place("11112222333344445555666677778888", "cn-north-4", 5, name="cn-north-4_studio")
    with serving(Sandbox((BEIJING, SINGAPORE, sub))) as url:
        monkeypatch.setenv("PULLTASKS_API__IAM_ENDPOINT", url)
        if method == "password":
            for name, value in {
                "METHOD": "password",
                "USER": User().name,
                "DOMAIN": User().domain,
                "PASSWORD": User().password,
            }.items():
                monkeypatch.setenv(f"PULLTASKS_AUTH__{name}", value)
        file = tmp_path / "pulltasks.toml"
        code, out = run("init", "--config", file)
        assert (code, "wrote" in out, "run `pulltasks doctor`" in out) == (0, True, True)
        settings = config.load(file)
        assert [(t.project_id, t.region, t.name) for t in settings.targets] == [
            (SINGAPORE.project_id, "ap-southeast-3", "ap-southeast-3"),
            (BEIJING.project_id, "cn-north-4", "cn-north-4"),
            (sub.project_id, "cn-north-4", "cn-north-4_studio"),
        ]
        before = file.read_bytes()
        code, out = run("init", "--config", file)
    assert (code, "exists already" in out, file.read_bytes()) == (2, True, before)


def test_init_writes_the_settings_it_was_run_with_and_no_secret(
    tmp_path: Path, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "token"
    secret.write_text("hush-hush-1")
    given = {
        "TIMEZONE": "Asia/Shanghai",
        "API__PAGE_SIZE": "50",
        "API__REQUESTS_PER_SECOND": "7.5",
        "LAKE__ROOT": "my lake",
        "LAKE__NAME": "l007",
        "DASHBOARD__ENABLED": "false",
        "ALERTS__MAX_AGE": "30h",
        "ALERTS__WEBHOOK": "https://example.com/hush-hush-2",
        "AUTH__OTHER__ENV_PREFIX": "OTHER_",
        "AUTH__OTHER__TOKEN_FILE": str(secret),
    }
    with serving(Sandbox((BEIJING,))) as url:
        for name, value in {**given, "API__ENDPOINT": url, "API__IAM_ENDPOINT": url}.items():
            monkeypatch.setenv(f"PULLTASKS_{name}", value)
        file = tmp_path / "mine.toml"
        monkeypatch.setenv("PULLTASKS_CONFIG", str(file))
        code, out = run("init")
    assert (code, f"wrote {file}" in out) == (0, True)
    in_this_shell = config.load(file)
    for name in (*given, "API__ENDPOINT", "API__IAM_ENDPOINT"):
        monkeypatch.delenv(f"PULLTASKS_{name}")
    assert "hush" not in file.read_text()
    in_a_fresh_shell = config.load()
    for section in ("timezone", "lake", "api", "dashboard", "warehouse"):
        assert getattr(in_a_fresh_shell, section) == getattr(in_this_shell, section)
    assert in_a_fresh_shell.alerts.max_age == in_this_shell.alerts.max_age
    other = in_a_fresh_shell.auth.named["other"]
    assert (other.env_prefix, other.token and other.token.read()) == ("OTHER_", "hush-hush-1")


def test_init_with_a_wrong_key_writes_nothing(tmp_path: Path, run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "hush-hush")
    sandbox = Sandbox((BEIJING,))
    with serving(sandbox) as url:
        monkeypatch.setenv("PULLTASKS_API__IAM_ENDPOINT", url)
        code, out = run("init", "--config", tmp_path / "pulltasks.toml")
    assert (code, "check the access key" in out, len(sandbox.log)) == (1, True, 1)
    assert not (tmp_path / "pulltasks.toml").exists()


def test_pseudo_projects_and_disabled_ones_are_left_out() -> None:
    projects = [
        {"id": "a" * 32, "name": "MOS", "enabled": True},
        {"id": "b" * 32, "name": "cn-north-4", "enabled": True},
        {"id": "c" * 32, "name": "cn-north-4_x_y"},
        {"id": "d" * 32, "name": "eu-west-101", "enabled": False},
    ]
    assert projects_of_regions(projects) == [
        ("b" * 32, "cn-north-4", "cn-north-4"),
        ("c" * 32, "cn-north-4", "cn-north-4_x_y"),
    ]


NAMES = ["cn-north-4", "cn-north-4_a\x7fb", 'cn-north-4_"\n[api]', "cn-north-4_\\u0022", "cn-north-4_频道\x1b[2J"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_text_of_the_configuration_and_nothing_else(name: str) -> None:
    text = first_configuration(projects_of_regions([{"id": BEIJING.project_id, "name": name}]))
    (target,) = tomllib.loads(text)["targets"]
    assert target == {"project_id": BEIJING.project_id, "region": "cn-north-4", "name": name}


@pytest.mark.parametrize(
    "project_id", ['0"\nregion = "x', "../../etc", "", BEIJING.project_id.upper(), SINGAPORE.project_id + "\n"]
)
def test_what_is_no_project_id_is_no_target(project_id: str) -> None:
    assert projects_of_regions([{"id": project_id, "name": "cn-north-4"}]) == []
