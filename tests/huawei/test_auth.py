"""Signing and tokens: one token per project, renewed in time; a credential that is refused is named, and never shown."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from desk import BEIJING, write_config
from live_client import Heard, ask, service
from pulltasks import config
from pulltasks.errors import ConfigError, CredentialRefused
from pulltasks.huawei.client import LiveClient
from pulltasks.sandbox.accounts import AccessKey, Accounts, User
from pulltasks.sandbox.server import Sandbox


def test_a_temporary_key_is_sent_with_its_token(tmp_path, monkeypatch) -> None:
    sandbox = Sandbox((BEIJING,), accounts=Accounts((replace(AccessKey(), security_token="security-token-1"),)))
    with service(sandbox, tmp_path) as settings:
        (without,), _ = ask(settings)
        monkeypatch.setenv("HUAWEICLOUD_SDK_SECURITY_TOKEN", "security-token-1")
        (with_token,), _ = ask(settings)
    assert isinstance(without, CredentialRefused)
    assert with_token.status == 200


PASSWORD = f'[auth]\nmethod = "password"\nuser = "{User().name}"\ndomain = "{User().domain}"\n'


def test_a_password_becomes_one_token_per_project_for_all_waiters(sandbox, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PULLTASKS_AUTH__PASSWORD", User().password)
    with service(sandbox, tmp_path, extra=PASSWORD) as settings:
        results, _ = ask(settings, times=10, targets=settings.targets)
    assert [result.status for result in results] == [200] * 20
    assert Counter(path for _, path, _, _ in sandbox.log)["/v3/auth/tokens"] == 2


def test_a_token_that_expires_early_is_renewed_once_and_the_request_sent_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PULLTASKS_AUTH__PASSWORD", User().password)
    sandbox = Sandbox((BEIJING,))
    with service(sandbox, tmp_path, extra=PASSWORD) as settings:

        async def go():
            heard = Heard()
            async with LiveClient(settings, lambda: datetime.now(UTC)) as client:
                target, query = settings.targets[0], {"offset": 0, "limit": 1}
                await client.get_pull_tasks(target, query, heard)
                sandbox.accounts.tokens.clear()  # the account's password was changed, say
                return await asyncio.gather(*(client.get_pull_tasks(target, query, heard) for _ in range(4)))

        assert [answer.status for answer in asyncio.run(go())] == [200] * 4
    assert Counter(path for _, path, _, _ in sandbox.log)["/v3/auth/tokens"] == 2


def test_a_token_is_renewed_before_it_expires(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PULLTASKS_AUTH__PASSWORD", User().password)
    begin = datetime.now(UTC)
    moment = [begin]
    sandbox = Sandbox((BEIJING,), now=lambda: moment[0])
    with service(sandbox, tmp_path, extra=PASSWORD) as settings:

        async def go():
            async with LiveClient(settings, lambda: moment[0]) as client:
                for hour in (0, 22, 23, 24):
                    moment[0] = begin + timedelta(hours=hour)
                    await client.get_pull_tasks(settings.targets[0], {"offset": 0, "limit": 1}, Heard())

        asyncio.run(go())
    assert [path for _, path, _, _ in sandbox.log].count("/v3/auth/tokens") == 2  # at 0 and at 23 hours
    assert not any(status == 401 for *_, status in sandbox.log)


def test_a_wrong_password_is_tried_once(sandbox, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PULLTASKS_AUTH__PASSWORD", "hush-hush")
    with service(sandbox, tmp_path, extra=PASSWORD) as settings:
        results, _ = ask(settings, times=5, targets=settings.targets)
    assert all(isinstance(result, CredentialRefused) for result in results)
    assert [path for _, path, _, _ in sandbox.log] == ["/v3/auth/tokens"]
    assert not any("hush-hush" in str(result) for result in results)


def test_a_fixed_token_that_is_refused_is_not_tried_again(sandbox, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PULLTASKS_AUTH__TOKEN", "hush-hush")
    with service(sandbox, tmp_path, extra='[auth]\nmethod = "token"\n') as settings:
        (result,), heard = ask(settings)
    assert isinstance(result, CredentialRefused)
    assert (result.said.error_code, heard.statuses) == ("APIGW.0307", [401])
    assert "hush-hush" not in str(result)


def test_a_token_that_expires_inside_a_back_off_is_renewed_for_the_next_try(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PULLTASKS_AUTH__PASSWORD", User().password)
    begin = datetime.now(UTC)
    moment = [begin]
    sandbox = Sandbox((BEIJING,), now=lambda: moment[0])
    sandbox.faults[BEIJING.project_id, None] = "unavailable"
    with service(sandbox, tmp_path, extra=PASSWORD) as settings:

        async def go():
            async with LiveClient(settings, lambda: moment[0]) as client:

                class Later(Heard):
                    def received(self, answer) -> None:
                        super().received(answer)
                        moment[0] += timedelta(hours=25)  # the back-off, as the clock sees it
                        sandbox.faults.clear()

                heard = Later()
                await client.get_pull_tasks(settings.targets[0], {"offset": 0, "limit": 1}, heard)
                return heard.statuses

        assert asyncio.run(go()) == [503, 200]
    assert [path for _, path, _, _ in sandbox.log].count("/v3/auth/tokens") == 2


@pytest.mark.parametrize("token", ["hush\nhush", "hush\u00e9hush"])
def test_a_token_that_cannot_stand_in_a_header_is_refused_unseen(tmp_path, token: str) -> None:
    (tmp_path / "token").write_text(token, encoding="utf-8")
    extra = '[auth]\nmethod = "token"\ntoken_file = "token"\n'
    settings = config.load(write_config(tmp_path, "http://127.0.0.1:9", BEIJING, extra=extra))
    with pytest.raises(ConfigError) as caught:
        ask(settings)
    assert "copy it again" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("auth", "secret", "variable"),
    [
        ('[auth]\nmethod = "token"\n', "token", "PULLTASKS_AUTH__TOKEN"),
        (PASSWORD, "password", "PULLTASKS_AUTH__PASSWORD"),
        (PASSWORD.replace("[auth]", "[auth.other]"), "password", "PULLTASKS_AUTH__OTHER__PASSWORD"),
    ],
)
def test_a_secret_that_is_missing_is_named_where_it_is_used(tmp_path, auth: str, secret: str, variable: str) -> None:
    file = write_config(tmp_path, "http://127.0.0.1:9", BEIJING, extra=auth)
    if "[auth.other]" in auth:
        file.write_text(f'{file.read_text()}credential = "other"\n')
    settings = config.load(file)
    with pytest.raises(ConfigError, match=rf"needs a {secret}: set {variable} or {variable}_FILE"):
        ask(settings)


def test_half_an_access_key_names_the_half_that_is_missing(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("HUAWEICLOUD_SDK_SK")
    settings = config.load(write_config(tmp_path, "http://127.0.0.1:9", BEIJING))
    with pytest.raises(ConfigError, match="HUAWEICLOUD_SDK_SK: not set"):
        ask(settings)


def test_no_key_anywhere_is_one_message(tmp_path, monkeypatch) -> None:
    """The vendor's chain is asked in earnest, but for the cloud's metadata address, which is not this machine."""
    from huaweicloudsdkcore.auth import provider

    for half in ("AK", "SK"):
        monkeypatch.delenv(f"HUAWEICLOUD_SDK_{half}")
    monkeypatch.setenv("HOME", str(tmp_path))
    kept = (provider.OidcStsCredentialProvider, provider.EnvCredentialProvider, provider.ProfileCredentialProvider)
    chain = provider.CredentialProviderChain([kind.get_basic() for kind in kept])
    monkeypatch.setattr(provider.CredentialProviderChain, "get_basic_credential_provider_chain", lambda: chain)
    settings = config.load(write_config(tmp_path, "http://127.0.0.1:9", BEIJING))
    with pytest.raises(ConfigError, match=r"no access key found; set HUAWEICLOUD_SDK_AK"):
        ask(settings)


def test_a_key_in_the_vendors_profile_is_found(sandbox, tmp_path, monkeypatch) -> None:
    for half in ("AK", "SK"):
        monkeypatch.delenv(f"HUAWEICLOUD_SDK_{half}")
    profile = tmp_path / "credentials"
    profile.write_text(f"[basic]\nak = {AccessKey().ak}\nsk = {AccessKey().sk}\n")
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(profile))
    with service(sandbox, tmp_path) as settings:
        (result,), _ = ask(settings)
    assert result.status == 200
