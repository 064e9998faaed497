"""Requests to the API: paced, retried and stopped in a way that harms neither the key nor the service.

Lives here: the request itself, the comparison of answers with the run's day.
Does not live here: permission to send (gates), retries, authentication (auth), causes of refusals (refusals), listings.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from pulltasks.clock import Deadline
from pulltasks.errors import (
    ApiError,
    ClockDisagrees,
    ConfigError,
    CredentialRefused,
    DateRefused,
    TransientApiError,
)
from pulltasks.huawei.auth import credential_from
from pulltasks.huawei.gates import REFUSALS_IN_A_ROW, Gate, Turns
from pulltasks.huawei.pace import NOT_KNOWN, Pace
from pulltasks.huawei.reading import read_time, says_error
from pulltasks.huawei.recorder import NO_RECORDER
from pulltasks.huawei.refusals import (
    OK,
    THROTTLED,
    UNAUTHORISED,
    UNAVAILABLE,
    Answer,
    api_error,
    no_answer,
    seconds_to_wait,
    service_error,
)
from pulltasks.huawei.retries import with_retries
from pulltasks.huawei.simulation import DATE_HEADER
from pulltasks.huawei.transport import NEW_CONNECTION, OLD_ENCODING, POOL, AiohttpTransport, AnswerTooLarge
from pulltasks.reasons import advice_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from pulltasks.huawei.pace import Reached
    from pulltasks.huawei.recorder import Recorder
    from pulltasks.huawei.service_clock import Judgement, RunBegin
    from pulltasks.settings import Settings, Target

# A cached answer would show the past under today's date.
HEADERS = {
    "User-Agent": "pulltasks",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class _Call:
    """One page to request, with everything that all its tries have in common."""

    target: Target
    url: httpx.URL
    extensions: dict[str, Any]
    recorder: Recorder


_JUDGEMENTS: list[Judgement] = ["disagrees", "agrees", "says_nothing"]  # the decisive one first


def _now_s() -> float:
    """Return the time of the event loop, which only runs forwards."""
    return asyncio.get_running_loop().time()


def _answer_of(response: httpx.Response, sent_at: datetime, received_at: datetime) -> Answer:
    return Answer(
        status=response.status_code,
        content=response.content,
        request_id=response.headers.get("X-Request-Id"),
        date=response.headers.get("Date"),
        retry_after=response.headers.get("Retry-After"),
        simulated_date=response.headers.get(DATE_HEADER),
        old_encoding=response.extensions.get(OLD_ENCODING),
        sent_at=sent_at,
        received_at=received_at,
    )


class LiveClient:
    """Sends requests to the Live API for targets; use as `async with`."""

    def __init__(
        self,
        settings: Settings,
        now: Callable[[], datetime],
        simulated_date: date | None = None,
        *,
        begin: RunBegin | None = None,
        deadline: Deadline | None = None,
        on_day_confirmed: Callable[[], None] = lambda: None,
        reached_before: Mapping[str, Reached] = MappingProxyType({}),
    ) -> None:
        """Keep the settings; nothing is sent yet.

        Args:
            settings: the targets, their credentials and the limits of requests.
            now: the clock that dates signatures.
            simulated_date: the date requested from a sandbox; its `Date` header is not compared with a day then.
            begin: the begin of the run; without it no answer is compared with a day.
            deadline: the end of the run's time, by the clock of `begin`; without it, `max_run_minutes` from now.
            on_day_confirmed: is called for each answer whose `Date` agrees with the day of the run.
            reached_before: the pace that each credential reached in its run before, by the credential's name.
        """
        self._settings = settings
        self._now = now
        self._simulated_date = simulated_date
        self._begin = None if simulated_date else begin
        self._deadline = deadline or Deadline(time.monotonic() + 60 * settings.api.max_run_minutes)
        self._on_day_confirmed = on_day_confirmed
        # Targets whose first answer had a wrong date that a second one did not confirm: their dates are ignored.
        self._with_odd_dates: set[tuple[str, str]] = set()
        self._gates: dict[str, Gate] = {}
        self._reached_before = reached_before
        self._endpoints_that_answer: set[str] = set()
        self._turns: dict[str, Turns] = {}
        self._regions = {target.project_id: target.region for target in settings.targets}

    async def __aenter__(self) -> LiveClient:
        """Open the connections and create the credential of every target.

        Raises:
            ConfigError: when a credential is not found.
        """
        api = self._settings.api
        # Pages go straight to the transport: cookies, redirects and hooks of httpx's client are not wanted.
        self._transport = AiohttpTransport(api.timeout_seconds)
        self._http = httpx.AsyncClient(transport=self._transport, headers=HEADERS)
        try:
            for target in self._settings.targets:
                self._transport.check_proxy(self._settings.endpoint(target))
            self._make_gates()
        except ConfigError:
            await self._http.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _make_gates(self) -> None:
        for target in self._settings.targets:
            name, settings = self._settings.credential(target)
            if name not in self._gates:
                credential = credential_from(
                    name, settings, http=self._http, iam_endpoint=self._iam_endpoint, now=self._now
                )
                most = self._settings.api.max_concurrency
                pace = Pace(_now_s(), most, before=self._reached_before.get(name, NOT_KNOWN))
                self._gates[name] = Gate(credential, most, pace)

    def _iam_endpoint(self, project_id: str) -> str:
        return self._settings.api.iam_endpoint.format(region=self._regions[project_id])

    def _gate(self, target: Target) -> Gate:
        return self._gates[self._settings.credential(target)[0]]

    def credential_source(self, target: Target) -> str:
        """Return the name of the target's credential and the place where it was found, as `name: place`."""
        credential = self._gate(target).credential
        return f"{credential.name}: {credential.source}"

    def reached(self) -> dict[str, Reached]:
        """Return the pace that each credential reached in this run, by the credential's name."""
        return {name: gate.pace.reached() for name, gate in self._gates.items() if gate.is_proven}

    def clock_skew_seconds(self, target: Target) -> int | None:
        """Return the correction of this machine's clock for signatures in seconds; None if there was none."""
        offset = getattr(self._gate(target).credential, "clock_offset", None)
        return round(offset.total_seconds()) or None if offset else None

    async def require_sandbox(self) -> None:
        """Check that every endpoint is a sandbox that knows the simulated date; the requests are not signed.

        Raises:
            DateRefused: when an endpoint is not such a sandbox, or does not answer.
        """
        day = str(self._simulated_date)
        for endpoint in sorted({self._settings.endpoint(target) for target in self._settings.targets}):
            try:
                answer = await self._http.get(f"{endpoint}/", headers={DATE_HEADER: day})
            except httpx.RequestError as error:
                raise DateRefused(f"{endpoint}: no answer ({type(error).__name__}); is the sandbox running?") from None
            if answer.headers.get(DATE_HEADER) != day:
                raise DateRefused(f"{endpoint}: {advice_on('not_a_sandbox')}")

    async def forget_connections(self, target: Target) -> None:
        """Close the connections of a target that is listed."""
        await self._transport.close_pool(target.key)

    async def get_pull_tasks(
        self, target: Target, query: dict[str, str | int], recorder: Recorder, *, over_new_connection: bool = False
    ) -> Answer:
        """Send one `GET /v1/{project_id}/pull/stream/task`, with retries, and return the 200 response.

        Four layers, each around the next:

            with_retries             again after temporary errors, within the run's time
              _in_turn               at the project's rate
                _with_refresh        after a 401: try once more, or find the cause
                  _send              one request, signed, recorded, compared with the day

        Args:
            target: the target to list.
            query: the parameters; they are sent in the order in which they are signed.
            recorder: receives every try and every answer.
            over_new_connection: open a new connection, because answers over the open ones are doubtful. No connection
                is used for two targets in any case.

        Raises:
            CredentialRefused: the credential is not accepted; nothing more is sent with it.
            ApiError: the request is refused, or failed too often.
        """
        call = _Call(
            target, self._url(target, query), {POOL: target.key, NEW_CONNECTION: over_new_connection}, recorder
        )
        try:
            return await with_retries(
                partial(self._in_turn, call),
                attempts=self._settings.api.max_attempts,
                deadline=self._deadline,
            )
        except ApiError as error:
            raise self._gate(target).without_secrets(error) from None

    def _url(self, target: Target, query: dict[str, str | int]) -> httpx.URL:
        # Sorted and escaped as the signer does it: what is signed must be what is sent, byte for byte.
        path = f"/v1/{target.project_id}/pull/stream/task"
        pairs = sorted((name, str(value)) for name, value in query.items())
        text = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
        return httpx.URL(f"{self._settings.endpoint(target)}{path}?{text}")

    async def _in_turn(self, call: _Call, *, is_retry: bool) -> Answer:
        turns = self._turns_of(call.target.project_id)
        await turns.take()
        answer = await self._with_refresh(call, is_retry=is_retry)
        if answer.status == THROTTLED:
            # The project obeys any pause, also one that is too long for the credential's other projects (pace).
            turns.pace.pause(_now_s(), seconds_to_wait(answer.retry_after, answer.received_at) or 0.0)
        self._check(call.target, answer)
        return answer

    def _turns_of(self, project_id: str) -> Turns:
        if project_id not in self._turns:
            api = self._settings.api
            # An idle project saves up one second of requests, so a pause is not followed by a burst.
            pace = Pace(_now_s(), api.max_concurrency, per_second=api.requests_per_second, saved_s=1.0)
            self._turns[project_id] = Turns(pace)
        return self._turns[project_id]

    async def _with_refresh(self, call: _Call, *, is_retry: bool) -> Answer:
        gate = self._gate(call.target)
        async with gate.passing(call.target):
            generation = gate.generation
            answer, response = await self._send(gate, call, is_retry=is_retry)
            if answer.status != UNAUTHORISED:
                return answer
            async with gate.inquiring(call.target):
                return await self._after_refusal(gate, call, answer, response, generation)

    async def _after_refusal(
        self, gate: Gate, call: _Call, answer: Answer, response: httpx.Response, generation: int
    ) -> Answer:
        """Send a refused request again if the credential was or can be refreshed; else find the cause and raise.

        Raises:
            ApiError: only the target is refused; others accept the credential.
            CredentialRefused: the credential is not accepted, or there is no evidence that it is.
        """
        is_sent_again = gate.generation != generation  # another request has refreshed the credential meanwhile
        if is_sent_again:
            answer, response = await self._send(gate, call, is_retry=True, is_inquiry=True)
        if answer.status == UNAUTHORISED and gate.credential.refresh(call.target.project_id, response):
            gate.generation += 1
            is_sent_again = True
            answer, response = await self._send(gate, call, is_retry=True, is_inquiry=True)
        if answer.status != UNAUTHORISED:
            return answer
        if await self._is_accepted_elsewhere(gate, call.target, is_sent_again=is_sent_again):
            raise api_error(call.target, answer, "target_unauthorised")
        error = api_error(call.target, answer)
        raise gate.refuse(CredentialRefused(error.reason, str(error), error.said))

    async def _is_accepted_elsewhere(self, gate: Gate, target: Target, *, is_sent_again: bool) -> bool:
        """Tell whether other targets accept a credential that one target refuses.

        A credential with a good answer is in doubt only after several refusals in a row; then a target that accepted it
        before is asked, alone. A credential without any good answer is tried with one target of another project, unless
        the request was sent again already: each try may be a refused signature, and those are few.
        """
        await gate.all_are_answered()
        if gate.is_proven and gate.in_a_row < REFUSALS_IN_A_ROW:
            return True
        others = [*reversed(gate.good.values())] if gate.is_proven else self._targets_of_other_projects(target)
        if not others or (is_sent_again and not gate.is_proven):
            return False
        url = self._url(others[0], {"limit": 1, "offset": 0, "region": others[0].query_region or others[0].region})
        witness = _Call(others[0], url, {POOL: others[0].key, NEW_CONNECTION: False}, NO_RECORDER)
        try:
            answer, _ = await self._exchange(gate, witness, is_inquiry=True, is_retry=False)
        except TransientApiError:
            return gate.is_proven  # no answer is no evidence: the credential counts as before
        return answer.status != UNAUTHORISED

    def _targets_of_other_projects(self, target: Target) -> list[Target]:
        """Return the targets of the same credential in other projects."""
        gate = self._gate(target)
        return [
            other
            for other in self._settings.targets
            if other.project_id != target.project_id and self._gate(other) is gate
        ]

    async def _send(
        self, gate: Gate, call: _Call, *, is_retry: bool, is_inquiry: bool = False
    ) -> tuple[Answer, httpx.Response]:
        answer, response = await self._exchange(gate, call, is_retry=is_retry, is_inquiry=is_inquiry)
        await self._check_day(call, answer, response)
        return answer, response

    async def _exchange(
        self, gate: Gate, call: _Call, *, is_retry: bool, is_inquiry: bool
    ) -> tuple[Answer, httpx.Response]:
        """Send one request, signed and recorded; report its answer to the gate, and return it."""
        simulated = {DATE_HEADER: self._simulated_date.isoformat()} if self._simulated_date else {}
        # All others wait while the first request goes alone: no longer than one timeout.
        alone = {} if gate.is_proven else {"answer_seconds": self._settings.api.timeout_seconds}
        request = httpx.Request("GET", call.url, headers=HEADERS | simulated, extensions=call.extensions | alone)
        async with gate.on_the_wire(call.target, is_inquiry=is_inquiry):
            left_at_s = _now_s()
            try:
                await gate.credential.authorise(request, call.target.project_id)
                sent_at = self._now()
                call.recorder.sent(is_retry=is_retry)
                response = await self._transport.handle_async_request(request)
            except AnswerTooLarge as error:
                text = f"{call.target.label}: {error}; {advice_on('answer_too_large')}"
                raise ApiError("answer_too_large", text) from None
            except httpx.RequestError as error:
                if isinstance(error, httpx.TimeoutException):
                    self._slow_down(gate, call.target, left_at_s, None)
                raise no_answer(call.target, call.url, error) from None
            except CredentialRefused as error:
                raise gate.refuse(error) from None
            answer = _answer_of(response, sent_at, self._now())
            call.recorder.received(answer)
            if answer.status == UNAUTHORISED:
                gate.unauthorised(call.target, api_error(call.target, answer))
            elif answer.status in {THROTTLED, UNAVAILABLE}:
                self._slow_down(gate, call.target, left_at_s, answer)
            elif answer.status < 500:  # noqa: PLR2004 - the gateway alone answers those
                gate.accepted(call.target)
                gate.pace.accepted(_now_s(), gate.requests_in_flight)
                self._endpoints_that_answer.add(self._settings.endpoint(call.target))
        return answer, response

    def _slow_down(self, gate: Gate, target: Target, left_at_s: float, answer: Answer | None) -> None:
        """Halve the credential's pace, because of an answer that asks for it, or of none in time.

        An endpoint that has not answered in this run may be out of order, so only its 429 says that requests were too
        many: a region without a service must not slow down the others.
        """
        if (answer and answer.status == THROTTLED) or self._settings.endpoint(target) in self._endpoints_that_answer:
            wait_s = seconds_to_wait(answer.retry_after, answer.received_at) if answer else None
            gate.pace.slow_down(_now_s(), left_at_s, wait_s)

    async def _check_day(self, call: _Call, answer: Answer, response: httpx.Response) -> None:
        """Refuse the target if the service's date differs from the run's, unless a second answer agrees.

        Every answer counts, a 401 as well, and each of two `Date` headers. The second request has a new connection,
        because the first answer may be a late one, and no signature: only the `Date` is wanted, and a refused key must
        not be refused once more.

        Raises:
            ClockDisagrees: when the second answer does not give the run's day either.
        """
        if self._begin is None or call.target.key in self._with_odd_dates:
            return
        judgement, service_time = self._judge(response, answer.received_at)
        if judgement == "agrees":
            self._on_day_confirmed()
        if judgement != "disagrees" or service_time is None:
            return
        request = httpx.Request("GET", call.url, headers=HEADERS, extensions={NEW_CONNECTION: True})
        call.recorder.sent(is_retry=True)
        try:
            again = await self._transport.handle_async_request(request)
        except httpx.RequestError as error:
            raise no_answer(call.target, call.url, error) from None
        if self._judge(again, self._now())[0] != "agrees":
            text = self._begin.disagreement(service_time, self._deadline.monotonic())
            raise ClockDisagrees(f"{call.target.label}: {text}")
        self._with_odd_dates.add(call.target.key)

    def _judge(self, response: httpx.Response, received_at: datetime) -> tuple[Judgement, datetime | None]:
        """Return the judgement of an answer's dates and the decisive date; one that disagrees decides."""
        if self._begin is None:
            return "says_nothing", None
        dates = [read_time(text) for text in response.headers.get_list("Date")]
        judged = [(self._begin.judge(each, received_at, self._deadline.monotonic()), each) for each in dates]
        return min(judged, key=lambda pair: _JUDGEMENTS.index(pair[0]), default=("says_nothing", None))

    def _check(self, target: Target, answer: Answer) -> None:
        if self._simulated_date and answer.simulated_date != self._simulated_date.isoformat():
            raise ApiError("not_a_sandbox", f"{target.label}: {advice_on('not_a_sandbox')}", service_error(answer))
        if answer.status != OK or says_error(answer.content):
            raise api_error(target, answer)
