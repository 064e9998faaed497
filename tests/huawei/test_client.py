"""Sending: what is signed is what is sent, faults are retried by the table, and a bad key does no harm."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import stamina
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from desk import BEIJING, SINGAPORE, write_config
from pulltasks import config
from pulltasks.errors import ApiError, ConfigError, CredentialRefused, TransientApiError
from pulltasks.huawei import client as module
from pulltasks.huawei import refusals
from pulltasks.huawei.client import LiveClient
from pulltasks.reasons import advice_on
from pulltasks.sandbox.accounts import AccessKey, Accounts, User
from pulltasks.sandbox.server import Sandbox, serving


class Heard:
    """A recorder that remembers."""

    def __init__(self) -> None:
        self.tries: list[bool] = []
        self.statuses: list[int] = []

    def sent(self, *, is_retry: bool) -> None:
        self.tries.append(is_retry)

    def received(self, answer) -> None:
        self.statuses.append(answer.status)


def ask(settings, *, times: int = 1, targets=None, now=lambda: datetime.now(UTC), query=None):
    """Ask for the first page so many times at once; returns what each ended with, and what was heard."""
    heard = Heard()

    async def go():
        async with LiveClient(settings, now) as client:
            asked = [
                client.get_pull_tasks(target, query or {"offset": 0, "limit": 10, "region": target.region}, heard)
                for _ in range(times)
                for target in targets or settings.targets[:1]
            ]
            return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(go()), heard


@contextmanager
def service(sandbox: Sandbox, tmp_path, *, extra: str = ""):
    with serving(sandbox) as url:
        yield config.load(write_config(tmp_path, url, *sandbox.places, extra=extra))


class Scripted:
    """A server that gives planned answers, then 200."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.answer)])

    async def answer(self, request) -> Response:
        ok = Response('{"request_id":"r","total":0,"task_infos":[]}', media_type="application/json")
        return self.answers.pop(0) if self.answers else ok


REQUEST_ID = "0123456789abcdef0123456789abcdef"


def error(status: int, code: str, headers: dict[str, str] | None = None) -> Response:
    body = f'{{"error_code":"{code}","error_msg":"some words","request_id":"{REQUEST_ID}"}}'
    return Response(body, status, {"X-Request-Id": REQUEST_ID, **(headers or {})}, media_type="application/json")


def scripted(tmp_path, *answers: Response):
    with serving(Scripted(*answers)) as url:
        settings = config.load(write_config(tmp_path, url, BEIJING))
        (result,), heard = ask(settings)
        return result, heard


def test_the_query_is_sent_in_the_order_and_bytes_that_are_signed(sandbox, tmp_path) -> None:
    query = {"task_id": "a b/ü~*", "offset": 0, "region": "cn-north-4", "limit": 3}
    with service(sandbox, tmp_path) as settings:
        (result,), _ = ask(settings, query=query)
    assert isinstance(result, ApiError)
    assert result.said.status == 404  # the signature held: the task is what is not found
    assert sandbox.log[0][2] == "limit=3&offset=0&region=cn-north-4&task_id=a%20b%2F%C3%BC~%2A"


def test_a_wrong_key_costs_one_request_and_one_for_another_project_however_many_wait(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "wrong-secret")
    sandbox = Sandbox((BEIJING, SINGAPORE))
    with service(sandbox, tmp_path) as settings:
        results, heard = ask(settings, times=20, targets=settings.targets)
    assert len(sandbox.log) == 2
    assert len(heard.tries) == 1
    assert all(isinstance(result, CredentialRefused) for result in results)
    assert {result.said.error_code for result in results} == {"APIGW.0301"}
    assert "wrong-secret" not in str(results[0])


def test_a_key_that_dies_on_the_way_fails_at_most_as_often_as_requests_were_in_flight(tmp_path) -> None:
    sandbox = Sandbox((BEIJING,), latency_seconds=0.02)
    with service(sandbox, tmp_path) as settings:

        async def go():
            heard = Heard()
            async with LiveClient(settings, lambda: datetime.now(UTC)) as client:
                target, query = settings.targets[0], {"offset": 0, "limit": 1}
                await client.get_pull_tasks(target, query, heard)
                sandbox.accounts.access_keys = ()
                return await asyncio.gather(
                    *(client.get_pull_tasks(target, query, heard) for _ in range(50)), return_exceptions=True
                )

        results = asyncio.run(go())
    assert all(isinstance(result, CredentialRefused) for result in results)
    assert Counter(status for *_, status in sandbox.log)[401] <= settings.api.max_concurrency


def test_no_more_than_the_allowed_number_is_in_flight(tmp_path) -> None:
    sandbox, depth, deepest = Sandbox((BEIJING,), latency_seconds=0.01), 0, 0

    async def counted(request):
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        response = await original(request)
        depth -= 1
        return response

    original, sandbox._list_pull_tasks = sandbox._list_pull_tasks, counted
    with service(sandbox, tmp_path, extra="max_concurrency = 3\n") as settings:
        ask(settings, times=30)
    assert deepest == 3


def test_a_skewed_clock_is_corrected_once_by_the_services_date(sandbox, tmp_path) -> None:
    with service(sandbox, tmp_path) as settings:
        results, _ = ask(settings, times=5, now=lambda: datetime.now(UTC) + timedelta(minutes=40))
    assert [result.status for result in results] == [200] * 5
    assert Counter(status for *_, status in sandbox.log) == {401: 1, 200: 5}


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


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "APIGW.0308"),
        (500, "APIGW.0601"),
        (502, "APIGW.0201"),
        (503, "APIGW.0613"),
        (504, "APIGW.0201"),
        (400, "LIVE.100011006"),
        (400, "LIVE.100011008"),
        (400, "LIVE.103011021"),
    ],
)
def test_passing_faults_are_tried_again(tmp_path, status: int, code: str) -> None:
    result, heard = scripted(tmp_path, error(status, code), error(status, code))
    assert result.status == 200
    assert heard.statuses == [status, status, 200]
    assert heard.tries == [False, True, True]


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, "LIVE.100011001", "request_refused"),
        (400, "APIGW.0201", "request_refused"),
        (403, "APIGW.0302", "forbidden"),
        (403, "APIG.0310", "project_unavailable"),
        (403, "APIGW.0801", "region_not_allowed"),
        (403, "APIGW.0401", "address_refused"),
        (404, "APIGW.0101", "endpoint_not_found"),
        (404, "LIVE.100011001", "not_found"),
        (302, "none", "redirected"),
        (418, "none", "unexpected_status"),
    ],
)
def test_what_cannot_pass_is_not_tried_again(tmp_path, status: int, code: str, reason: str) -> None:
    result, heard = scripted(tmp_path, error(status, code))
    assert isinstance(result, ApiError)
    assert not isinstance(result, TransientApiError)
    assert (result.reason, result.said.error_code, heard.statuses) == (
        reason,
        None if code == "none" else code,
        [status],
    )
    shown = () if code == "none" else (code,)
    for part in (BEIJING.project_id, *shown, REQUEST_ID, advice_on(reason)):
        assert part in str(result)
    assert "some words" not in str(result)
    assert result.said.error_message == "some words"  # for the lake's owner


def test_a_fault_that_does_not_pass_is_given_up_after_the_allowed_tries(tmp_path) -> None:
    result, heard = scripted(tmp_path, *[error(503, "APIGW.0613")] * 9)
    assert isinstance(result, TransientApiError)
    assert (result.reason, heard.statuses) == ("service_unavailable", [503] * 5)


def test_nobody_at_the_address_is_said_so(tmp_path) -> None:
    settings = config.load(write_config(tmp_path, "http://127.0.0.1:9", BEIJING))
    (result,), heard = ask(settings)
    assert isinstance(result, TransientApiError)
    assert result.reason == "unreachable"
    assert len(heard.tries) == settings.api.max_attempts


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("Wed, 25 Nov 2026 00:01:30 GMT", 90.0), ("soon", None), (None, None), ("-5", 0.0)],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: float | None) -> None:
    assert refusals.seconds_to_wait(header, datetime(2026, 11, 25, tzinfo=UTC)) == seconds


def test_retry_after_is_obeyed(tmp_path) -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    with stamina.set_testing(testing=False), pytest.MonkeyPatch.context() as patch:
        patch.setattr("stamina._core._smart_sleep", note)
        result, _ = scripted(tmp_path, error(429, "APIGW.0308", {"Retry-After": "1"}))
    assert result.status == 200
    assert waits == [1.0]


def test_requests_of_a_project_are_spread_over_time() -> None:
    async def go() -> list[float]:
        loop = asyncio.get_running_loop()
        moment = [100.0]
        starts = []

        async def sleep(seconds: float) -> None:
            moment[0] += seconds

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "time", lambda: moment[0])
            patch.setattr(asyncio, "sleep", sleep)
            pacer = module.Pacer(4)
            for _ in range(12):
                await pacer.turn()
                starts.append(moment[0] - 100)
        return starts

    starts = asyncio.run(go())
    assert starts[:4] == [0, 0, 0, 0]  # what was saved up
    assert starts[4:] == pytest.approx([0.25 * n for n in range(1, 9)])


def test_throttling_halves_the_rate_and_good_answers_bring_it_back_slowly() -> None:
    async def go() -> list[float]:
        pacer = module.Pacer(10)
        rates = [pacer.rate]
        for _ in range(9):
            pacer.slow_down(0)
            rates.append(pacer.rate)
        for _ in range(200):
            pacer.speed_up()
        return [*rates, pacer.rate]

    rates = asyncio.run(go())
    assert rates[:4] == [10, 5, 2.5, 1.25]
    assert rates[-2] == pytest.approx(10 / 64)
    assert rates[-1] == 10


def test_while_the_service_wants_a_pause_nothing_of_the_project_leaves() -> None:
    async def go() -> float:
        moment, loop = [50.0], asyncio.get_running_loop()

        async def sleep(seconds: float) -> None:
            moment[0] += seconds

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "time", lambda: moment[0])
            patch.setattr(asyncio, "sleep", sleep)
            pacer = module.Pacer(1000)
            await pacer.turn()
            pacer.slow_down(30)
            await pacer.turn()
        return moment[0]

    assert asyncio.run(go()) == pytest.approx(80)


def test_a_wait_beyond_the_runs_time_is_not_begun(tmp_path) -> None:
    result, heard = scripted(tmp_path, error(429, "APIGW.0308", {"Retry-After": "4000"}))
    assert isinstance(result, TransientApiError)
    assert (result.reason, heard.statuses) == ("throttled", [429])


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


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_service_that_echoes_what_it_was_sent_gives_no_secret_away(tmp_path, monkeypatch, status: int) -> None:
    monkeypatch.setenv("PULLTASKS_AUTH__TOKEN", "  hush-hush\n")
    echo = Response(
        '{"error_code":"APIGW.0301","error_msg":"token hush-hush is bad","request_id":"hush-hush"}',
        status,
        {"X-Request-Id": "hush-hush"},
    )
    with serving(Scripted(*[echo] * 9)) as url:
        settings = config.load(write_config(tmp_path, url, BEIJING, extra='[auth]\nmethod = "token"\n'))
        (result,), _ = ask(settings)
    assert isinstance(result, ApiError)
    assert "hush-hush" not in str(result) + repr(result.said)
    assert "is bad" not in str(result)
    assert result.said.error_message == "token *** is bad"


@pytest.mark.parametrize("token", ["hush\nhush", "hush\u00e9hush"])
def test_a_token_that_cannot_stand_in_a_header_is_refused_unseen(tmp_path, token: str) -> None:
    (tmp_path / "token").write_text(token, encoding="utf-8")
    extra = '[auth]\nmethod = "token"\ntoken_file = "token"\n'
    settings = config.load(write_config(tmp_path, "http://127.0.0.1:9", BEIJING, extra=extra))
    with pytest.raises(ConfigError) as caught:
        ask(settings)
    assert "copy it again" in str(caught.value)
    assert "hush" not in str(caught.value)


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
