"""Made-up pull tasks: a pure function of a seed, a place and a day.

Lives here: how tasks begin, change, end and return, in every form that the API's document shows.
Does not live here: HTTP, faults, the real day.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

# These are in addresses and arguments of made-up tasks; if one appears in a warehouse or a log, that is a leak.
PLANTED_STREAM_KEY = "planted-stream-key-7f3a9c"
PLANTED_TOKEN = "planted-token-91bc44"  # noqa: S105 - it is there to be searched for

_NAMESPACE = uuid.UUID("5b7c3b7e-5d0c-4c55-9a51-0d1f5d6f2f10")
_NAMES = ("news", "sport", "频道-一", "café", "教育直播", "канал", "match-⚽", "studio b")
_LIVE_EVENTS = ("TaskStart", "TaskExit", "TaskAlarm")
_VOD_EVENTS = (*_LIVE_EVENTS, "VodSourceFileStart", "VodSourceFileFinish", "ResetTaskConfig")
_MAX_URLS = 30
# The first tasks of every place share streams in pairs, and some of the first ones a backup: conflicts and reuse.
_PAIRED_SLOTS = 6
_SHARING_SLOTS = 256
# Applications, the first by far the largest.
_APPS = ("live", "event", "radio")
_APP_WEIGHTS = (12, 4, 1)
# Hours after midnight UTC at which tasks start: evenings in Asia; and days of the week, Monday first: weekends.
_START_HOURS = (8, 9, 10, 11, 12, 13, 14)
_DAY_WEIGHTS = (2, 2, 2, 3, 5, 7, 6)
_SHARED_BACKUP = f"https://backup.example.com/live/slate.m3u8?token={PLANTED_TOKEN}"


@dataclass(frozen=True)
class Place:
    """One project in one region.

    `task_count` is the approximate number of tasks on any day. `pace` slows their changes down: at 1 about 1 in 7 tasks
    changes per day, at 30 about 1 in 200.
    """

    project_id: str
    region: str
    task_count: int = 250
    name: str = ""
    pace: int = 1


def tasks_on(seed: int, place: Place, day: date) -> list[dict[str, Any]]:
    """Return the tasks that `place` lists on `day`, newest first, as the API's JSON objects."""
    listed = [task for slot in range(place.task_count) if (task := _task(seed, place, slot, day)) is not None]
    return sorted(listed, key=lambda task: (task["create_time"], task["task_id"]), reverse=True)


def _task(seed: int, place: Place, slot: int, day: date) -> dict[str, Any] | None:
    """Return the task in a slot on a day, or None; each exists for some weeks, and some are absent for one day."""
    root = f"{seed}|{place.project_id}|{place.region}|{slot}"
    life_days, shift_days = _fate(root, place.pace)
    generation, age_days = divmod(day.toordinal() + shift_days, life_days)
    born = day - timedelta(days=age_days)
    # Most days change nothing, so that `_state` can be cached: the status may change every third day, files weekly.
    steps = age_days // (3 * place.pace), age_days // (7 * place.pace)
    goes_away, task, start, end = _state(root, generation, place.region, born, life_days, *steps)
    if goes_away and age_days == life_days // 2:
        return None  # absent for one day, back on the next
    return task | {"status": _status(f"{root}|{generation}|{steps[0]}", day, start, end)}


def _status(root: str, day: date, start: datetime, end: datetime | None) -> str:
    """Return the status of a task at noon (UTC) by its times; some tasks are suspended."""
    noon = datetime.combine(day, time(12), UTC)
    if random.Random(root).random() < 0.08:  # noqa: PLR2004, S311
        return "suspend"
    if noon < start:
        return "wait"
    return "enable" if end is None or noon < end else "finish"


@lru_cache(maxsize=100_000)
def _fate(root: str, pace: int) -> tuple[int, int]:
    """Return the number of days that tasks in a slot exist, and the shift of their begin in days."""
    fate = random.Random(root)  # noqa: S311 - made-up data, reproducible by intent
    life_days = fate.randint(5, 90) * pace
    return life_days, fate.randrange(life_days)


@lru_cache(maxsize=100_000)
def _state(
    root: str, generation: int, region: str, born: date, life_days: int, _status_step: int, list_step: int
) -> tuple[bool, dict[str, Any], datetime, datetime | None]:
    """Return whether the task is absent for a day, its fields, its start and its end; constant between steps."""
    dice = random.Random(f"{root}|{generation}")  # noqa: S311
    slot = int(root.rpartition("|")[2])
    may_share = slot < _SHARING_SLOTS
    goes_away = dice.random() < 0.1  # noqa: PLR2004
    task_id = str(uuid.uuid5(_NAMESPACE, f"{root}|{generation}"))
    created = datetime.combine(born, time(dice.randrange(24), dice.randrange(60), dice.randrange(60)), UTC)
    days = range(1, 8)
    weights = [_DAY_WEIGHTS[(born + timedelta(days=n)).weekday()] for n in days]
    first = born + timedelta(days=dice.choices(days, weights)[0] if life_days > len(days) else 1)
    start = datetime.combine(first, time(dice.choice(_START_HOURS), dice.choice((0, 0, 0, 30))), UTC)
    # Most tasks are deleted when they end; some stay for a day or two.
    last = max(first, born + timedelta(days=life_days - dice.choice((0, 0, 1, 2))))
    end = datetime.combine(last, time(dice.randrange(15, 24), dice.choice((0, 30))), UTC)
    is_live = dice.random() < 0.6  # noqa: PLR2004
    name = f"{dice.choice(_NAMES)}-{task_id[:4]}"
    task: dict[str, Any] = {
        "task_id": task_id,
        "create_time": _text(created),
        "region": region,
        "source_type": "PullLivePushLive" if is_live else "PullVodPushLive",
        "source_urls": [_live_url(dice, name)] if is_live else _vod_urls(dice, name, list_step),
        "start_time": _text(start),
    }
    _put_any_of(dice, task, "end_time", _text(end), _text(end), _text(end), "")
    if dice.random() < 0.7:  # noqa: PLR2004
        app, stream = dice.choices(_APPS, _APP_WEIGHTS)[0], name
        if slot < _PAIRED_SLOTS:
            app, stream = "live", f"main-stage-{slot // 2 + 1}"
        task |= {"domain": "publish.example.com", "app_name": app, "stream_name": stream, "destination_url": ""}
        _put_any_of(dice, task, "push_args", f"auth_key={PLANTED_STREAM_KEY}&arg1=value1", "arg1=value1", "", _ABSENT)
    else:
        task["destination_url"] = f"rtmp://push{dice.randrange(9)}.example.com/live/{PLANTED_STREAM_KEY}-{name}"
        _put_any_of(dice, task, "domain", "", _ABSENT)
    events = list(_LIVE_EVENTS if is_live else _VOD_EVENTS)
    _put_any_of(dice, task, "callback_events", events[: dice.randint(1, len(events))], [], None, _ABSENT)
    _put_any_of(
        dice, task, "callback_url", "callback.example.com", f"https://hook.example.com/?token={PLANTED_TOKEN}", _ABSENT
    )
    if dice.random() < 0.4:  # noqa: PLR2004
        backup = _SHARED_BACKUP if may_share and task_id[1] == "0" else _live_url(dice, f"{name}_bak")
        task |= {"backup_source_type": "PullLivePushLive", "backup_source_urls": [backup]}
    else:
        _put_any_of(dice, task, "backup_source_urls", [], None, _ABSENT)
    if not is_live:
        _put_any_of(dice, task, "vod_loop_time", "-1", "3", "", _ABSENT)
        task["vod_start_video_index"] = dice.randrange(max(1, len(task["source_urls"])))
        task["vod_start_video_time"] = dice.randrange(600)
        _put_any_of(dice, task, "vod_refresh_type", "immediate_new_source", "continue_from_break_point")
    return goes_away, task, start, end if task.get("end_time") else None


_ABSENT = object()


def _put_any_of(dice: random.Random, task: dict[str, Any], key: str, *choices: object) -> None:
    """Set `key` to one of the choices; `_ABSENT` leaves it out."""
    value = dice.choice(choices)
    if value is not _ABSENT:
        task[key] = value


def _live_url(dice: random.Random, name: str) -> str:
    return dice.choice(
        (
            f"rtmp://play.example.com/live/{name}",
            f"rtmp://user:{PLANTED_TOKEN}@play.example.com/live/{name}",
            f"https://play.example.com/live/{name}.m3u8?token={PLANTED_TOKEN}",
            f"srt://play.example.com:9000?streamid=#!::r={name},u={PLANTED_TOKEN}",
        )
    )


def _vod_urls(dice: random.Random, name: str, first: int) -> list[str]:
    """Return the files to play; `first` grows by one every week."""
    count = dice.choice((0, 1, 2, 3, 5, 8, _MAX_URLS))
    return [f"https://vod.example.com/{name}/{first + position:03}.mp4" for position in range(count)]


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
