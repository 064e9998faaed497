"""The captures of one day: every target is listed and gets a raw file, and no target disturbs another.

Lives here: the choice of targets to list now, the guard on the date, errors of single targets.
Does not live here: the proof of a listing (proof), one target's listing (attempt), tables (lake.normalise).
"""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies
from zoneinfo import ZoneInfo

from pulltasks.capture.day_gate import DayGate
from pulltasks.capture.existing import is_better, read_existing
from pulltasks.capture.target_list import target_line, write_targets
from pulltasks.clock import Deadline
from pulltasks.errors import UNEXPECTED, ApiError, ClockDisagrees, ConfigError, DateRefused, LakeError, reraise
from pulltasks.huawei.service_clock import RunBegin
from pulltasks.lake.raw import CaptureLine, RawWriter
from pulltasks.previous import NO_PREVIOUS_CAPTURE
from pulltasks.reasons import advice_on

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pulltasks.capture.attempt import Attempt
    from pulltasks.clock import Clock
    from pulltasks.errors import Reporter
    from pulltasks.huawei.client import LiveClient
    from pulltasks.huawei.pace import Reached
    from pulltasks.lake.lake import Lake
    from pulltasks.previous import PreviousCapture
    from pulltasks.settings import Settings, Target

# Targets of a credential that are listed at once, if `api.max_concurrency` is not larger: enough that a slow project
# does not hold up the others, few enough that memory does not grow with the number of targets, and that the first ones
# end early, so that their tables are written while others are listed.
TARGETS_AT_ONCE = 20
CLOCK_DISAGREES = "clock_disagrees"
_MAKE_ROOM = "Make room, then run again"
# A run that began before midnight keeps its date this far into the next day.
GRACE_AFTER_MIDNIGHT = timedelta(minutes=30)


@dataclass(frozen=True)
class CaptureOptions:
    """The options of a day's capture.

    Attributes:
        refresh: list complete targets again as well.
        only: list only these targets, by `(project_id, region)`; None for all.
        accept_drop: targets whose listing counts today even if it lacks many tasks, by `(project_id, region)`.
        simulated: the day is the sandbox's, not today; any server that is not a sandbox is refused.
        began_at: the begin of the run, if that was earlier; a run that passes midnight keeps its date.
    """

    refresh: bool = False
    only: Collection[tuple[str, str]] | None = None
    accept_drop: Collection[tuple[str, str]] = ()
    simulated: bool = False
    began_at: datetime | None = None

    def names(self, target: Target) -> bool:
        """Tell whether a target belongs to this capture; complete ones may still be left out."""
        return self.only is None or target.key in self.only


@dataclass(frozen=True)
class CaptureResult:
    """The result of one target's capture; `is_new` is False if an earlier one of the day still counts."""

    target: Target
    verdict: str
    reason: str | None
    message: str | None
    task_count: int
    requests: int
    is_new: bool = True
    clock_skew_seconds: int | None = None


def check_date(settings: Settings, day: date, now: datetime, *, began_at: datetime | None = None) -> None:
    """Refuse every day but today, or the day on which the run began until half an hour after its midnight.

    Raises:
        DateRefused: for any other day; the message names the command for past days.
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


@dataclass
class DayCapture:
    """The captures of one day; `run` creates them.

    Attributes:
        settings: the configuration.
        lake: the lake for raw files; the caller holds its lock.
        day: the snapshot date.
        clock: time and identifiers.
        options: the choice of targets, and the rules for them.
        known: returns the last complete capture of a target, by `(project_id, region)`.
        reached_before: the pace that each credential reached in its run before, by its name.
        reached: the pace of each credential in this run, once it has ended.
        report: receives an unexpected error and returns a sentence with the place of its report; the error ends only
            its own target.
        on_result: receives the result of each target as it ends.
        on_page: receives the target of each received page, and its number of pages and tasks so far.
        on_ended: receives targets in their order, once their raw files and those of all before are final; it runs in a
            thread beside the listing, and must not raise.
    """

    settings: Settings
    lake: Lake
    day: date
    clock: Clock
    options: CaptureOptions = field(default_factory=CaptureOptions)
    known: Callable[[tuple[str, str]], PreviousCapture] = lambda _: NO_PREVIOUS_CAPTURE
    reached_before: Mapping[str, Reached] = field(default_factory=dict)
    reached: dict[str, Reached] = field(init=False, default_factory=dict)
    report: Reporter = reraise
    on_result: Callable[[CaptureResult], None] = lambda _: None
    on_page: Callable[[Target, int, int], None] = lambda _target, _pages, _tasks: None
    on_ended: Callable[[Target], None] = lambda _: None
    _gate: DayGate = field(init=False)
    _deadline: Deadline = field(init=False)

    async def run(self) -> list[CaptureResult]:
        """List every target of the configuration, concurrently; targets that are complete on the day are skipped.

        Returns:
            One result per requested target, sorted by project and region.

        Raises:
            DateRefused: another date than today, before anything is written.
            ConfigError: no credential, or no endpoint that resolves, before anything is written.
            LakeError: when no raw file at all can be written.
        """
        if not self.options.simulated:
            check_date(self.settings, self.day, self.clock.now(), began_at=self.options.began_at)
        targets = sorted(self.settings.targets, key=lambda target: target.key)
        _check_endpoints(self.settings, targets)
        # The target list names all targets, also those that this run leaves out: the day expects all of them.
        self._gate = DayGate(partial(self._write_targets, targets))
        asked = [target for target in targets if self.options.names(target)]
        complete = {} if self.options.refresh else self._complete_already(asked)
        if len(complete) < len(asked):
            return await self._capture_all(asked, complete)
        # Nothing is sent, so no service can contradict the day: the gate opens.
        self._gate.end([])
        for result in complete.values():
            self.on_result(result)
        return list(complete.values())

    def _write_targets(self, targets: Sequence[Target]) -> None:
        options = self.options
        kept = {target.key for target in targets if not (options.refresh and options.names(target))}
        write_targets(self.settings, self.lake, self.day, targets, options.accept_drop, kept)

    async def _capture_all(
        self, asked: Sequence[Target], complete: dict[tuple[str, str], CaptureResult]
    ) -> list[CaptureResult]:
        # The client takes longer to import than the rest of a run with nothing to list.
        from pulltasks.huawei.client import LiveClient

        begin = self._begin()
        self._deadline = Deadline(begin.monotonic_s + 60 * self.settings.api.max_run_minutes, self.clock.monotonic)
        async with LiveClient(
            self.settings,
            self.clock.now,
            self.day if self.options.simulated else None,
            begin=begin,
            deadline=self._deadline,
            on_day_confirmed=self._gate.open,
            reached_before=self.reached_before,
        ) as client:
            if self.options.simulated:
                await client.require_sandbox()
                self._gate.open()
            turns: defaultdict[str, asyncio.Semaphore] = defaultdict(
                lambda: asyncio.Semaphore(max(self.settings.api.max_concurrency, TARGETS_AT_ONCE))
            )
            not_written: list[OSError] = []
            disagreements: list[str] = []

            async def in_turn(target: Target) -> CaptureResult:
                async with turns[self.settings.credential(target)[0]]:
                    result = complete.get(target.key) or await self._isolated(client, target, not_written.append)
                disagreements.extend([result.message or ""] if result.reason == CLOCK_DISAGREES else [])
                self.on_result(result)
                return result

            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(in_turn(target)) for target in asked]
                    group.create_task(self._follow(asked, tasks))
            finally:
                self.reached = client.reached()
                self._gate.end(disagreements)  # a run that is stopped keeps its finished raw files as well
        if not_written and len(not_written) == len(asked):
            reason = not_written[0].strerror or not_written[0]
            raise LakeError(f"the lake cannot be written ({reason}); what was published is unchanged. {_MAKE_ROOM}")
        return [task.result() for task in tasks]

    async def _follow(self, asked: Sequence[Target], tasks: Sequence[asyncio.Task[CaptureResult]]) -> None:
        """Pass each target on when it and all before it have ended, unless its raw file still waits for the day."""
        for target, task in zip(asked, tasks, strict=True):
            await asyncio.wait([task])
            if self._gate.is_open:
                await asyncio.to_thread(self.on_ended, target)

    def _begin(self) -> RunBegin:
        # The run may have begun before its captures: both clocks are set back by the time in between.
        now = self.clock.now()
        began_at = self.options.began_at or now
        elapsed_s = (now - began_at).total_seconds()
        return RunBegin(self.day, ZoneInfo(self.settings.timezone), began_at, self.clock.monotonic() - elapsed_s)

    async def _isolated(
        self, client: LiveClient, target: Target, on_not_written: Callable[[OSError], None]
    ) -> CaptureResult:
        """Return the result of a capture; an error ends only its own target."""
        try:
            return await self._result_of(client, target)
        except ClockDisagrees as error:
            return CaptureResult(target, "missing", CLOCK_DISAGREES, str(error), 0, 0, is_new=False)
        except LakeError as error:
            return CaptureResult(target, "failed", "raw_not_written", f"{target.label}: {error}", 0, 0, is_new=False)
        except OSError as error:
            on_not_written(error)
            words = f"{target.label}: its raw file cannot be written ({error.strerror or error}); {_MAKE_ROOM}"
            return CaptureResult(target, "failed", "raw_not_written", words, 0, 0)
        except Exception as error:  # noqa: BLE001 - unexpected errors are reported
            words = f"{target.label}: {self.report(error, f'capturing {target.label}')}"
            return CaptureResult(target, "failed", UNEXPECTED, words, 0, 0)

    async def _result_of(self, client: LiveClient, target: Target) -> CaptureResult:
        # Looked up again, because `_complete_already` suppresses errors, which are reported here.
        existing = None if self.options.refresh else self._complete_result(target)
        if existing is None and not self.options.simulated and not self._may_begin():
            return CaptureResult(target, "missing", "day_has_passed", None, 0, 0, is_new=False)
        return existing or await self._capture(client, target)

    def _may_begin(self) -> bool:
        """Tell whether a capture may still begin; half an hour into the next day it would show that day."""
        return self.settings.today(self.clock.now() - GRACE_AFTER_MIDNIGHT) <= self.day

    def _complete_already(self, targets: Sequence[Target]) -> dict[tuple[str, str], CaptureResult]:
        """Return the results of targets that are complete on the day, by key; errors are suppressed."""
        found = {}
        for target in targets:
            with suppress(Exception):
                if (result := self._complete_result(target)) is not None:
                    found[target.key] = result
        return found

    def _complete_result(self, target: Target) -> CaptureResult | None:
        existing = read_existing(self.lake, self.day, target)
        if existing is None or existing.verdict.verdict != "complete":
            return None
        return CaptureResult(target, "complete", None, None, existing.verdict.task_count, 0, is_new=False)

    async def _capture(self, client: LiveClient, target: Target) -> CaptureResult:
        from pulltasks.capture.attempt import Attempt, CaptureCounts

        line = CaptureLine(
            target=target_line(self.settings, target),
            snapshot_date=self.day,
            timezone=self.settings.timezone,
            capture_id=self.clock.new_id(),
            software_version=version("pulltasks"),
            started_at=self.clock.now(),
        )
        # Written under another name: a raw file is either complete or absent.
        path = self.lake.raw_file(self.day, *target.key)
        unfinished = self.lake.unfinished("--".join(path.parts[-3:]))
        writer = RawWriter(unfinished, line)
        counts = CaptureCounts(writer)
        attempt = Attempt(client, self.settings, target, self.known(target.key), counts, partial(self.on_page, target))
        try:
            await self._list(attempt, target)
            verdict = attempt.verdict(self.clock.now())
            writer.close(verdict)
            await client.forget_connections(target)
        except BaseException:  # an error or a signal that ends the capture leaves no partial file
            writer.close()
            unfinished.unlink(missing_ok=True)
            raise

        def keep() -> None:
            if is_better(self.lake, self.day, target, verdict, line):
                self.lake.put(unfinished, path)

        self._gate.keep(unfinished, keep)
        return CaptureResult(
            target,
            verdict.verdict,
            verdict.verdict_reason,
            verdict.error_message,
            verdict.task_count,
            verdict.requests,
            clock_skew_seconds=verdict.clock_skew_seconds,
        )

    async def _list(self, attempt: Attempt, target: Target) -> None:
        """List a target; an error becomes part of its verdict, so that the answers before it are stored.

        Raises:
            ClockDisagrees: when the service's clock gives another day.
            OSError: when the raw file cannot be written.
        """
        try:
            async with asyncio.timeout(self._deadline.remaining_s()) as limit:
                await attempt.list()
        except ClockDisagrees:
            raise
        except TimeoutError:
            # TimeoutError is also an error of the file system, which is not the end of the run's time.
            if not limit.expired():
                raise
            minutes = f"api.max_run_minutes = {self.settings.api.max_run_minutes:g}"
            text = f"{target.label}: out of time ({minutes}); {advice_on('out_of_time')}"
            attempt.error = ApiError("out_of_time", text)
        except ApiError as error:
            attempt.error = error
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - answers so far are stored, with a verdict that names the error
            attempt.error = ApiError(UNEXPECTED, f"{target.label}: {self.report(error, f'listing {target.label}')}")


def _check_endpoints(settings: Settings, targets: Sequence[Target]) -> None:
    """Refuse a run without targets or without any endpoint that resolves; a single bad one fails its target only."""
    if not targets:
        raise ConfigError(["targets: there are none; add a [[targets]] table with project_id and region"])
    if getproxies():
        return  # then the proxy resolves names
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
