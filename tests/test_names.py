"""How targets, regions and lakes are called."""

from __future__ import annotations

import pytest

from pulltasks.names import lake_name, target_label


def test_a_target_is_its_place_with_the_name_where_there_is_one() -> None:
    assert target_label("p", "cn-north-4", None) == target_label("p", "cn-north-4", "") == "p/cn-north-4"
    assert target_label("p", "cn-north-4", "live") == "live (p/cn-north-4)"


@pytest.mark.parametrize("name", ["", "Beijing", "1st", "-a", "_a", "a b", "a.b", "a/b", "上海", "a'", "a\n", "a" * 42])
def test_a_name_that_is_refused_says_what_is_allowed(name: str) -> None:
    with pytest.raises(ValueError, match="small letters, digits, - and _, a letter first, at most 41"):
        lake_name(name)
