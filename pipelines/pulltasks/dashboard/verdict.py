"""The verdict: what is known of the last day, in one sentence with its causes; and the same in five lines of text.

Lives here: the parts of both, chosen from the contents of the page; the moment is an argument.
Does not live here: the words (words.toml), reading (contents), the page (render).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from pulltasks.dashboard.targets import Cause, causes_of
from pulltasks.reasons import reason_of
from pulltasks.words import say

if TYPE_CHECKING:
    from collections.abc import Iterable

CAUSES_SHOWN = 5
NAMES_SHOWN = 4
# What lies farther after now was written by a wrong clock, or is read by one.
CLOCK_TOLERANCE_SECONDS = 120


class ShownCause(NamedTuple):
    """A cause as the page shows it: `named` are the first of its targets, `last_known` is the key of a text."""

    coverage: str
    reason: str | None
    who: str
    places: list[int]
    named: list[dict[str, str]]
    last_known: str
    first_date: str
    last_date: str
    never: int


@dataclass(frozen=True)
class Verdict:
    """What the page says first, as far as it does not depend on when it is opened; `headline` is the key of a text."""

    state: str
    tone: str
    headline: str
    day: str
    known: int
    count: int
    facts: str
    causes: list[ShownCause]
    other_causes: int


def verdict_of(contents: dict[str, Any]) -> Verdict:
    """Return the verdict from the result of `read_overview`."""
    targets = contents["targets"]
    expected = [target for target in targets if target["is_expected"]]
    known = sum(target["coverage"] == "complete" for target in expected)
    causes = causes_of(targets)
    state = _state(contents)
    is_never = any(cause.never for cause in causes)
    return Verdict(
        state=state,
        tone="good" if state == "complete" else "bad" if is_never else "late",
        headline={"complete": "verdict.all", "nothing": "verdict.none_expected"}.get(state, "verdict.known"),
        day=str(contents["build"]["through_date"]),
        known=known,
        count=len(expected),
        facts=" · ".join(_facts(contents, "en")),
        causes=[_shown(cause, targets) for cause in causes[:CAUSES_SHOWN]],
        other_causes=len(causes[CAUSES_SHOWN:]),
    )


def _shown(cause: Cause, targets: list[dict[str, Any]]) -> ShownCause:
    named = [
        {"label": targets[place]["label"], "key": f"{targets[place]['project_id']}/{targets[place]['region']}"}
        for place in cause.places[:NAMES_SHOWN]
    ]
    is_one_day = cause.first_date == cause.last_date
    last_known = "never_known" if cause.last_date is None else "last_known" if is_one_day else "last_known_between"
    return ShownCause(
        coverage=cause.coverage,
        reason=cause.reason,
        who=reason_of(cause.reason).who,
        places=cause.places,
        named=named,
        last_known=f"verdict.{last_known}",
        first_date=str(cause.first_date),
        last_date=str(cause.last_date),
        never=cause.never,
    )


def _state(contents: dict[str, Any], now: datetime | None = None) -> str:
    """Return the word of the verdict; without a moment, that of the day whatever its age."""
    captured_at = contents["captured_at"]
    if now is not None:
        moments = (contents["build"]["built_at"], captured_at or 0)
        if max(moments) - now.timestamp() > CLOCK_TOLERANCE_SECONDS:
            return "ahead"
        if captured_at is None or now.timestamp() - captured_at > contents["max_age_seconds"]:
            return "old"
    endings = {target["coverage"] for target in contents["targets"] if target["is_expected"]}
    return "nothing" if not endings else "complete" if endings == {"complete"} else "incomplete"


def _facts(contents: dict[str, Any], language: str) -> list[str]:
    """Return how many tasks are known, when they were captured, and, of an incomplete day, the last complete one."""
    targets = [target for target in contents["targets"] if target["is_expected"]]
    timezone, newest = contents["zones"][0], contents["newest_complete"]
    facts = []
    if any(target["last_complete_date"] for target in targets):
        facts.append(say(language, "unit.tasks", {"count": _number(_tasks(contents))}))
    if contents["captured_at"] is not None:
        at = datetime.fromtimestamp(contents["captured_at"], UTC).astimezone(ZoneInfo(timezone))
        facts.append(say(language, "verdict.captured", {"time": f"{at:%Y-%m-%d %H:%M}", "timezone": timezone}))
    if any(target["coverage"] != "complete" for target in targets):
        key, values = ("verdict.newest", {"day": newest["day"]}) if newest else ("verdict.never", {})
        facts.append(say(language, key, values))
    return facts


def brief_of(contents: dict[str, Any], language: str, now: datetime) -> list[str]:
    """Return the verdict in five lines of text.

    What is known, why not more, numbers, what they are compared with, and the day to come.

    Args:
        contents: the result of `read_overview`.
        language: `en` or `zh`.
        now: the moment from which ages are counted.
    """
    targets = contents["targets"]
    expected = [target for target in targets if target["is_expected"]]
    known = sum(target["coverage"] == "complete" for target in expected)
    values = {"count": len(expected), "known": known}
    state = say(language, f"verdict.{_state(contents, now)}")
    facts = _listed(language, [say(language, "brief.targets", values), *_facts(contents, language)])
    first = say(language, "brief.verdict", {"day": contents["build"]["through_date"], "state": state, "facts": facts})
    return [
        first,
        _causes_line(contents, language),
        _numbers_line(contents, language),
        _comparison_line(contents, language, len(expected)),
        _next_day_line(contents, language, now),
    ]


def _causes_line(contents: dict[str, Any], language: str) -> str:
    targets = contents["targets"]
    causes = causes_of(targets)
    if not causes:
        return say(language, "brief.no_causes")
    parts = []
    for cause in causes[:CAUSES_SHOWN]:
        named = [targets[place]["label"] for place in cause.places[:NAMES_SHOWN]]
        if len(cause.places) > len(named):
            named.append(say(language, "brief.more", {"count": len(cause.places) - len(named)}))
        ending, reason = say(language, f"coverage.{cause.coverage}"), getattr(reason_of(cause.reason), language)
        values = {"names": _listed(language, named), "coverage": ending, "reason": reason}
        parts.append(say(language, "brief.cause", values))
    if len(causes) > CAUSES_SHOWN:
        parts.append(say(language, "verdict.more", {"count": len(causes) - CAUSES_SHOWN}))
    return _sentences(language, parts)


def _numbers_line(contents: dict[str, Any], language: str) -> str:
    targets = [target for target in contents["targets"] if target["is_expected"]]
    is_known = any(target["last_complete_date"] for target in targets)
    has_changes = any(target["has_known_changes"] for target in targets)
    sums = {name: sum(count for _, count in rows) for name, rows in contents["tallies"].items()}
    unknown = say(language, "tile.unknown")
    values = {name: _number(count) if is_known else unknown for name, count in sums.items()}
    tasks = _tasks(contents)
    percent = _percent(sums["no_backup"], tasks) if is_known and tasks else None
    share = say(language, "brief.share", {"percent": percent}) if percent else ""
    return say(
        language,
        "brief.numbers",
        {**values, "changes": values["changes"] if has_changes else unknown, "no_backup": values["no_backup"] + share},
    )


def _comparison_line(contents: dict[str, Any], language: str, count: int) -> str:
    """Return how the number of tasks changed since the day before, over the targets that are known on both days."""
    last = len(contents["days"]) - 1
    if last < 1:
        return say(language, "tile.first_day")
    day = contents["days"][last - 1]
    both = {place for place, letters in enumerate(contents["coverage"]) if letters[last - 1 :] == "cc"}
    if not both:
        return say(language, "tile.not_compared", {"day": day})
    change = 0
    for target, _, _, days, counts in contents["counts"]:
        if target in both:
            at = dict(zip(days, counts, strict=True))
            change += at.get(last, 0) - at.get(last - 1, 0)
    signed = f"{change:+,}".replace("-", "\N{MINUS SIGN}") if change else "±0"
    of_both = {"day": day, "known": len(both), "count": count}
    return _sentences(
        language, [say(language, "brief.change", {"change": signed}), say(language, "tile.compared", of_both)]
    )


def _next_day_line(contents: dict[str, Any], language: str, now: datetime) -> str:
    load = contents["load"]
    if not any(target["last_complete_date"] for target in contents["targets"] if target["is_expected"]):
        return say(language, "covers.not_known")
    hours: dict[int, int] = {}
    for _, places, counts in load["targets"]:
        for hour, count in zip(places, counts, strict=True):
            if load["begins_at"] + (hour + 1) * 3600 > now.timestamp():
                hours[hour] = hours.get(hour, 0) + count
    soon = sum(count for _, count in contents["tallies"]["ends_soon"])
    parts = [say(language, "needs.ends_note", {"count": _number(soon)})]
    if hours:
        # of equal hours the first one
        busiest = max(hours, key=lambda hour: (hours[hour], -hour))
        timezone = contents["zones"][0]
        at = datetime.fromtimestamp(load["begins_at"] + busiest * 3600, UTC).astimezone(ZoneInfo(timezone))
        values = {"when": f"{at:%Y-%m-%d %H:%M}", "timezone": timezone, "count": _number(hours[busiest])}
        parts.append(say(language, "week.peak", values))
    return _sentences(language, parts)


def _tasks(contents: dict[str, Any]) -> int:
    return sum(target["task_count"] or 0 for target in contents["targets"])


def _percent(part: int, whole: int) -> str:
    """Return a share as a whole number, which is 0 or 100 only for none or all."""
    percent = round(100 * part / whole)
    return "<1" if part and not percent else ">99" if part < whole and percent > 99 else str(percent)  # noqa: PLR2004


def _number(value: int) -> str:
    return f"{value:,}"


def _listed(language: str, names: Iterable[str]) -> str:
    return ("、" if language == "zh" else ", ").join(names)


def _sentences(language: str, parts: Iterable[str]) -> str:
    return ("" if language == "zh" else " ").join(parts)
