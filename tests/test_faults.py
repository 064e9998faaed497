"""The fault matrix: each way to go wrong, once; its verdict, reason and code, and the other target unharmed.

In every fault no planted secret appears in what is printed, kept beside the raw bodies, or published.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import fault_server
from conftest import BEIJING, SINGAPORE, write_config
from fault_server import misbehaving
from pulltasks.cli import main as cli
from pulltasks.lake.lake import Lake
from pulltasks.lake.raw import read_capture
from pulltasks.sandbox.data import PLANTED_STREAM_KEY, PLANTED_TOKEN
from pulltasks.sandbox.server import FAULTS, AccessKey, Sandbox, User, serving
from pulltasks.warehouse.published import open_published
from sampling import sampled

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


def with_bad_target(folder: Path, good_url: str, bad_url: str, timeout_seconds: float = PATIENT_SECONDS) -> Path:
    """A configuration with a good target and one that is asked at another address."""
    extra = f"max_attempts = {ATTEMPTS}\ntimeout_seconds = {timeout_seconds}\n"
    file = write_config(folder, good_url, BEIJING, extra=extra)
    bad = f'\n[[targets]]\nproject_id = "{SINGAPORE.project_id}"\nregion = "{SINGAPORE.region}"\nname = "bad"\nendpoint = "{bad_url}"\n'
    file.write_text(file.read_text() + bad)
    return file


@pytest.mark.parametrize(
    ("manner", "verdict", "reason", "code", "requests"),
    sampled(
        [
            (fault_server.reset, "failed", "answer_damaged", None, ATTEMPTS),
            (fault_server.silence, "failed", "answer_damaged", None, ATTEMPTS),
            (fault_server.junk, "failed", "answer_damaged", None, ATTEMPTS),
            (fault_server.stalled_headers, "failed", "timed_out", None, ATTEMPTS),
            (fault_server.stalled_body, "failed", "timed_out", None, ATTEMPTS),
            (fault_server.truncated_body, "failed", "answer_damaged", None, ATTEMPTS),
            (fault_server.bad_gzip, "failed", "answer_damaged", None, ATTEMPTS),
            (fault_server.redirect, "failed", "redirected", None, 1),
            (fault_server.throttled_until_a_date, "failed", "throttled", "APIGW.0308", 1),
            (fault_server.wrong_type, "incomplete", "answer_not_json_object", None, 3),
            (fault_server.good_gzip, "complete", None, None, 1),
        ],
        0,
        4,
        10,
    ),
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_broken_connection(tmp_path, capfd, monkeypatch, manner, verdict, reason, code, requests) -> None:
    seconds = STALLED_SECONDS if reason == "timed_out" else PATIENT_SECONDS
    with serving(Sandbox((BEIJING,))) as good, misbehaving(manner) as (bad, heard):
        exit_code, printed = snapshot(with_bad_target(tmp_path, good, bad, seconds), capfd, monkeypatch)
    lake = Lake(tmp_path / "lake")
    found = coverage(lake)
    assert found["beijing"][0] == "complete"
    assert found["bad"] == (verdict, reason, code, requests)
    assert len(heard) == requests
    assert exit_code == (0 if verdict == "complete" else 3)
    check_no_secret(printed, lake)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:9", "unreachable"),
        ("https://no-such-host.invalid", "endpoint_unresolved"),
    ],
)
def test_nobody_at_the_address(tmp_path, capfd, monkeypatch, address: str, reason: str) -> None:
    with serving(Sandbox((BEIJING,))) as good:
        exit_code, printed = snapshot(with_bad_target(tmp_path, good, address), capfd, monkeypatch)
    lake = Lake(tmp_path / "lake")
    assert coverage(lake) == {
        "beijing": ("complete", None, None, 3),
        "bad": ("failed", reason, None, ATTEMPTS),
    }
    assert exit_code == 3
    check_no_secret(printed, lake)


@pytest.mark.parametrize(
    ("fault", "verdict", "reason", "code", "requests"),
    sampled(
        [
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
            ("lost", "complete", None, None, 2),
        ],
        0,
        6,
        9,
        15,
    ),
)
def test_a_service_that_answers_wrongly(tmp_path, capfd, monkeypatch, fault, verdict, reason, code, requests) -> None:
    sandbox = Sandbox((BEIJING, SINGAPORE), faults={(SINGAPORE.project_id, None): fault})
    with serving(sandbox) as url:
        extra = f"max_attempts = {ATTEMPTS}\n"
        exit_code, printed = snapshot(write_config(tmp_path, url, *sandbox.places, extra=extra), capfd, monkeypatch)
    lake = Lake(tmp_path / "lake")
    found = coverage(lake)
    assert found["beijing"][0] == "complete"
    assert found["singapore"][0] == verdict
    assert found["singapore"][1:3] == (reason or found["singapore"][1], code)
    assert requests in {None, found["singapore"][3]}
    assert exit_code == (0 if verdict == "complete" else 3)
    assert (verdict == "complete") != ("singapore (" in printed)  # a line of advice for what is not complete
    check_no_secret(printed, lake)


def test_every_fault_of_the_sandbox_is_in_the_matrix() -> None:
    (mark,) = test_a_service_that_answers_wrongly.pytestmark
    assert {getattr(case, "values", case)[0] for case in mark.args[1]} == set(FAULTS)


@pytest.mark.parametrize(
    ("variables", "extra", "requests"),
    [
        ({"HUAWEICLOUD_SDK_SK": "hush-hush"}, "", 1),
        ({"PULLTASKS_AUTH__TOKEN": "hush-hush"}, '[auth]\nmethod = "token"\n', 1),
        (
            {"PULLTASKS_AUTH__PASSWORD": "hush-hush"},
            f'[auth]\nmethod = "password"\nuser = "{User().name}"\ndomain = "{User().domain}"\n',
            1,
        ),
    ],
    ids=["key", "token", "password"],
)
def test_a_bad_credential_costs_one_request(tmp_path, capfd, monkeypatch, variables, extra: str, requests: int) -> None:
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
    ahead = dt.timedelta(minutes=20)
    sandbox = Sandbox((BEIJING,), now=lambda: dt.datetime.now(dt.UTC) + ahead)
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
    tmp_path, capfd, monkeypatch, certificate, is_trusted: bool
) -> None:
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    with serving(Sandbox((BEIJING,)), certificate) as url:
        extra = f"max_attempts = {ATTEMPTS}\n"
        exit_code, printed = snapshot(write_config(tmp_path, url, BEIJING, extra=extra), capfd, monkeypatch)
    verdict, reason, *_ = coverage(Lake(tmp_path / "lake"))["beijing"]
    assert (exit_code, verdict, reason) == ((0, "complete", None) if is_trusted else (3, "failed", "tls_failed"))
    assert is_trusted or "SSL_CERT_FILE" in printed


def test_a_proxy_of_the_environment_is_used_but_not_for_this_machine(tmp_path, capfd, monkeypatch) -> None:
    def refuse(connection) -> None:
        fault_server._whole(connection, b"502 Bad Gateway", b"<html>no way out</html>")

    with serving(Sandbox((BEIJING,))) as good, misbehaving(refuse) as (proxy, heard):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("HTTP_PROXY", proxy)
        file = with_bad_target(tmp_path, good, "https://live.{region}.myhuaweicloud.com")
        exit_code, _ = snapshot(file, capfd, monkeypatch)
    assert exit_code == 3
    assert {request.split(b"\r\n")[0] for request in heard} == {
        b"CONNECT live.ap-southeast-3.myhuaweicloud.com:443 HTTP/1.1"
    }
    found = coverage(Lake(tmp_path / "lake"))
    assert (found["beijing"][0], found["bad"][:2]) == ("complete", ("failed", "unreachable"))
