"""Lists of targets: causes with one remedy each, the worst first; names that tell targets apart; lines that fit."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from rich.cells import cell_len

from many_targets import DAY, KINDS, target, targets
from pulltasks.reasons import advice_on
from pulltasks.run.targets_shown import as_shown, lines_of, named, wrapped
from pulltasks.warehouse.read.status import TargetStatus

WIDE = 1_000
HINT = "--all lists them"


def shown(*found: TargetStatus, width: int = WIDE, every: bool = False) -> list[str]:
    return lines_of(as_shown(found, DAY), width, HINT, every=every)


def test_nothing_is_listed_where_nobody_is_needed() -> None:
    assert shown(target(1), target(2)) == []


def test_a_cause_has_its_remedy_once_and_the_worst_comes_first() -> None:
    refused = [target(n, "failed", "forbidden", f"HTTP 403, request r-{n}", name=f"t{n}", age=n) for n in (1, 2)]
    never = replace(target(3, "missing", "no_capture"), last_complete_date=None)
    assert shown(*refused, never, target(4)) == [
        f"  missing (no_capture), never complete: {advice_on('no_capture')}",
        "    …5ccd · cn-north-4",
        f"  failed (forbidden), not complete since 2026-11-27 or later: HTTP 403; {advice_on('forbidden')}",
        "    t2, t1",
        "1 target complete (--all lists them)",
    ]


def test_a_target_alone_keeps_the_message_of_its_own() -> None:
    (heading, _) = shown(target(1, "failed", "forbidden", "HTTP 403, request r-1", name="t1"))
    assert heading == f"  failed (forbidden): HTTP 403, request r-1; {advice_on('forbidden')}"


def test_where_messages_differ_the_advice_is_said_once_and_each_difference_behind_its_targets() -> None:
    words = [
        "held since 2026-11-27: lacks 80 of 90. Accept it: pulltasks snapshot",
        "HTTP 1",
        "HTTP 1",
        "HTTP 2",
        "HTTP 3",
    ]
    found = [target(n, "held", "lost_many_tasks", text, name=f"t{n}") for n, text in enumerate(words)]
    assert shown(*found) == [
        f"  held (lost_many_tasks): {advice_on('lost_many_tasks')}",
        "    t1, t2: HTTP 1",
        "    t0: held since 2026-11-27: lacks 80 of 90",
        "    t3: HTTP 2",
        "    and 1 more",
    ]


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ((DAY,), ""),  # an attempt failed, and an earlier one of the day counts
        ((date(2026, 11, 27),), ""),
        ((date(2026, 11, 20),), ", not complete since 2026-11-21"),
        ((date(2026, 11, 27), date(2026, 11, 20)), ", not complete since 2026-11-21 or later"),
        ((None,), ", never complete"),
        ((None, date(2026, 11, 27)), ", some never complete"),
    ],
)
def test_a_cause_says_since_when_its_targets_are_not_complete(last: tuple[date | None, ...], said: str) -> None:
    found = [replace(target(n, "failed", "forbidden"), last_complete_date=day) for n, day in enumerate(last)]
    assert shown(*found)[0].startswith(f"  failed (forbidden){said}: the key")


def test_of_very_many_targets_the_first_are_named_and_the_rest_is_counted() -> None:
    assert named(["a", "b"]) == "a, b"
    assert named([str(n) for n in range(9_000)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 8,990 more"


def test_two_targets_of_a_list_never_look_equal() -> None:
    ids = ["1" * 28 + "b550", "2" * 24 + "0000b550", "3" * 24 + "9999b550", "4" * 28 + "b551"]
    unnamed = [replace(target(0), project_id=project_id) for project_id in ids]
    names = [each.name for each in as_shown(unnamed, DAY)]
    assert names[1:] == ["…0000b550 · cn-north-4", "…9999b550 · cn-north-4", "…b551 · cn-north-4"]
    same = [replace(each, name="same") for each in unnamed[:3:2]]
    assert [each.name for each in as_shown(same, DAY, "live")] == [
        "live/same (…1111b550 · cn-north-4)",
        "live/same (…9999b550 · cn-north-4)",
    ]
    many = [each.name for each in as_shown(targets(10_000, "long"), DAY)]
    assert len(set(many)) == 10_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [80, 100, 120])
def test_each_target_has_one_line_where_all_are_asked_for(width: int, kind: str) -> None:
    found = targets(1_000, kind)
    causes = shown(*found, width=width)
    lines = shown(*found, width=width, every=True)
    assert max(map(cell_len, lines)) <= width
    assert len(lines) - len(causes) + any(line.endswith(f"({HINT})") for line in causes) == len(found)


def test_no_line_is_wider_than_asked_and_nothing_is_cut() -> None:
    text = f"a word, {'长' * 50} and {'x' * 100}\N{NO-BREAK SPACE}y"
    lines = wrapped(text, 30, 4)
    assert max(map(cell_len, lines)) <= 30
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert wrapped("one two", 80, 2) == ["  one two"]
