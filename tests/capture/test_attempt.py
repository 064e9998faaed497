"""A capture that is not complete says why and what to do; one that is complete says nothing of the kind."""

from __future__ import annotations

from datetime import date

from desk import BEIJING, SINGAPORE, Desk
from pulltasks.reasons import advice_on

DAY = date(2026, 11, 22)


def test_only_what_is_not_proved_says_so_whatever_is_worth_knowing_of_a_complete_listing(desk: Desk) -> None:
    desk.sandbox.faults[BEIJING.project_id, DAY] = "no_total"
    desk.sandbox.faults[SINGAPORE.project_id, DAY] = "short_page"
    found = {result.target.name: result for result in desk.capture(DAY)}
    complete, short = found["beijing"], found["singapore"]
    assert (complete.verdict, complete.reason, complete.message) == ("complete", "total_missing", None)
    assert (short.verdict, short.reason) == ("incomplete", "page_contradicts_total")
    assert short.message == (
        f"{short.target.label}: not proved complete (page_contradicts_total); {advice_on('page_contradicts_total')}"
    )
