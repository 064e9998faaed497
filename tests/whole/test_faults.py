"""The fault matrix: each way to go wrong, once; its verdict, reason and code, and the other target unharmed.

In every fault no planted secret appears in what is printed, kept beside the raw bodies, or published.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import fault_server
from desk import BEIJING, NAMES, SINGAPORE, write_config
from fault_server import misbehaving
from log_lines import without_log
from pulltasks.cli import main as cli
from pulltasks.lake.lake import Lake
from pulltasks.lake.raw import read_capture
from pulltasks.reasons import advice_on
from pulltasks.sandbox.accounts import AccessKey, User
from pulltasks.sandbox.data import PLANTED_STREAM_KEY, PLANTED_TOKEN, Place
from pulltasks.sandbox.server import FAULTS, Sandbox, serving
from pulltasks.warehouse.read.published import open_published

ATTEMPTS = 2
# Use a short timeout only where a timeout is expected: a busy machine must not look like one.
STALLED_SECONDS, PATIENT_SECONDS = 0.3, 5
SECRETS = (
    PLANTED_STREAM_KEY,
    PLANTED_TOKEN,
    AccessKey().ak,
    AccessKey().sk,
    "hush-hush",
    User().password,
    "sandbox-token-",
)


def snapshot(file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["pulltasks", "snapshot", "--config", str(file)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    return int(ended.value.code or 0), out + err


def coverage(lake: Lake) -> dict[str, tuple[str, str | None, str | None, int]]:
    with open_published(lake) as connection:
        rows = connection.sql(
            "select target_name, coverage, verdict_reason, error_code, requests from rpt_snapshot_coverage"
        ).fetchall()
        text = str(connection.sql("from rpt_snapshot_coverage").fetchall())
    assert not [secret for secret in SECRETS if secret in text]
    return {name: tuple(rest) for name, *rest in rows}


def check_no_secret(printed: str, lake: Lake) -> None:
    """Nothing printed, in no verdict, and nowhere in the published file's rows."""
    kept = "".join(str(read_capture(path, with_answers=False)) for path in (lake.root / "raw").glob("*/*/*.ndjson.zst"))
    with open_published(lake) as connection:
        names = [name for (name,) in connection.sql("select table_name from duckdb_tables()").fetchall()]
        published = "".join(str(connection.sql(f"from {name}").fetchall()) for name in names)
    for secret in SECRETS:
        assert secret not in printed + kept + published


def with_bad_targets(
    folder: Path, good_url: str, bad: dict[str, str], timeout_seconds: float = PATIENT_SECONDS
) -> Path:
    """A configuration with a good target and, by their names, some that are asked at other addresses."""
    extra = f"max_attempts = {ATTEMPTS}\ntimeout_seconds = {timeout_seconds}\n"
    file = write_config(folder, good_url, BEIJING, extra=extra)
    targets = [
        f'\n[[targets]]\nproject_id = "{n:032x}"\nregion = "{SINGAPORE.region}"\nname = "{name}"\nendpoint = "{url}"\n'
        for n, (name, url) in enumerate(bad.items(), 1)
    ]
    file.write_text(file.read_text() + "".join(targets))
    return file


MANNERS = [
    (fault_server.reset, "failed", "answer_damaged", None, ATTEMPTS),
    (fault_server.silence, "failed", "answer_damaged", None, ATTEMPTS),
    (fault_server.junk, "failed", "answer_damaged", None, ATTEMPTS),
    (fault_server.truncated_body, "failed", "answer_damaged", None, ATTEMPTS),
    (fault_server.bad_gzip, "failed", "answer_damaged", None, ATTEMPTS),
    (fault_server.redirect, "failed", "redirected", None, 1),
    (fault_server.throttled_until_a_date, "failed", "throttled", "APIGW.0308", 1),
    (fault_server.wrong_type, "incomplete", "answer_not_json_object", None, 3),
]
STALLING = [
    (fault_server.stalled_headers, "failed", "timed_out", None, ATTEMPTS),
    (fault_server.stalled_body, "failed", "timed_out", None, ATTEMPTS),
]
GOOD = [(fault_server.good_gzip, "complete", None, None, 2)]  # an empty list is read twice


@pytest.mark.parametrize(
    ("manners", "seconds"),
    [(MANNERS, PATIENT_SECONDS), (STALLING, STALLED_SECONDS), (GOOD, PATIENT_SECONDS)],
    ids=["broken", "stalling", "good"],
)
def test_a_broken_connection(tmp_path, capfd, monkeypatch, manners: list[tuple], seconds: float) -> None:
    with serving(Sandbox((BEIJING,))) as good, ExitStack() as stack:
        servers = {manner.__name__: stack.enter_context(misbehaving(manner)) for manner, *_ in manners}
        addresses = {name: address for name, (address, _) in servers.items()}
        exit_code, printed = snapshot(with_bad_targets(tmp_path, good, addresses, seconds), capfd, monkeypatch)
    lake = Lake(tmp_path / "lake")
    found = coverage(lake)
    assert found.pop("beijing")[0] == "complete"
    assert found == {manner.__name__: tuple(expected) for manner, *expected in manners}
    assert {name: len(heard) for name, (_, heard) in servers.items()} == {
        manner.__name__: requests for manner, *_, requests in manners
    }
    assert exit_code == (0 if manners == GOOD else 3)
    check_no_secret(printed, lake)


def test_nobody_at_the_address(tmp_path, capfd, monkeypatch) -> None:
    nobody = {"unreachable": "http://127.0.0.1:9", "endpoint_unresolved": "https://no-such-host.invalid"}
    with serving(Sandbox((BEIJING,))) as good:
        exit_code, printed = snapshot(with_bad_targets(tmp_path, good, nobody), capfd, monkeypatch)
    lake = Lake(tmp_path / "lake")
    assert coverage(lake) == {
        "beijing": ("complete", None, None, 3),
        **{reason: ("failed", reason, None, ATTEMPTS) for reason in nobody},
    }
    assert exit_code == 3
    check_no_secret(printed, lake)


WRONG_ANSWERS = [
    ("forbidden", "failed", "forbidden", "APIGW.0302", 1),
    ("project_unavailable", "failed", "project_unavailable", "APIGW.0310", 1),
    ("region_not_allowed", "failed", "region_not_allowed", "APIGW.0802", 1),
    ("unavailable", "failed", "service_unavailable", "APIGW.0613", ATTEMPTS),
    ("maintenance", "failed", "service_unavailable", "LIVE.100011008", ATTEMPTS),
    ("throttled", "failed", "throttled", "APIGW.0308", ATTEMPTS),
    ("empty_object", "incomplete", "answer_not_recognised", None, 3),
    ("html", "incomplete", "answer_not_json_object", None, 3),
    ("torn_json", "incomplete", "answer_not_json_object", None, 3),
    ("null_tasks", "incomplete", "tasks_null_beside_total", None, 3),
    ("short_page", "incomplete", "page_contradicts_total", None, None),
    ("capped", "incomplete", "page_contradicts_total", None, None),
    ("page_index", "complete", None, None, None),
    ("no_total", "complete", "total_missing", None, 3),
    ("churn", "complete", None, None, None),
    ("shuffled", "incomplete", None, None, None),
    ("lost", "complete", None, None, None),
]


@pytest.mark.parametrize("is_complete", [False, True])
def test_a_service_that_answers_wrongly(tmp_path, capfd, monkeypatch, is_complete: bool) -> None:
    """A target for each fault, and a good one beside them."""
    expected = {fault: rest for fault, *rest in WRONG_ANSWERS if (rest[0] == "complete") == is_complete}
    bad = {fault: Place(f"{n:032x}", SINGAPORE.region, 120, name=fault) for n, fault in enumerate(expected, 1)}
    sandbox = Sandbox(
        (BEIJING, *bad.values()), faults={(place.project_id, None): fault for fault, place in bad.items()}
    )
    monkeypatch.setattr("desk.NAMES", NAMES | {place.project_id: fault for fault, place in bad.items()})
    with serving(sandbox) as url:
        extra = f"max_attempts = {ATTEMPTS}\n"
        exit_code, printed = snapshot(write_config(tmp_path, url, *sandbox.places, extra=extra), capfd, monkeypatch)
    lake = Lake(tmp_path / "lake")
    found = coverage(lake)
    assert found.pop("beijing")[0] == "complete"
    for fault, (verdict, reason, code, requests) in expected.items():
        got = found.pop(fault)
        assert got == (verdict, reason or got[1], code, requests or got[3]), fault
        said = " ".join(without_log(printed).split())
        has_advice = f" ({got[1]})" in said and advice_on(got[1]) in said
        assert has_advice != is_complete, fault
    assert (found, exit_code) == ({}, 0 if is_complete else 3)
    check_no_secret(printed, lake)


def test_every_fault_of_the_sandbox_is_in_the_matrix() -> None:
    assert {fault for fault, *_ in WRONG_ANSWERS} == set(FAULTS)


@pytest.mark.parametrize(
    ("variables", "extra", "requests"),
    [
        ({"HUAWEICLOUD_SDK_SK": "hush-hush"}, "", 2),
        ({"PULLTASKS_AUTH__TOKEN": "hush-hush"}, '[auth]\nmethod = "token"\n', 2),
        (
            {"PULLTASKS_AUTH__PASSWORD": "hush-hush"},
            f'[auth]\nmethod = "password"\nuser = "{User().name}"\ndomain = "{User().domain}"\n',
            1,
        ),
    ],
    ids=["key", "token", "password"],
)
def test_a_bad_credential_costs_one_request_and_one_for_another_project(
    tmp_path, capfd, monkeypatch, variables, extra: str, requests: int
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    sandbox = Sandbox((BEIJING, SINGAPORE))
    with serving(sandbox) as url:
        exit_code, printed = snapshot(write_config(tmp_path, url, *sandbox.places, extra=extra), capfd, monkeypatch)
    lake = Lake(tmp_path / "lake")
    assert (exit_code, len(sandbox.log)) == (3, requests)
    assert {(cover, reason) for cover, reason, *_ in coverage(lake).values()} == {("failed", "credential_refused")}
    check_no_secret(printed, lake)


def test_of_two_credentials_the_bad_one_does_not_touch_the_good(tmp_path, capfd, monkeypatch) -> None:
    monkeypatch.setenv("OTHER_HUAWEICLOUD_SDK_AK", "OTHERACCESSKEY000001")
    monkeypatch.setenv("OTHER_HUAWEICLOUD_SDK_SK", "hush-hush")
    sandbox = Sandbox((BEIJING, SINGAPORE))
    with serving(sandbox) as url:
        file = write_config(tmp_path, url, *sandbox.places, extra='[auth.other]\nenv_prefix = "OTHER_"\n')
        file.write_text(file.read_text() + 'credential = "other"\n')
        exit_code, printed = snapshot(file, capfd, monkeypatch)
    lake = Lake(tmp_path / "lake")
    found = coverage(lake)
    assert (exit_code, found["beijing"][0], found["singapore"][:2]) == (3, "complete", ("failed", "credential_refused"))
    check_no_secret(printed, lake)


def test_a_skewed_clock_is_corrected_and_said(tmp_path, capfd, monkeypatch) -> None:
    is_morning = dt.datetime.now(dt.UTC).hour < 12
    skew = dt.timedelta(minutes=20 if is_morning else -20)  # which leads to no other day
    sandbox = Sandbox((BEIJING,), now=lambda: dt.datetime.now(dt.UTC) + skew)
    with serving(sandbox) as url:
        exit_code, printed = snapshot(write_config(tmp_path, url, BEIJING), capfd, monkeypatch)
    assert exit_code == 0
    assert [status for *_, status in sandbox.log] == [401, 200, 200, 200]
    assert "clock" in printed
    assert "20 minutes" in printed


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that nobody has signed but itself."""
    folder = tmp_path_factory.mktemp("certificate")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*pem))
    return str(folder / "cert.pem"), str(folder / "key.pem")


@pytest.mark.parametrize("is_trusted", [False, True])
def test_a_certificate_is_checked_against_the_environments_authorities(
    tmp_path, monkeypatch, certificate, is_trusted: bool
) -> None:
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    with serving(Sandbox((BEIJING,)), certificate) as url:
        file = write_config(tmp_path, url, BEIJING, extra="max_attempts = 1\n")
        # the process of a verb, for which aiohttp is imported without certificates
        run = "import sys; from pulltasks.cli.main import command; command()"
        command = [sys.executable, "-c", run, "snapshot", "--config", str(file)]
        child = subprocess.run(command, capture_output=True, text=True, check=False)
    verdict, reason, *_ = coverage(Lake(tmp_path / "lake"))["beijing"]
    assert (child.returncode, verdict, reason) == ((0, "complete", None) if is_trusted else (3, "failed", "tls_failed"))
    assert is_trusted or "SSL_CERT_FILE" in child.stdout + child.stderr


def test_a_proxy_of_the_environment_is_used_but_not_for_this_machine(tmp_path, capfd, monkeypatch) -> None:
    def refuse(connection) -> None:
        fault_server._whole(connection, b"502 Bad Gateway", b"<html>no way out</html>")

    with serving(Sandbox((BEIJING,))) as good, misbehaving(refuse) as (proxy, heard):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("HTTP_PROXY", proxy)
        file = with_bad_targets(tmp_path, good, {"bad": "https://live.{region}.myhuaweicloud.com"})
        exit_code, _ = snapshot(file, capfd, monkeypatch)
    assert exit_code == 3
    assert {request.split(b"\r\n")[0] for request in heard} == {
        b"CONNECT live.ap-southeast-3.myhuaweicloud.com:443 HTTP/1.1"
    }
    found = coverage(Lake(tmp_path / "lake"))
    assert (found["beijing"][0], found["bad"][:2]) == ("complete", ("failed", "unreachable"))
