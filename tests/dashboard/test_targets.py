"""Each target has a short name of its own, and what is not complete is grouped by cause, worst first."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from pulltasks.dashboard.targets import Cause, causes_of, with_labels

DAY = date(2026, 11, 22)
PROJECTS = st.text("0123456789abcdef", min_size=32, max_size=32)
TARGETS = st.lists(
    st.tuples(PROJECTS, st.sampled_from(["cn-north-4", "cn-east-3"]), st.sampled_from([None, "", "a", "b"])),
    unique_by=lambda target: target[:2],
    max_size=12,
)


def target(project: str, region: str = "cn-east-3", name: str | None = None, **values: object) -> dict:
    usual = {"is_expected": True, "coverage": "complete", "verdict_reason": None, "last_complete_date": DAY}
    return {"project_id": project, "region": region, "target_name": name, **usual, **values}


@given(TARGETS)
def test_no_two_targets_have_the_same_label(targets: list[tuple[str, str, str | None]]) -> None:
    labels = [each["label"] for each in with_labels([target(*each) for each in targets])]
    assert len(set(labels)) == len(labels)


def test_a_target_is_called_by_its_name_else_by_the_end_of_its_id_and_its_region() -> None:
    named, unnamed, again, twin = with_labels(
        [
            target("0" * 28 + "aaaa", name="x"),
            target("1" * 28 + "b550"),
            target("2" * 32, name="y"),
            target("3" * 32, name="y"),
        ]
    )
    assert (named["label"], unnamed["label"]) == ("x", "…b550 · cn-east-3")
    assert (again["label"], twin["label"]) == ("y (…2222 · cn-east-3)", "y (…3333 · cn-east-3)")


def test_ids_that_end_alike_are_shown_as_far_as_they_differ() -> None:
    one, other = with_labels([target("0" * 26 + "a1b550"), target("0" * 26 + "b1b550")])
    assert (one["label"], other["label"]) == ("…a1b550 · cn-east-3", "…b1b550 · cn-east-3")


def test_causes_are_grouped_and_the_worst_is_first() -> None:
    early = date(2026, 11, 20)
    failed = {"coverage": "failed", "verdict_reason": "forbidden"}
    targets = [
        target("a"),
        target("b", coverage="missing"),
        target("c", coverage="held", verdict_reason="lost_many_tasks"),
        target("d", **failed),
        target("e", **failed, last_complete_date=early),
        target("f", coverage="missing", last_complete_date=None),
        target("g", **failed, is_expected=False),
    ]
    assert causes_of(targets) == [
        Cause("missing", None, [1, 5], DAY, DAY, 1),
        Cause("failed", "forbidden", [3, 4], early, DAY, 0),
        Cause("held", "lost_many_tasks", [2], DAY, DAY, 0),
    ]
