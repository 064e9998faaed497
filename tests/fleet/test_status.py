"""How many lakes stand: the worst of them counts, and what a question to all would get wrong is said."""

from __future__ import annotations

import pytest

from pulltasks.fleet.status import FleetStatus, LakeStatus, _warnings

GOOD = LakeStatus("east", masks="a", timezone="UTC", display_timezone="UTC")


def test_a_lake_that_cannot_be_read_is_red_and_so_are_all_of_them() -> None:
    standing = FleetStatus((LakeStatus("east", trouble="no such bucket"),))
    assert (standing.level, standing.is_complete) == ("red", False)
    assert (standing.targets_complete, standing.targets_expected) == (0, 0)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (LakeStatus("west", masks="b", timezone="UTC"), "west: other masks or another redaction key than east"),
        (LakeStatus("west", masks="a", timezone="Asia/Shanghai"), "west: another timezone than east"),
        (LakeStatus("west", masks="a", display_timezone="Asia/Shanghai"), "west: another display_timezone than east"),
        (LakeStatus("west"), None),  # an earlier version says nothing, and nothing is said of it
    ],
)
def test_what_differs_between_lakes_is_said_once(other: LakeStatus, words: str | None) -> None:
    said = list(_warnings([GOOD, other, GOOD], {}))
    assert [each.startswith(words or "") for each in said] == [True] * (words is not None)


def test_a_target_of_two_lakes_is_named_as_its_tasks_count_twice() -> None:
    (said,) = _warnings([GOOD], {("p", "r"): ["east", "west"], ("q", "r"): ["east"]})
    assert said.startswith("p/r is a target of east and west: its tasks count twice")
