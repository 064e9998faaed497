"""Every way of not being proved has its line of advice."""

from __future__ import annotations

import re
from pathlib import Path

from pulltasks import json_reading
from pulltasks.capture.attempt import ADVICE_IF_INCOMPLETE
from pulltasks.huawei import reading
from pulltasks.proof import listing, sweep

# Words in quotes that look like a reason and are none: values of other fields.
OTHER_WORDS = {"by_chain", "by_agreement", "not_asked", "total_missing", "unknown_answer_field", "task_infos"}
# What is kept, with a record: rules of data_quality.
OTHER_WORDS |= {"wrong_type", "byte_order_mark", "name_not_unicode", "not_unicode", "unreadable_number"}


def test_every_reason_that_the_machine_can_give_has_advice() -> None:
    text = "".join(Path(module.__file__ or "").read_text() for module in (listing, sweep, reading, json_reading))
    reasons = set(re.findall(r'"([a-z]+(?:_[a-z]+)+)"', text)) - OTHER_WORDS
    assert reasons | {"too_large"} >= set(ADVICE_IF_INCOMPLETE)  # that one is the attempt's own
    assert set(re.findall(r'(?:return|else|or|,) "([a-z]+(?:_[a-z]+)+)"', text)) - OTHER_WORDS <= set(
        ADVICE_IF_INCOMPLETE
    ) | {"not_found"}
