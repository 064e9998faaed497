"""How targets and regions are called."""

from __future__ import annotations

from pulltasks.names import target_label


def test_a_target_is_its_place_with_the_name_where_there_is_one() -> None:
    assert target_label("p", "cn-north-4", None) == target_label("p", "cn-north-4", "") == "p/cn-north-4"
    assert target_label("p", "cn-north-4", "live") == "live (p/cn-north-4)"
