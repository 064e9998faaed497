"""How much time a run has left."""

from __future__ import annotations

from pulltasks.clock import Deadline


def test_what_is_left_falls_below_nothing_once_the_moment_has_passed() -> None:
    moments = iter([10.0, 12.5, 14.0])
    deadline = Deadline(12.5, lambda: next(moments))
    assert [deadline.remaining_s() for _ in range(3)] == [2.5, 0.0, -1.5]
