"""The `Date` of every answer counts for the day: of a 401, of two headers, and of none on the second connection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from desk import Desk
from plain_service import PlainService, date_header, listing, serving_plainly
from pulltasks.clock import Clock
from pulltasks.errors import ClockDisagrees
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import Place

ONE, TWO = (Place(f"{n}" * 32, "cn-north-4", 3, name=f"p{n}") for n in (1, 2))
REFUSAL = b'{"error_code":"APIGW.0301","error_msg":"x-sdk-date expired"}'
RIGHT, WRONG = date_header()["Date"], date_header(timedelta(days=2))["Date"]
BOTH = {"Date": f"{RIGHT}\r\nDate: {WRONG}"}


@pytest.fixture
def service() -> PlainService:
    service = PlainService()
    for place in (ONE, TWO):
        service.answers[place.project_id] = lambda _, place=place: (200, date_header(), listing(place.project_id))
    return service


def run(service: PlainService, folder: Path, *places: Place, offset: timedelta = timedelta()):
    with serving_plainly(service) as url:
        desk = Desk(None, url, folder, places)
        clock = Clock(lambda: datetime.now(UTC) + offset, desk.clock.new_id)
        try:
            result = snapshot(desk.settings, desk.settings.today(clock.now()), clock)
        finally:
            written = [path for path in (desk.lake.root / "raw").rglob("*") if path.is_file()]
        return result, written


def in_turn(*answers):
    """Give the answers one after the other, the last one from then on."""
    return lambda number: answers[min(number, len(answers) - 1)]


@pytest.mark.parametrize("days", [2, -40])
def test_the_date_of_a_401_counts_where_no_other_answer_has_one(
    service: PlainService, tmp_path: Path, days: int
) -> None:
    good = (200, {}, listing(ONE.project_id))
    service.answers[ONE.project_id] = in_turn((401, date_header(), REFUSAL), good)
    with pytest.raises(ClockDisagrees):
        run(service, tmp_path, ONE, offset=timedelta(days=days))
    assert not list((tmp_path / "lake" / "raw").rglob("*.zst"))


@pytest.mark.parametrize(
    ("again", "is_captured"),
    [
        (date_header(), True),  # another connection refutes it
        (BOTH, False),
        ({}, False),  # what says nothing refutes nothing
        ({"Date": WRONG}, False),
    ],
    ids=["right", "both", "none", "wrong"],
)
@pytest.mark.parametrize("first", [BOTH, {"Date": WRONG}], ids=["both", "wrong"])
def test_a_disagreement_is_asked_again_and_refuses_that_target_alone(
    service: PlainService, tmp_path: Path, first: dict, again: dict, is_captured: bool
) -> None:
    rows = listing(ONE.project_id)
    service.answers[ONE.project_id] = in_turn((200, first, rows), (200, again, rows))
    result, written = run(service, tmp_path, ONE, TWO)
    found = {capture.target.project_id: (capture.verdict, capture.reason) for capture in result.captures}
    assert found[TWO.project_id] == ("complete", None)
    assert found[ONE.project_id] == (("complete", None) if is_captured else ("missing", "clock_disagrees"))
    assert any(ONE.project_id in str(path) for path in written) == is_captured
