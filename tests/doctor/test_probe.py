"""`doctor --probe`: at most six requests a target, each a GET of the list; the lake keeps what was learnt, no secret."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from desk import BEIJING, SINGAPORE, Desk
from mannered import MannerlySandbox, Service, refused
from pulltasks.doctor.probe import MAX_REQUESTS
from pulltasks.lake.manners import MANNERS, read_manners
from pulltasks.sandbox.accounts import User
from pulltasks.sandbox.replies import Reply
from pulltasks.sandbox.server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "S3CR3T"
KEYS = {f"{place.project_id}/{place.region}" for place in (BEIJING, SINGAPORE)}


class RefusedFirst(MannerlySandbox):
    """One of its answers is a 401 that another token cures: the first one."""

    refused = 0

    def _page(self, request: Any, project_id: str) -> Reply:
        is_refused = len(self.listings) == self.refused
        return Reply(*refused(401, "APIGW.0307")) if is_refused else super()._page(request, project_id)

    @property
    def listings(self) -> list[tuple[str, str, str, int]]:
        """The answers to requests for the list."""
        return [line for line in self.log if line[1].startswith("/v1/")]


class RefusedLast(RefusedFirst):
    """The sixth one."""

    refused = MAX_REQUESTS - 1


@contextmanager
def mannerly(folder: Path, service: Service, kind: type[MannerlySandbox] = MannerlySandbox) -> Iterator[Desk]:
    sandbox = kind((BEIJING,), service=service)
    with serving(sandbox) as url:
        yield Desk(sandbox, url, folder, sandbox.places)


def requests(desk: Desk) -> Counter[str]:
    assert {(method, path.rpartition("/v1/")[0]) for method, path, _, _ in desk.sandbox.log} <= {("GET", "")}
    return Counter(path.split("/")[2] for _, path, _, _ in desk.sandbox.log)


def findings(out: str, target: str) -> dict[str, str]:
    (report,) = [report for report in json.loads(out) if report["target"].startswith(target)]
    return {finding["question"]: finding["answer"] for finding in report["findings"]}


def probe(desk: Desk, command, *options: object) -> tuple[int, str]:
    code, out, err = command("doctor", "--probe", "--config", desk.config_file, *options)
    assert "Traceback" not in err
    return code, out


def test_the_sandbox_is_probed_and_the_lake_keeps_it_for_its_owner_alone(desk: Desk, command) -> None:
    code, out = probe(desk, command, "--format", "json")
    assert code == 0
    assert requests(desk) == {BEIJING.project_id: MAX_REQUESTS, SINGAPORE.project_id: MAX_REQUESTS}
    known, trouble = read_manners(desk.lake)
    assert (known.keys(), trouble, desk.lake.manners.stat().st_mode & 0o777) == (KEYS, None, 0o600)
    for probed in known.values():
        manners = probed.manners
        assert manners.reasons == {"region_filters": "refused: HTTP 403, project_unavailable"}
        assert (manners.by_unknown_id, manners.past_the_end, manners.offset_unit) == ("404", "empty", "rows")
    assert findings(out, "beijing")["offset_unit"] == "rows"
    assert findings(out, "beijing")["undocumented_fields"] == "none in these answers"


@pytest.mark.parametrize(("fault", "unit"), [("page_index", "pages"), ("no_total", "rows"), ("shuffled", "unknown")])
def test_a_fault_of_the_sandbox_shows_in_its_manners(desk: Desk, command, fault: str, unit: str) -> None:
    desk.sandbox.faults[BEIJING.project_id, None] = fault
    probe(desk, command)
    known, _ = read_manners(desk.lake)
    assert {key.split("/")[0]: p.manners.offset_unit for key, p in known.items()} == {
        BEIJING.project_id: unit,
        SINGAPORE.project_id: "rows",
    }


@pytest.mark.parametrize("fault", ["throttled", "unavailable", "maintenance", "forbidden", "html", "empty_object"])
def test_a_target_that_gives_no_list_is_asked_once_and_has_advice(desk: Desk, command, fault: str) -> None:
    desk.sandbox.faults[BEIJING.project_id, None] = fault
    code, _ = probe(desk, command)
    assert requests(desk) == {BEIJING.project_id: 1, SINGAPORE.project_id: MAX_REQUESTS}
    known, _ = read_manners(desk.lake)
    assert known[f"{BEIJING.project_id}/{BEIJING.region}"].manners.has_learnt_nothing
    assert code == 3


def test_a_refused_credential_ends_the_probe_and_what_was_learnt_before_stays(
    desk: Desk, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe(desk, command)
    learnt = read_manners(desk.lake)
    desk.sandbox.log.clear()
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "hush-hush")
    code, out = probe(desk, command)
    # one for another project, as the key has proven nothing
    assert (code, len(desk.sandbox.log), "check the access key" in out) == (3, 2, True)
    assert read_manners(desk.lake) == learnt


def test_a_refusal_on_the_way_ends_the_probe(tmp_path: Path, command) -> None:
    with mannerly(tmp_path, Service(past_the_end=refused(401, "APIGW.0301"))) as desk:
        probe(desk, command)
        assert requests(desk) == {BEIJING.project_id: 3}
    ((_, probed),) = read_manners(desk.lake)[0].items()
    assert probed.manners.reasons.pop("past_the_end") == "refused: HTTP 401, target_unauthorised"
    assert {*probed.manners.reasons.values()} == {"not answered before the probe ended"}


@pytest.mark.parametrize("kind", [RefusedFirst, RefusedLast])
def test_a_second_try_after_a_refused_token_counts(
    tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch, kind: type[RefusedFirst]
) -> None:
    user = User()
    named = {"METHOD": "password", "USER": user.name, "DOMAIN": user.domain, "PASSWORD": user.password}
    for name, value in named.items():
        monkeypatch.setenv(f"PULLTASKS_AUTH__{name}", value)
    with mannerly(tmp_path, Service(), kind) as desk:
        monkeypatch.setenv("PULLTASKS_API__IAM_ENDPOINT", desk.url)
        assert probe(desk, command)[0] == 0
        assert [status for *_, status in desk.sandbox.listings].count(401) == 1
        assert len(desk.sandbox.listings) == MAX_REQUESTS
    ((_, probed),) = read_manners(desk.lake)[0].items()
    assert probed.manners.reasons == {"region_filters": "not answered before the probe ended"}


SPOILT = {
    "unknown_id": refused(404, f"LIVE.{SECRET}", f"no task, token {SECRET}"),
    "past_the_end": refused(400, SECRET, f"rtmp://h/live/{SECRET}"),
    "region": refused(403, "APIGW.0310", f"Authorization: Basic {SECRET}"),
    "beside": {f"token={SECRET}": SECRET, "note": SECRET, SECRET: 1},
    "in_a_task": {"update_time": SECRET, f"rtmp://h/live/{SECRET}": 1, "source_urls": [f"rtmp://h/live/{SECRET}"]},
}


def test_no_secret_of_an_answer_and_no_id_reaches_file_terminal_or_report(tmp_path: Path, command) -> None:
    report = tmp_path / "report.json"
    with mannerly(tmp_path, Service(**SPOILT)) as desk:
        _, out, err = command("doctor", "--probe", "--config", desk.config_file, "--report", report)
    written, sent = desk.lake.manners.read_text(encoding="utf-8"), report.read_text(encoding="utf-8")
    assert SECRET not in out + err + written + sent
    assert "update_time" in out
    (of_the_target,) = json.loads(sent)["targets"]
    assert of_the_target["requests"] == f"{MAX_REQUESTS} of at most {MAX_REQUESTS}"
    (manners,) = json.loads(sent)["manners"]
    assert manners["manners"]["undocumented_fields"] == ["(answer).note", "update_time", "***"]
    assert manners["manners"]["past_the_end"] == "refused"
    for private in (BEIJING.project_id, BEIJING.region, "beijing", desk.url, "t19"):
        assert private not in sent


def test_status_names_what_is_unknown(desk: Desk, command) -> None:
    command("snapshot", "--config", desk.config_file)
    arguments = ("status", "--config", desk.config_file)
    assert "not probed: how the service answers; run `pulltasks doctor --probe`\n" in command(*arguments)[1]
    unprobed = json.loads(command(*arguments, "--format", "json")[1])["manners"]
    assert {"/".join((m["project_id"], m["region"])) for m in unprobed} == KEYS
    assert {(m["probed_at"], m["offset_unit"], *m["reasons"]) for m in unprobed} == {(None, "unknown", *MANNERS)}
    probe(desk, command)
    assert "unknown about the service: region_filters at 2 of 2 targets; " in command(*arguments)[1]
    assert "unknown" not in command(*arguments, "--max-age", "26h")[1]
    probed = json.loads(command(*arguments, "--format", "json")[1])["manners"]
    assert {(m["offset_unit"], *m["reasons"]) for m in probed} == {("rows", "region_filters")}


def test_a_damaged_file_is_one_sentence_and_the_next_probe_replaces_it(desk: Desk, command) -> None:
    command("snapshot", "--config", desk.config_file)
    for damage in (b"", b'{"a/b": {"probed_at": "S3CR3T"}}', b'{"a/b": 1', b"[]", b"\xff\xfe"):
        desk.lake.manners.write_bytes(damage)
        code, out, err = command("status", "--config", desk.config_file)
        assert (code, "not probed" in out, SECRET in err) == (0, True, False)
        assert err.endswith(
            "manners.json: cannot be read; remove it, and run `pulltasks doctor --probe` to write it again\n"
        )
    probe(desk, command)
    assert read_manners(desk.lake)[0].keys() == KEYS


def test_while_a_run_holds_the_lake_the_manners_are_shown_and_not_kept(desk: Desk, command) -> None:
    desk.lake.prepare()
    with desk.lake.lock():
        code, out = probe(desk, command)
    assert (code, "another run is writing" in out, "offset_unit: rows" in out) == (3, True, True)
    assert not desk.lake.manners.exists()


def test_targets_that_are_not_probed_keep_their_manners(desk: Desk, command, tmp_path: Path) -> None:
    probe(desk, command)
    before, _ = read_manners(desk.lake)
    probe(Desk(desk.sandbox, desk.url, tmp_path, (BEIJING,)), command)
    after, _ = read_manners(desk.lake)
    singapore = f"{SINGAPORE.project_id}/{SINGAPORE.region}"
    assert (after.keys(), after[singapore]) == (KEYS, before[singapore])
