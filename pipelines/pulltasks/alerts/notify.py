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
    BACKUP_FAILED,
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
from pulltasks.alerts.webhook import Message, body_of, ping, post
from pulltasks.errors import AlertNotSent, ConfigError, LakeError, NotReadable
from pulltasks.json_reading import decode_file
from pulltasks.lake.error_reports import reporter
from pulltasks.lake.lake import Lake
from pulltasks.masking import scrub
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.read.schema_drift import find_drift
from pulltasks.warehouse.read.status import read_newest_day

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from pulltasks.secret import Secret
    from pulltasks.settings import AlertSettings, Settings


class _Sent(msgspec.Struct):
    """Alarms that were sent and have not ended: to the webhook, and to services."""

    sent: frozenset[AlertKey] = frozenset()
    services: frozenset[AlertKey] = frozenset()


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
        raise ConfigError(["alerts: no address is set, so no alarm is ever sent; see docs/alerts.md"])
    try:
        state = _state(Lake(settings.lake.root))
    except (LakeError, duckdb.Error, OSError):
        state = None  # the test is of the webhook, and the message says that nothing can be read
    alert = Alert(TEST, "asked for with `pulltasks doctor --test-alarm`; nothing needs to be done", settings.today(now))
    message = _message(settings.alerts, state, [alert], (), now)
    for send in _channels(settings.alerts).values():
        send(message)
    if settings.alerts.heartbeat:
        ping(settings.alerts.heartbeat.read())


def _channels(alerts: AlertSettings) -> dict[str, Callable[[Message], None]]:
    """Who is told, by the name under which the memory keeps what was sent there.

    Raises:
        ConfigError: when an address cannot be read or used.
    """
    channels: dict[str, Callable[[Message], None]] = {}
    if alerts.webhook:
        address = alerts.webhook.read()
        channels["sent"] = lambda message: post(address, body_of(message, alerts.format), alerts.format)
    if alerts.urls:
        services = alerts.urls.read().split()
        from pulltasks.alerts.services import send_to_services  # importing apprise takes as long as a small run

        channels["services"] = lambda message: send_to_services(services, message)
    return channels


def _announce(
    settings: Settings, lake: Lake, now: datetime, failures: Sequence[Failure], *, has_run: bool
) -> str | None:
    state: LakeState | None = None
    try:
        state = _state(lake)
    except (LakeError, duckdb.Error, OSError) as error:
        failures = failures or [Failure(type(error).__name__, f"what is published cannot be read: {scrub(str(error))}")]
    alerts = find_alerts(state, failures, now, settings.today(now), settings.alerts.limits)
    warnings = []
    with ExitStack() as held:
        with suppress(OSError):  # a disk that is full or not there: told twice is better than not told
            held.enter_context(lake.alerts_lock())
        warnings.append(_tell(settings.alerts, lake, state, alerts, now, has_run=has_run))
    if has_run and not failures and state and state.status.is_complete and settings.alerts.heartbeat:
        warnings.append(_beat(settings.alerts.heartbeat))
    return ". ".join(warning for warning in warnings if warning) or None


def _beat(address: Secret) -> str | None:
    try:
        ping(address.read())
    except (AlertNotSent, ConfigError) as error:
        return f"the heartbeat could not be sent: {one_line(str(error))}"
    return None


def _tell(
    settings: AlertSettings,
    lake: Lake,
    state: LakeState | None,
    alerts: Sequence[Alert],
    now: datetime,
    *,
    has_run: bool,
) -> str | None:
    """Tell each channel what it was not told, and what is over; each has a memory of its own."""
    memory = _read_sent(lake)
    try:
        channels = _channels(settings)
    except ConfigError as error:
        return f"{_count(alerts)} could not be sent: {one_line(str(error))}" if alerts else None
    warnings = []
    kept = {}
    for name, send in channels.items():
        before: frozenset[AlertKey] = getattr(memory, name)
        may_go_on = {key for key in before if _may_go_on(key, state, has_run=has_run)}
        current = {alert.key for alert in alerts} | may_go_on
        new = [alert for alert in alerts if alert.key not in before]
        over = _over(before, current) if settings.resolved else ()
        kept[name] = frozenset(current)
        try:
            if new or over:
                send(_message(settings, state, new, over, now))
        except (AlertNotSent, ConfigError) as error:
            # what was not sent is not remembered, so that the next run tries again
            kept[name] = before if over else frozenset(current & before)
            warnings.append(f"{_count(new or over)} could not be sent: {one_line(str(error))}")
    warnings.append(_remember(lake, memory, msgspec.structs.replace(memory, **kept)) or "")
    return ". ".join(warning for warning in warnings if warning) or None


def _count(alerts: Sequence[object]) -> str:
    return f"{len(alerts)} {'alarm' if len(alerts) == 1 else 'alarms'}"


def _over(before: frozenset[AlertKey], current: set[AlertKey]) -> tuple[AlertKey, ...]:
    """What was told and is over: of a kind and target that nothing is told of any more, each once."""
    goes_on = {(key.kind, key.target) for key in current}
    over = {(key.kind, key.target): key for key in before if (key.kind, key.target) not in goes_on}
    return tuple(over[name] for name in sorted(over, key=lambda name: (name[0], name[1] or "")))


def _may_go_on(key: AlertKey, state: LakeState | None, *, has_run: bool) -> bool:
    """Whether an alarm that was sent may still hold although this run cannot tell; it stays remembered then."""
    if key.kind in {RUN_FAILED, BACKUP_FAILED}:
        return not has_run
    if state is None:
        return True
    # a field that was strange may be so still at the targets whose answers are not there
    return key.kind == SCHEMA_SURPRISE and not state.status.is_complete


def _message(
    settings: AlertSettings,
    state: LakeState | None,
    new: Sequence[Alert],
    over: Sequence[AlertKey],
    now: datetime,
) -> Message:
    day, complete, expected = (
        (state.status.day, state.status.complete, len(state.status.targets)) if state else (None, None, None)
    )
    return Message(now, day, complete, expected, new, over, settings.language)


def _state(lake: Lake) -> LakeState | None:
    """The published state; None when nothing was ever published."""
    if not lake.published.is_symlink():
        return None
    with open_published(lake) as connection:
        status = read_newest_day(connection)
        return LakeState(status, find_drift(connection, status.day))


def _read_sent(lake: Lake) -> _Sent:
    """The alarms sent before; a missing or damaged file counts as none, so all are sent once more."""
    try:
        return decode_file(lake.alerts_sent.read_bytes(), _Sent)
    except (OSError, NotReadable):
        return _Sent()


def _remember(lake: Lake, before: _Sent, sent: _Sent) -> str | None:
    """Write the alarms sent into the file if it differs; returns a warning when it cannot be written."""
    if sent == before:
        return None
    unfinished = lake.alerts_sent.with_suffix(".unfinished")
    named = {"sent": sent.sent, **({"services": sent.services} if sent.services else {})}
    in_order = {name: sorted(keys, key=msgspec.json.encode) for name, keys in named.items()}
    try:
        unfinished.write_bytes(msgspec.json.encode(in_order))
        lake.put(unfinished, lake.alerts_sent)
    except OSError as error:
        return f"{lake.alerts_sent} cannot be written ({error.strerror}); alarms that were sent will be sent again"
    return None
