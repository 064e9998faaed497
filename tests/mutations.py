"""Answers with something wrong in them: a fuzzer that is given its dice; no test by itself."""

from __future__ import annotations

import json
import random
from typing import Any

TASKS = 3
ODD_VALUES = (
    b"1e400", b"-1e999", b"9" * 5000, b"NaN", b"Infinity", b"-0", b"1.5", b"18446744073709551616", b"true", b"null",
    b'""', b'"\xd6\xd0"', b'"a\xc3"', b'"\\ud83d"', b'"\\udc80x"', b'"\xed\xa0\xbd"', b'"\\u0000"', b'"a\x01"', b"[]", b"{}",
    b"[null]", b'["\xff",1e999]', b'{"\xff":1}', b'{"a":{"b":1e999}}', b"[" * 450 + b"]" * 450, b"[" * 2000 + b"]" * 2000,
    b'"0001-01-01T00:00:00+08:00"', b'"9999-12-31T23:59:59-08:00"', b'"1743090350654"', b'"0000-00-00T00:00:00Z"',
    b'"' + b"x" * 100_000 + b'"', b"tru", b"01", b'"\\x"', b"'a'", b'"\xf0\x9f\x93"', b'"\\ud83d\\ud83d"',
)  # fmt: skip
ODD_BYTES = (
    b"\xff",
    b"\x00",
    b"\xef\xbb\xbf",
    b'"',
    b"\\",
    b",",
    b"{",
    b"]",
    b"\xd6",
    b"e999",
    b"\\ud83d",
    b"\xe2\x80",
)
FIELDS = (
    "task_id",
    "status",
    "create_time",
    "source_urls",
    "push_args",
    "vod_start_video_index",
    "callback_events",
    "new",
)


def task(project_id: str, n: int) -> dict[str, Any]:
    """One of the tasks that a target lists every day."""
    return {
        "task_id": f"{project_id[-6:]}-{n}",
        "status": "running",
        "create_time": "2026-11-01T00:00:00Z",
        "source_urls": [f"rtmp://h/live/{n}", "rtmp://h/live/b"],
        "push_args": "a=b",
        "callback_events": ["TaskExit"],
        "vod_start_video_index": n,
    }


def answer(project_id: str) -> bytes:
    """An honest answer."""
    tasks = [task(project_id, n) for n in range(TASKS)]
    return json.dumps({"request_id": "r", "total": TASKS, "task_infos": tasks}).encode()


def mutated(project_id: str, dice: random.Random) -> bytes:
    """The answer with one to three things wrong in it."""
    body = answer(project_id)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        body = dice.choice((_odd_value, _odd_value, _odd_value, _odd_bytes, _flipped, _cut, _doubled, _odd_envelope))(
            body, dice
        )
    return body


def _odd_value(body: bytes, dice: random.Random) -> bytes:
    """A value of a task becomes an odd one, or a field is added."""
    name = dice.choice(FIELDS).encode()
    places = [n for n in range(len(body)) if body.startswith(b'"' + name + b'": ', n)]
    value = dice.choice(ODD_VALUES)
    if not places:
        return body.replace(b'"status"', b'"' + name + b'": ' + value + b', "status"', 1)
    begin = dice.choice(places) + len(name) + 4
    end = begin + (body[begin:].find(b"]") + 1 if body[begin : begin + 1] == b"[" else _end_of(body[begin:]))
    return body[:begin] + value + body[end:]


def _end_of(text: bytes) -> int:
    return min(place for end in (b",", b"}") if (place := text.find(end)) >= 0) if text else 0


def _odd_bytes(body: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(body) + 1)
    return body[:place] + dice.choice(ODD_BYTES) + body[place:]


def _flipped(body: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(body))
    return body[:place] + bytes([body[place] ^ 1 << dice.randrange(8)]) + body[place + 1 :]


def _cut(body: bytes, dice: random.Random) -> bytes:
    begin = dice.randrange(len(body))
    return body[:begin] + body[begin + dice.randrange(1, 40) :]


def _doubled(body: bytes, dice: random.Random) -> bytes:
    begin = dice.randrange(len(body))
    return body[:begin] + body[begin : begin + dice.randrange(1, 400)] + body[begin:]


def _odd_envelope(body: bytes, dice: random.Random) -> bytes:
    total = b'"total": %d' % TASKS
    if dice.random() < 0.3:
        return b"\xef\xbb\xbf" + body
    others = (
        b'"3"',
        b"3.0",
        b"3e0",
        b"null",
        b"-1",
        b"2",
        b"9223372036854775808",
        b'"3 "',
        b"true",
        b"10000",
        b"1e999",
    )
    return body.replace(total, b'"total": ' + dice.choice(others), 1)
