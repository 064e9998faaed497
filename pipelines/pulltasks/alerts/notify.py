"""Send each alarm once: read the lake's state, send what is new, remember what was sent.

Lives here: the order of the steps, the record of sent alarms (`lake/alerts/sent.json`).
Does not live here: the alarms themselves (rules), sending (webhook, services), when to send (cli, Dagster).
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
from pulltasks.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from pulltasks.secret import Secret
    from pulltasks.settings import AlertSettings, Settings


class _Sent(msgspec.Struct):
    """Alarms that were sent and are not resolved: to the webhook (`sent`) and to services."""

    sent: frozenset[AlertKey] = frozenset()
    services: frozenset[AlertKey] = frozenset()


def announce(
    settings: Settings, now: datetime, failures: Sequence[Failure] = (), *, has_run: bool = True
) -> str | None:
    """Send the alarms that were not sent before; do nothing when no address is configured.

    Args:
        settings: the addresses, the lake, the age limits.
        now: the current time (UTC).
        failures: troubles beside the listings: the error that ended the run, a refused credential, a failed backup.
        has_run: whether a run has just ended; if not, the result of the last run is unknown.

    Returns:
        A warning when an alarm could not be sent or remembered, else None. It never raises for that, because a failed
        alarm must not change the result of a run.
    """
    if not settings.alerts.are_sent:
        return None
    lake = Lake(settings.lake.root)
    try:
        return _announce(settings, lake, now, failures, has_run=has_run)
    except Exception as error:  # noqa: BLE001 - a failed alarm must not change the result of a run
        return f"alarms could not be sent: {reporter(lake)(error, 'sending alarms')}"


def send_test(settings: Settings, now: datetime) -> None:
    """Send one test alarm and the heartbeat; do not remember the alarm.

    Raises:
        ConfigError: when no address is set, or its file cannot be read.
        AlertNotSent: when it could not be sent.
    """
    if not settings.alerts.are_sent:
        raise ConfigError(["alerts: no address is set, so no alarm is ever sent; see docs/alerts.md"])
    try:
        state = _state(Lake(settings.lake.root))
    except (LakeError, duckdb.Error, OSError):
        state = None  # only the webhook is tested; the heading of the message says that the lake cannot be read
    alert = Alert(TEST, "asked for with `pulltasks doctor --test-alarm`; nothing needs to be done", settings.today(now))
    message = _message(settings.alerts, state, [alert], (), now)
    for send in _channels(settings.alerts).values():
        send(message)
    if settings.alerts.heartbeat:
        ping(settings.alerts.heartbeat.read())


def _channels(alerts: AlertSettings) -> dict[str, Callable[[Message], None]]:
    """Return the senders by name; the names are the fields of `_Sent`.

    Raises:
        ConfigError: when an address cannot be read or used.
    """
    channels: dict[str, Callable[[Message], None]] = {}
    if alerts.webhook:
        address = alerts.webhook.read()
        channels["sent"] = lambda message: post(address, body_of(message, alerts.format), alerts.format)
    if alerts.urls:
        services = alerts.urls.read().split()
        # imported here, because importing apprise takes as long as a small run
        from pulltasks.alerts.services import send_to_services

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
    with ExitStack() as lock:
        # Without the lock (full or missing disk) two runs may send the same alarm: better twice than never.
        with suppress(OSError):
            lock.enter_context(lake.alerts_lock())
        warnings.append(_send_news(settings.alerts, lake, state, alerts, now, has_run=has_run))
    # A monitor alarms when the heartbeat stops, so only a run that completed every target may send it.
    if has_run and not failures and state and state.status.is_complete and settings.alerts.heartbeat:
        warnings.append(_send_heartbeat(settings.alerts.heartbeat))
    return ". ".join(warning for warning in warnings if warning) or None


def _send_heartbeat(address: Secret) -> str | None:
    """Request the monitor's address; return a warning when that fails."""
    try:
        ping(address.read())
    except (AlertNotSent, ConfigError) as error:
        return f"the heartbeat could not be sent: {one_line(str(error))}"
    return None


def _send_news(
    settings: AlertSettings,
    lake: Lake,
    state: LakeState | None,
    alerts: Sequence[Alert],
    now: datetime,
    *,
    has_run: bool,
) -> str | None:
    """Send new and resolved alarms to each channel; return a warning when one could not be reached.

    Each channel has a record of its own, so a channel that fails gets the alarm again and the others do not.
    """
    recorded = _read_sent(lake)
    try:
        channels = _channels(settings)
    except ConfigError as error:
        return f"{counted(len(alerts), 'alarm')} could not be sent: {one_line(str(error))}" if alerts else None
    warnings = []
    sent = {}
    for name, send in channels.items():
        before: frozenset[AlertKey] = getattr(recorded, name)
        may_still_hold = {key for key in before if _may_still_hold(key, state, has_run=has_run)}
        current = {alert.key for alert in alerts} | may_still_hold
        new = [alert for alert in alerts if alert.key not in before]
        resolved = _resolved(before, current) if settings.resolved else ()
        sent[name] = frozenset(current)
        try:
            if new or resolved:
                send(_message(settings, state, new, resolved, now))
        except (AlertNotSent, ConfigError) as error:
            # an alarm that was not sent is not recorded, so that the next run tries again
            sent[name] = before if resolved else frozenset(current & before)
            warnings.append(f"{counted(len(new or resolved), 'alarm')} could not be sent: {one_line(str(error))}")
    warnings.append(_record(lake, recorded, msgspec.structs.replace(recorded, **sent)) or "")
    return ". ".join(warning for warning in warnings if warning) or None


def _resolved(before: frozenset[AlertKey], current: set[AlertKey]) -> tuple[AlertKey, ...]:
    """Return one key for each kind and target that had an alarm before and has none now."""
    # Day and reason are left out of the comparison: a target that fails tomorrow for another reason is not resolved.
    unresolved = {(key.kind, key.target) for key in current}
    resolved = {(key.kind, key.target): key for key in before if (key.kind, key.target) not in unresolved}
    return tuple(resolved[name] for name in sorted(resolved, key=lambda name: (name[0], name[1] or "")))


def _may_still_hold(key: AlertKey, state: LakeState | None, *, has_run: bool) -> bool:
    """Tell whether a sent alarm may still hold although this call cannot see it; it is not resolved then."""
    # only a run can show that runs or backups work again
    if key.kind in {RUN_FAILED, BACKUP_FAILED}:
        return not has_run
    if state is None:
        return True
    # the unexpected field may still be in the answers of the targets that are missing today
    return key.kind == SCHEMA_SURPRISE and not state.status.is_complete


def _message(
    settings: AlertSettings,
    state: LakeState | None,
    new: Sequence[Alert],
    resolved: Sequence[AlertKey],
    now: datetime,
) -> Message:
    day, complete, expected = (
        (state.status.day, state.status.complete, len(state.status.targets)) if state else (None, None, None)
    )
    return Message(now, day, complete, expected, new, resolved, settings.language)


def _state(lake: Lake) -> LakeState | None:
    """Return the published state; None when nothing was ever published."""
    if not lake.published.is_symlink():
        return None
    with open_published(lake) as connection:
        status = read_newest_day(connection)
        return LakeState(status, find_drift(connection, status.day))


def _read_sent(lake: Lake) -> _Sent:
    """Return the recorded alarms; a missing or damaged file counts as empty, so all are sent once more."""
    try:
        return decode_file(lake.alerts_sent.read_bytes(), _Sent)
    except (OSError, NotReadable):
        return _Sent()


def _record(lake: Lake, before: _Sent, sent: _Sent) -> str | None:
    """Write the record of sent alarms if it changed; return a warning when it cannot be written."""
    if sent == before:
        return None
    unfinished = lake.alerts_sent.with_suffix(".unfinished")
    named = {"sent": sent.sent, **({"services": sent.services} if sent.services else {})}
    # sets have no order of their own: sorted, the same alarms always give the same file
    in_order = {name: sorted(keys, key=msgspec.json.encode) for name, keys in named.items()}
    try:
        unfinished.write_bytes(msgspec.json.encode(in_order))
        lake.put(unfinished, lake.alerts_sent)
    except OSError as error:
        return f"{lake.alerts_sent} cannot be written ({error.strerror}); alarms that were sent will be sent again"
    return None
