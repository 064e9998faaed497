"""Telling what is wrong, once: asks the lake, sends what is new, remembers what was sent.

Lives here: the order of the steps, the memory of what was sent.
Does not live here: what an alarm is (rules), how it is sent (webhook), who calls this when (cli, Dagster).
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import duckdb
import msgspec

from pulltasks.alerts.rules import (
    RUN_FAILED,
    SCHEMA_SURPRISE,
    TEST,
    Alert,
    AlertKey,
    Failure,
    LakeState,
    find_alerts,
    one_line,
)
from pulltasks.alerts.webhook import Message, body_of, post
from pulltasks.config import read_webhook
from pulltasks.errors import AlertNotSent, ConfigError, LakeError, NotReadable
from pulltasks.json_reading import decode_file
from pulltasks.lake.error_reports import reporter
from pulltasks.lake.lake import Lake
from pulltasks.masking import scrub
from pulltasks.warehouse.published import open_published
from pulltasks.warehouse.schema_drift import find_drift
from pulltasks.warehouse.status import read_newest_day

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pulltasks.settings import AlertSettings, Settings


class _Sent(msgspec.Struct):
    """Alarms that were sent and have not ended."""

    sent: frozenset[AlertKey] = frozenset()


def announce(
    settings: Settings, now: datetime, failures: Sequence[Failure] = (), *, has_run: bool = True
) -> str | None:
    """Send the alarms that were not sent before; without a webhook do nothing.

    Args:
        settings: the webhook, the lake, how old the newest complete day may be.
        now: the time.
        failures: what failed beside the listings: how a run ended that published nothing, a refused credential.
        has_run: whether a run has just ended; else nothing is known of how the last one did.

    Returns:
        A warning when something could not be sent or remembered, else None. It never raises for that: how a run ended
        is not changed by who could be told.
    """
    if not settings.alerts.are_sent:
        return None
    lake = Lake(settings.lake.root)
    try:
        return _announce(settings, lake, now, failures, has_run=has_run)
    except Exception as error:  # noqa: BLE001 - how a run ended is not changed by who could be told
        return f"alarms could not be sent: {reporter(lake)(error, 'sending alarms')}"


def send_test(settings: Settings, now: datetime) -> None:
    """Send one alarm that says that it is a test; it is not remembered.

    Raises:
        ConfigError: when there is no webhook, or its file cannot be read.
        AlertNotSent: when it could not be sent.
    """
    if not settings.alerts.are_sent:
        raise ConfigError(["alerts.webhook: none is set, so no alarm is ever sent; see docs/alerts.md"])
    try:
        state = _state(Lake(settings.lake.root))
    except (LakeError, duckdb.Error, OSError):
        state = None  # the test is of the webhook, and the message says that nothing can be read
    alert = Alert(TEST, "asked for with `pulltasks doctor --test-alarm`; nothing needs to be done", settings.today(now))
    post(
        read_webhook(settings.alerts),
        body_of(_message(state, [alert], now), settings.alerts.format),
        settings.alerts.format,
    )


def _announce(
    settings: Settings, lake: Lake, now: datetime, failures: Sequence[Failure], *, has_run: bool
) -> str | None:
    state: LakeState | None = None
    try:
        state = _state(lake)
    except (LakeError, duckdb.Error, OSError) as error:
        failures = failures or [Failure(type(error).__name__, f"what is published cannot be read: {scrub(str(error))}")]
    alerts = find_alerts(state, failures, now, settings.today(now), settings.alerts.limits)
    with ExitStack() as held:
        with suppress(OSError):  # a disk that is full or not there: told twice is better than not told
            held.enter_context(lake.alerts_lock())
        return _tell(settings.alerts, lake, state, alerts, now, has_run=has_run)


def _tell(
    settings: AlertSettings,
    lake: Lake,
    state: LakeState | None,
    alerts: Sequence[Alert],
    now: datetime,
    *,
    has_run: bool,
) -> str | None:
    before = _read_sent(lake)
    current = {alert.key for alert in alerts} | {key for key in before if _may_go_on(key, state, has_run=has_run)}
    new = [alert for alert in alerts if alert.key not in before]
    try:
        if new:
            post(read_webhook(settings), body_of(_message(state, new, now), settings.format), settings.format)
    except (AlertNotSent, ConfigError) as error:
        # what was not sent is not remembered, so that the next run tries again
        noun = "alarm" if len(new) == 1 else "alarms"
        warnings = (
            f"{len(new)} {noun} could not be sent: {one_line(str(error))}",
            _remember(lake, before, current & before),
        )
        return ". ".join(warning for warning in warnings if warning)
    return _remember(lake, before, current)


def _may_go_on(key: AlertKey, state: LakeState | None, *, has_run: bool) -> bool:
    """Whether an alarm that was sent may still hold although this run cannot tell; it stays remembered then."""
    if key.kind == RUN_FAILED:
        return not has_run
    if state is None:
        return True
    # a field that was strange may be so still at the targets whose answers are not there
    return key.kind == SCHEMA_SURPRISE and not state.status.is_complete


def _message(state: LakeState | None, new: Sequence[Alert], now: datetime) -> Message:
    if state is None:
        return Message(now, None, None, None, new)
    return Message(now, state.status.day, state.status.complete, len(state.status.targets), new)


def _state(lake: Lake) -> LakeState | None:
    """The published state; None when nothing was ever published."""
    if not lake.published.is_symlink():
        return None
    with open_published(lake) as connection:
        status = read_newest_day(connection)
        return LakeState(status, find_drift(connection, status.day))


def _read_sent(lake: Lake) -> frozenset[AlertKey]:
    """The alarms sent before; a missing or damaged file counts as none, so all are sent once more."""
    try:
        return decode_file(lake.alerts_sent.read_bytes(), _Sent).sent
    except (OSError, NotReadable):
        return frozenset()


def _remember(lake: Lake, before: frozenset[AlertKey], sent: set[AlertKey] | frozenset[AlertKey]) -> str | None:
    """Write the alarms sent into the file if it differs; returns a warning when it cannot be written."""
    if sent == before:
        return None
    unfinished = lake.alerts_sent.with_suffix(".unfinished")
    try:
        unfinished.write_bytes(msgspec.json.encode({"sent": sorted(sent, key=msgspec.json.encode)}))
        lake.put(unfinished, lake.alerts_sent)
    except OSError as error:
        return f"{lake.alerts_sent} cannot be written ({error.strerror}); alarms that were sent will be sent again"
    return None
