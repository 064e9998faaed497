"""Secrets: given as they are or by a file, read in one way, shown by nothing."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pulltasks import config
from pulltasks.errors import ConfigError
from pulltasks.secret import Secret, secrets_of
from pulltasks.settings import CredentialSettings, Settings

ADDRESS = "https://h.example.com/hush-hush"
# Every key of the file that is a secret, and the other half of those that go together.
SECRETS = sorted(
    f"{name}.{secret}" for name in ("auth", "backup", "publish", "alerts") for secret in config._secrets_of(name)
)
PARTNERS = {"access_key": "secret_key", "secret_key": "access_key"}


def variable(key: str) -> str:
    return "PULLTASKS_" + key.upper().replace(".", "__")


def load(folder: Path, text: str = "") -> Settings:
    file = folder / "pulltasks.toml"
    file.write_text(text, encoding="utf-8")
    return config.load(file, need_targets=False)


def load_with_partner(folder: Path, monkeypatch: pytest.MonkeyPatch, key: str, text: str = "") -> Settings:
    section, name = key.rsplit(".", 1)
    if name in PARTNERS:
        monkeypatch.setenv(variable(f"{section}.{PARTNERS[name]}"), "partner")
    return load(folder, text)


def secret_of(settings: Settings, key: str) -> Secret:
    section, name = key.rsplit(".", 1)
    return getattr(getattr(settings, section), name)


def mistakes(folder: Path, text: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return caught.value.mistakes


def test_these_are_all_secrets() -> None:
    stores = [f"{store}.{key}" for store in ("backup", "publish") for key in ("access_key", "secret_key")]
    tokens = ["auth.token", "auth.password", "backup.security_token", "publish.security_token"]
    assert sorted([*stores, *tokens, "alerts.webhook", "alerts.urls", "alerts.heartbeat"]) == SECRETS
    assert secrets_of(CredentialSettings) == ["token", "password"]


@pytest.mark.parametrize("key", SECRETS)
@pytest.mark.parametrize("way", ["variable", "file of the file", "file of a variable"])
def test_each_secret_is_read_from_each_place_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, way: str
) -> None:
    assert secret_of(load(tmp_path), key) is None
    (tmp_path / "secret").write_text(f"{ADDRESS}\n", encoding="utf-8")
    text = ""
    if way == "variable":
        monkeypatch.setenv(variable(key), ADDRESS)
    elif way == "file of a variable":
        monkeypatch.setenv(f"{variable(key)}_FILE", "secret")
    else:
        section, name = key.rsplit(".", 1)
        text = f"[{section}]\n{name}_file = 'secret'\n"
    settings = load_with_partner(tmp_path, monkeypatch, key, text)
    secret = secret_of(settings, key)
    assert (secret.key, secret.read()) == (key, ADDRESS)
    for shown in (settings, secret, settings.model_dump(), [secret]):
        assert "hush" not in f"{shown!r} {shown}"
    assert pickle.loads(pickle.dumps(secret)).read() == ADDRESS


@pytest.mark.parametrize("key", SECRETS)
def test_a_value_and_a_file_are_a_mistake_that_names_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    section, name = key.rsplit(".", 1)
    monkeypatch.setenv(variable(key), ADDRESS)
    (mistake,) = mistakes(tmp_path, f"[{section}]\n{name}_file = 'secret'\n")
    assert mistake == f"{key}: {name} and {name}_file are both set; leave one of them out"


@pytest.mark.parametrize("key", SECRETS)
@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_variable_sets_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, empty: str
) -> None:
    monkeypatch.setenv(variable(key), empty)
    assert secret_of(load(tmp_path), key) is None


def test_an_empty_variable_stands_in_no_files_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLTASKS_ALERTS__WEBHOOK", "")
    settings = load(tmp_path, "[alerts]\nwebhook_file = 'secret'\n")
    assert settings.alerts.webhook.file == tmp_path / "secret"


@pytest.mark.parametrize(
    ("file", "words"), [("''", "is empty; name a file"), ("[1]", "is not a path; write it between")]
)
def test_a_file_that_is_none_is_a_mistake(tmp_path: Path, file: str, words: str) -> None:
    (mistake,) = mistakes(tmp_path, f"[alerts]\nwebhook_file = {file}\n")
    assert mistake.startswith(f"alerts.webhook: webhook_file {words}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory; check its path"),
        (b" \n", "is empty; write the secret into it"),
        (b"hush-hush\xff", "cannot be read: it is not UTF-8; write it again"),
        ("hush-hush\u00e9".encode(), "holds characters that no key or token has; copy it again"),
        (b"hush\x00hush", "holds characters that no key or token has; copy it again"),
    ],
)
def test_a_file_without_a_secret_is_told_when_it_is_read(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    settings = load(tmp_path, "[auth.other]\nmethod = 'token'\ntoken_file = 'token'\n")
    with pytest.raises(ConfigError) as caught:
        settings.auth.named["other"].token.read()
    (mistake,) = caught.value.mistakes
    assert mistake.startswith("auth.other.token: ")
    assert words in mistake
    assert "hush" not in mistake
    assert "0xff" not in mistake


def test_a_key_that_fits_into_no_header_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLTASKS_AUTH__TOKEN", "hush-hush\u201d")
    assert mistakes(tmp_path) == ["auth.token: holds characters that no key or token has; copy it again"]


def test_a_password_may_hold_any_text_and_blanks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLTASKS_AUTH__PASSWORD", " p\u00e9 ss ")
    assert load(tmp_path).auth.password.read() == " p\u00e9 ss "


@pytest.mark.parametrize("value", ["123", "true", "null", '{"a": 1}', "[1]"])
def test_a_secret_that_looks_like_json_is_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PULLTASKS_AUTH__TOKEN", value)
    assert load(tmp_path).auth.token.read() == value


WEBHOOKS_THAT_ARE_NONE = (
    "hush-hush",
    "ftp://hush-hush.example.com/x",
    "http://hush-hush.example.com/x",
    "https:///hush-hush",
    "https://hush-hush.example.com:0/x",
    "https://user:hush-hush@h.example.com/x",
    "https://h.example.com/hush hush-hush",
    "https://h.example.com/hush-hush\u00e9",
    "https://[hush-hush/x",
)


@pytest.mark.parametrize("address", WEBHOOKS_THAT_ARE_NONE)
@pytest.mark.parametrize("in_file", [False, True])
def test_a_webhook_that_is_none_is_told_and_never_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, in_file: bool
) -> None:
    if in_file:
        (tmp_path / "webhook").write_text(address, encoding="utf-8")
        settings = load(tmp_path, "[alerts]\nwebhook_file = 'webhook'\n")
        with pytest.raises(ConfigError) as caught:
            settings.alerts.webhook.read()
        (mistake,) = caught.value.mistakes
    else:
        monkeypatch.setenv("PULLTASKS_ALERTS__WEBHOOK", address)
        (mistake,) = mistakes(tmp_path)
    assert mistake.startswith("alerts.webhook: ")
    assert "hush" not in mistake


@pytest.mark.parametrize("address", ["https://h.example.com/hook?token=t", "http://127.0.0.1:8/x", "http://[::1]:8/x"])
def test_a_webhook_is_taken_without_the_blanks_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    assert not load(tmp_path).alerts.are_sent
    monkeypatch.setenv("PULLTASKS_ALERTS__WEBHOOK", f" {address}\n")
    alerts = load(tmp_path).alerts
    assert (alerts.are_sent, alerts.webhook.read()) == (True, address)
