"""What is known of how the service answers, and the sentence that says what is not."""

from __future__ import annotations

from datetime import UTC, datetime

from mannered import Service, asked
from pulltasks.lake.manners import MANNERS, NOT_PROBED, Probed, words_of_unknown


def test_the_sentence_of_status_names_what_is_unknown_and_where() -> None:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    whole, part = (Probed(probed_at=moment, manners=asked(service)) for service in (Service(), Service(5)))
    assert words_of_unknown({}, ["a", "b"]) == "not probed: how the service answers; run `pulltasks doctor --probe`"
    assert words_of_unknown({"gone": whole}, ["a"]) == words_of_unknown({}, ["a"])
    assert words_of_unknown({"a": whole, "b": whole}, ["a", "b"]) is None
    assert words_of_unknown({"a": whole, "b": part}, ["a", "b"]) == (
        "unknown about the service: offset_unit at 1 of 2 targets; `pulltasks doctor --probe` gives the reasons"
    )
    one_of_two = words_of_unknown({"a": whole}, ["a", "b"]) or ""
    assert [name for name in MANNERS if f"{name} at 1 of 2 targets" in one_of_two] == [*MANNERS]
    assert NOT_PROBED.has_learnt_nothing
