"""Captures: every target listed on its day, each with a verdict and a raw file, none disturbing another.

Lives here: which targets are listed now, the guard on the date, what of an answer is kept.
Does not live here: how a listing is proved (huawei), what becomes of the raw files (lake.normalise).
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies
from zoneinfo import ZoneInfo

from pulltasks.capture.day_gate import DayGate
from pulltasks.capture.target_list import target_line, write_targets
from pulltasks.errors import UNEXPECTED, ApiError, ClockDisagrees, ConfigError, DateRefused, LakeError, reraise
from pulltasks.huawei.service_clock import RunBegin
from pulltasks.lake.raw import CaptureLine, RawCapture, RawWriter, VerdictLine, rank
from pulltasks.lake.strays import Stray, read_own_capture
from pulltasks.previous import NO_PREVIOUS_CAPTURE, PreviousCapture
from pulltasks.reasons import advice_on

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Sequence

    from pulltasks.errors import Reporter
    from pulltasks.huawei.client import LiveClient
    from pulltasks.lake.lake import Lake
    from pulltasks.settings import Settings, Target

# Targets that are listed at a time, for each request that may be in flight: enough that none waits for the pace of one
# project, few enough that memory does not grow with the number of targets.
TARGETS_PER_REQUEST_IN_FLIGHT = 4
CLOCK_DISAGREES = "clock_disagrees"
_MAKE_ROOM = "Make room, then run again"
# A run that began before midnight keeps its date this far into the next day.
GRACE_AFTER_MIDNIGHT = timedelta(minutes=30)


@dataclass(frozen=True)
class CaptureResult:
    """How the capture of one target ended; `is_new` is false when an earlier one of the day stands."""

    target: Target
    verdict: str
    reason: str | None
    message: str | None
    task_count: int
    requests: int
    is_new: bool = True
    clock_skew_seconds: int | None = None


@dataclass(frozen=True)
class Clock:
    """Time and identifiers, passed in so that tests can set them."""

    now: Callable[[], datetime]
    new_id: Callable[[], str]
    monotonic: Callable[[], float] = time.monotonic


def check_date(settings: Settings, day: date, now: datetime, *, began_at: datetime | None = None) -> None:
    """Refuse every day but the one on which the run began, for as long as the API still shows it.

    Raises:
        DateRefused: with what can be done instead.
    """
    began_on = settings.today(began_at or now)
    if day == settings.today(now) or (day == began_on and settings.today(now - GRACE_AFTER_MIDNIGHT) == day):
        return
    direction = "has passed" if day < settings.today(now) else "has not come"
    raise DateRefused(
        f"{day} {direction}: the API shows only the present ({settings.today(now)} in {settings.timezone}), "
        "and that is never written under another date. Past dates are rebuilt from the raw archive: "
        f"pulltasks rebuild --from {day} --to {day}"
    )


async def capture_targets(
    settings: Settings,
    lake: Lake,
    day: date,
    clock: Clock,
    *,
    known: Callable[[tuple[str, str]], PreviousCapture] = lambda _: NO_PREVIOUS_CAPTURE,
    refresh: bool = False,
    only: Collection[tuple[str, str]] | None = None,
    accept_drop: Collection[tuple[str, str]] = (),
    simulated: bool = False,
    began_at: datetime | None = None,
    report: Reporter = reraise,
    on_result: Callable[[CaptureResult], None] = lambda _: None,
    on_page: Callable[[Target, int, int], None] = lambda _target, _pages, _tasks: None,
) -> list[CaptureResult]:
    """List every target of the configuration, concurrently; targets that are complete on `day` are left alone.

    Args:
        settings: the configuration.
        lake: where raw files go; the caller holds its lock.
        day: the snapshot date.
        clock: time and identifiers.
        known: what the last complete capture of a target showed, by `(project_id, region)`.
        refresh: list complete targets again as well.
        only: list no other targets than these, by `(project_id, region)`.
        accept_drop: targets whose listing counts today however much it lacks, by `(project_id, region)`.
        simulated: `day` is the sandbox's, not today's; any server that is asked and no sandbox is refused.
        began_at: when the run began, if that was before now; it keeps its date past midnight.
        report: is told of an unexpected error, and says in a sentence where it is reported; it costs its
            target the day and no other target anything.
        on_result: is told of each target as it ends.
        on_page: is told of each page that came: its target, the pages and the tasks of that so far.

    Returns:
        One result per target that was asked for, in order of project and region.

    Raises:
        DateRefused: another date than today, before anything is written.
        ConfigError: no credential, or no endpoint that resolves, before anything is written.
    """
    if not simulated:
        check_date(settings, day, clock.now(), began_at=began_at)
    targets = sorted(settings.targets, key=lambda target: target.key)
    _check_endpoints(settings, targets)
    kept = {target.key for target in targets if not (refresh and (only is None or target.key in only))}
    gate = DayGate(lambda: write_targets(settings, lake, day, targets, accept_drop, kept))
    asked = [target for target in targets if only is None or target.key in only]
    complete = {} if refresh else _complete_already(lake, day, asked)
    if len(complete) == len(asked):
        gate.end([])
        for result in complete.values():
            on_result(result)
        return list(complete.values())
    # what sends and judges takes longer to import than the rest of a run with nothing to list
    from pulltasks.huawei.client import LiveClient

    began = began_at or clock.now()
    begin = RunBegin(
        day,
        ZoneInfo(settings.timezone),
        began,
        clock.monotonic() - (clock.now() - began).total_seconds(),
    )
    # the deadline of the whole run, by the clock of the event loop
    elapsed_s = clock.monotonic() - begin.monotonic_s
    give_up_at = asyncio.get_running_loop().time() + settings.api.max_run_minutes * 60 - elapsed_s
    async with LiveClient(
        settings,
        clock.now,
        day if simulated else None,
        begin=begin,
        monotonic=clock.monotonic,
        on_day_confirmed=gate.open,
    ) as client:
        if simulated:
            await client.require_sandbox()
            gate.open()
        under_way: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(settings.api.max_concurrency * TARGETS_PER_REQUEST_IN_FLIGHT)
        )

        async def one(target: Target) -> CaptureResult:
            async with under_way[settings.credential(target)[0]]:
                return await listed(target)

        async def listed(target: Target) -> CaptureResult:
            standing = None if refresh else complete.get(target.key) or _standing(lake, day, target)
            if standing is None and not simulated and not _may_begin(settings, day, clock.now()):
                standing = CaptureResult(target, "missing", "day_has_passed", None, 0, 0, is_new=False)
            return standing or await _capture(
                client, settings, lake, day, target, known(target.key), clock, report, gate, give_up_at, on_page
            )

        not_written: list[OSError] = []
        disagreements: list[str] = []

        async def isolated(target: Target) -> CaptureResult:
            result = await _isolated(target, one(target), report, not_written.append)
            disagreements.extend([result.message or ""] if result.reason == CLOCK_DISAGREES else [])
            on_result(result)
            return result

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(isolated(target)) for target in asked]
        finally:
            gate.end(disagreements)  # who stops a run keeps what was whole
    results = [task.result() for task in tasks]
    if not_written and len(not_written) == len(asked):
        reason = not_written[0].strerror or not_written[0]
        raise LakeError(f"the lake cannot be written ({reason}); what was published stands. {_MAKE_ROOM}")
    return results


def _minutes(settings: Settings) -> str:
    return f"api.max_run_minutes = {settings.api.max_run_minutes:g}"


async def _isolated(
    target: Target,
    capture: Coroutine[None, None, CaptureResult],
    report: Reporter,
    on_not_written: Callable[[OSError], None],
) -> CaptureResult:
    """The result of a capture; whatever goes wrong with it costs its target the day and no other target anything."""
    try:
        return await capture
    except ClockDisagrees as error:
        return CaptureResult(target, "missing", CLOCK_DISAGREES, str(error), 0, 0, is_new=False)
    except LakeError as error:
        return CaptureResult(target, "failed", "raw_not_written", f"{target.label}: {error}", 0, 0, is_new=False)
    except OSError as error:
        on_not_written(error)
        words = f"{target.label}: its raw file cannot be written ({error.strerror or error}); {_MAKE_ROOM}"
        return CaptureResult(target, "failed", "raw_not_written", words, 0, 0)
    except Exception as error:  # noqa: BLE001 - unexpected errors are reported
        words = f"{target.label}: {report(error, f'capturing {target.label}')}"
        return CaptureResult(target, "failed", UNEXPECTED, words, 0, 0)


def _may_begin(settings: Settings, day: date, now: datetime) -> bool:
    """Refuse to begin a capture more than half an hour into the next day; it would show that day."""
    return settings.today(now - GRACE_AFTER_MIDNIGHT) <= day


def _check_endpoints(settings: Settings, targets: Sequence[Target]) -> None:
    """Refuse a run without targets, or with no endpoint that resolves; one that does not fails its target alone."""
    if not targets:
        raise ConfigError(["targets: there is none; add a [[targets]] table with project_id and region"])
    if getproxies():
        return  # then names are the proxy's to resolve
    hosts = {urlsplit(settings.endpoint(target)).hostname or "" for target in targets}
    unknown = sorted(host for host in hosts if not _resolves(host))
    if len(unknown) == len(hosts):
        raise ConfigError(
            [f"api.endpoint: {host} does not resolve; check its spelling and the network" for host in unknown]
        )


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, 443)
    except (socket.gaierror, UnicodeError):
        return False
    return True


def _complete_already(lake: Lake, day: date, targets: Sequence[Target]) -> dict[tuple[str, str], CaptureResult]:
    """Return the results of targets that are complete on the day; what goes wrong is told in the target's turn."""
    found = {}
    for target in targets:
        with suppress(Exception):
            if (result := _standing(lake, day, target)) is not None:
                found[target.key] = result
    return found


def _standing(lake: Lake, day: date, target: Target) -> CaptureResult | None:
    """The result of a capture of that day which is complete already."""
    standing = _read_standing(lake, day, target)
    if standing is None or standing.verdict.verdict != "complete":
        return None
    verdict = standing.verdict
    return CaptureResult(target, verdict.verdict, None, None, verdict.task_count, 0, is_new=False)


async def _capture(
    client: LiveClient,
    settings: Settings,
    lake: Lake,
    day: date,
    target: Target,
    known: PreviousCapture,
    clock: Clock,
    report: Reporter,
    gate: DayGate,
    give_up_at: float,
    on_page: Callable[[Target, int, int], None],
) -> CaptureResult:
    from pulltasks.capture.attempt import Attempt, CaptureCounts

    line = CaptureLine(
        target=target_line(settings, target),
        snapshot_date=day,
        timezone=settings.timezone,
        capture_id=clock.new_id(),
        software_version=version("pulltasks"),
        started_at=clock.now(),
    )
    path = lake.raw_file(day, *target.key)
    unfinished = lake.unfinished("--".join(path.parts[-3:]))
    writer = RawWriter(unfinished, line)
    attempt = Attempt(client, settings, target, known, CaptureCounts(writer), partial(on_page, target))
    try:
        try:
            async with asyncio.timeout_at(give_up_at) as limit:
                await attempt.list()
        except ClockDisagrees:
            raise
        except TimeoutError:
            if not limit.expired():
                raise
            text = f"{target.label}: out of time ({_minutes(settings)}); {advice_on('out_of_time')}"
            attempt.error = ApiError("out_of_time", text)
        except ApiError as error:
            attempt.error = error
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - what came is kept, with a verdict that says so
            text = f"{target.label}: {report(error, f'listing {target.label}')}"
            attempt.error = ApiError(UNEXPECTED, text)
        verdict = attempt.verdict(clock.now())
        writer.close(verdict)
        await client.forget_connections(target)
    except BaseException:  # whatever ends the capture, also a signal, leaves no half file; it goes on from here
        writer.close()
        unfinished.unlink(missing_ok=True)
        raise

    def keep() -> None:
        if _is_better(lake, day, target, verdict, line):
            lake.put(unfinished, path)

    gate.keep(unfinished, keep)
    return CaptureResult(
        target,
        verdict.verdict,
        verdict.verdict_reason,
        verdict.error_message,
        verdict.task_count,
        verdict.requests,
        clock_skew_seconds=verdict.clock_skew_seconds,
    )


def _is_better(lake: Lake, day: date, target: Target, verdict: VerdictLine, line: CaptureLine) -> bool:
    """Whether the new capture counts more than one that stands: nothing good is overwritten by a failure."""
    standing = _read_standing(lake, day, target)
    return standing is None or rank(verdict, line) > rank(standing.verdict, standing.capture)


def _read_standing(lake: Lake, day: date, target: Target) -> RawCapture | None:
    """Return the capture of that day that is there.

    A file that cannot be read or holds another capture is moved aside, so that it can be replaced.
    """
    path = lake.raw_file(day, *target.key)
    if not path.is_file():
        return None
    try:
        path.open("rb").close()
    except PermissionError:
        raise LakeError(
            f"{path}: may not be read by this user, and is left as it is; give it back to whoever runs pulltasks "
            "(chown)"
        ) from None
    try:
        return read_own_capture(lake, path, with_answers=False)
    except LakeError as error:
        path.rename(path.with_name(f"{path.name}.{'stray' if isinstance(error, Stray) else 'damaged'}"))
        return None
