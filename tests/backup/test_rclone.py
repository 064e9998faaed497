"""What rclone is told and by what means, what its answers mean, how it is ended."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from backups import StandIn, backed_up, with_backup
from desk import Desk
from pulltasks.backup.rclone import rclone_for
from pulltasks.errors import BackupError, ConfigError

SECRET = "secret-of-the-store-0123456789abcdef"


def told(desk: Desk, standin: StandIn, section: str) -> dict:
    """What rclone is told when something is read from a store of some settings."""
    settings = replace(desk, extra=f"[backup]\n{section}\n").settings
    rclone_for(settings, settings.backup, "backup").is_empty()
    return standin.calls[-1]


def test_secrets_reach_it_as_variables_only(
    desk: Desk, standin: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    monkeypatch.setenv("PULLTASKS_BACKUP__ACCESS_KEY", "AK-of-the-store")
    monkeypatch.setenv("PULLTASKS_BACKUP__SECRET_KEY_FILE", str(secret))
    call = told(desk, standin, 'url = "s3://my-lake/prod"\nregion = "cn-north-4"')
    assert call["env"]["RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY"] == SECRET
    assert call["env"]["RCLONE_CONFIG_STORE_ACCESS_KEY_ID"] == "AK-of-the-store"
    assert "my-lake" not in str(call["argv"])
    assert SECRET not in str(call["argv"])
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.name not in {"secret", "log.ndjson"}]
    assert not any(SECRET in path.read_text(errors="replace") for path in left)


def test_without_a_key_of_its_own_it_gets_the_apis(desk: Desk, standin: StandIn) -> None:
    call = told(desk, standin, 'url = "s3://my-lake"\nregion = "cn-north-4"')
    assert call["env"]["RCLONE_CONFIG_STORE_ACCESS_KEY_ID"] == "SANDBOXACCESSKEY0001"


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            'url = "s3://my-lake/prod"\nregion = "cn-north-4"',
            {"PROVIDER": "HuaweiOBS", "ENDPOINT": "https://obs.cn-north-4.myhuaweicloud.com", "REGION": "cn-north-4"},
        ),
        (
            'url = "s3://my-lake/prod"\nendpoint = "https://s3.example.com"\nkind = "s3"',
            {"PROVIDER": "Other", "ENDPOINT": "https://s3.example.com", "REGION": "us-east-1"},
        ),
    ],
)
def test_a_store_is_named_by_its_kind(desk: Desk, standin: StandIn, section: str, expected: dict[str, str]) -> None:
    environment = told(desk, standin, section)["env"]
    assert {name: environment[f"RCLONE_CONFIG_STORE_{name}"] for name in expected} == expected
    assert environment["RCLONE_CONFIG_THERE_REMOTE"] == "store:my-lake/prod"


def test_the_users_own_remote_is_passed_through_with_the_users_own_variables(
    desk: Desk, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RCLONE_CONFIG_PASS", "of the user's file")
    environment = told(desk, standin, 'remote = "vault:lakes/prod"')["env"]
    assert environment["RCLONE_CONFIG_THERE_REMOTE"] == "vault:lakes/prod"
    assert environment["RCLONE_CONFIG_PASS"] == "of the user's file"
    assert "RCLONE_CONFIG" not in environment
    other = told(desk, standin, 'url = "s3://my-lake"\nregion = "cn-north-4"')["env"]
    assert (other["RCLONE_CONFIG"], "RCLONE_CONFIG_PASS" in other) == ("", False)


def test_it_sees_proxies_and_certificates_and_nothing_else_of_the_environment(
    desk: Desk, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_CA_BUNDLE", "AWS_PROFILE", "PULLTASKS_ALERTS__URLS", "https_proxy", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "/x")
    seen = set(told(desk, standin, 'url = "s3://my-lake"\nregion = "cn-north-4"')["env"])
    assert {"https_proxy", "SSL_CERT_FILE", "PATH"} <= seen
    assert not {name for name in seen if name.startswith(("AWS_", "PULLTASKS_", "HUAWEICLOUD_"))}


def test_where_it_is_missing_the_message_says_how_to_install_it(
    kept: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="apt-get install rclone"):
        backed_up(kept)


def test_it_is_ended_when_its_time_is_over(kept: Desk, standin: StandIn) -> None:
    for command in ("cat", "copy", "lsf"):
        standin.fail(command, 60)
        began = time.monotonic()
        with pytest.raises(BackupError, match="there was no more time"):
            backed_up(kept, seconds=1.5)
        assert time.monotonic() - began < 20


def test_a_list_that_names_a_file_twice_is_not_believed(kept: Desk, standin: StandIn) -> None:
    backed_up(kept)
    program = standin.folder / "rclone"
    program.write_text(program.read_text().replace("in files(folder)", "in 2 * files(folder)"))
    with pytest.raises(BackupError, match="has a name twice or does not end; nothing was compared"):
        backed_up(kept, full=True)


def test_without_any_key_nothing_is_started(desk: Desk, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"):
        monkeypatch.delenv(name)
    monkeypatch.setattr("pulltasks.huawei.auth.vendor_chain", lambda: None)
    with pytest.raises(ConfigError, match="PULLTASKS_BACKUP__ACCESS_KEY"):
        told(desk, standin, 'url = "s3://my-lake"\nregion = "cn-north-4"')
    assert standin.calls == []


def test_a_folder_that_is_not_there_is_not_made(kept: Desk, standin: StandIn, tmp_path: Path) -> None:
    desk = with_backup(kept, tmp_path / "other")
    (tmp_path / "other").rmdir()
    with pytest.raises(BackupError, match="create it, or mount the disk"):
        backed_up(desk)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (
            '[lake.mirror]\nurl = "s3://b/p"\nregion = "cn-north-4"',
            "lake.mirror: the mirror was removed; write [backup] url",
        ),
        ('[backup]\nurl = "s3://my-lake"', "backup: url needs a region"),
        ('[backup]\nurl = "ftp://x"', "is not a place for files"),
        ('[backup]\nurl = "/mnt/x"\nremote = "vault:x"', "url and remote are both set"),
        ('[backup]\nremote = ":s3,secret_access_key=x:b"', "is not a remote of rclone's own configuration"),
        ('[publish]\nurl = "/mnt/x"', "there is nothing to put there"),
        ('[publish]\ntables = true\nurl = "/mnt/x"\n[backup]\nurl = "/mnt/x"', "is the place of the backup"),
    ],
)
def test_a_mistake_in_the_settings_is_one_sentence(desk: Desk, extra: str, said: str) -> None:
    with pytest.raises(ConfigError) as told:
        assert replace(desk, extra=extra).settings
    (mistake,) = told.value.mistakes
    assert said in mistake
