"""The day's target list: what a person accepted lasts through the day, and is of that day alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from desk import SMALL_DAYS, Desk, copied
from pulltasks.lake.lake import Lake

DAYS = SMALL_DAYS[:3]


@pytest.fixture
def desk(three_days: Desk, tmp_path: Path) -> Desk:
    return copied(three_days, tmp_path)


def test_a_target_list_of_another_day_accepts_no_loss_and_is_replaced(desk: Desk, lake: Lake) -> None:
    content = json.loads(lake.targets_file(DAYS[1]).read_bytes())
    content["targets"][0]["drop_accepted"] = True
    lake.targets_file(DAYS[2]).write_text(json.dumps(content))
    desk.capture(DAYS[2])
    written = json.loads(lake.targets_file(DAYS[2]).read_bytes())
    assert written["snapshot_date"] == str(DAYS[2])
    assert [target["drop_accepted"] for target in written["targets"]] == [False, False]
