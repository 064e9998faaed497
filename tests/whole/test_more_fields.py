"""An API that grows stays readable: fields beside the list are recorded once each and change nothing."""

from __future__ import annotations

import json
import random
from datetime import date
from pathlib import Path

from desk import Desk
from plain_service import PlainService, serving_plainly
from pulltasks.lake.tidy import open_tidy
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import Place

DAY = date(2026, 11, 22)
NAMES = ["trace_id", "server_time", "limit", "quota", "message", "warnings", "cost_ms", "links", "schema", "is_beta"]


def any_value(dice: random.Random) -> object:
    return dice.choice([dice.random(), dice.getrandbits(40), "text", True, None, "", [], ["a"], {"a": {"b": 1}}])


def test_services_that_add_neutral_fields_stay_complete_and_each_field_is_one_row(tmp_path: Path) -> None:
    service, places, fields = PlainService(), [], {}
    for number in range(1, 13):
        dice = random.Random(number)
        place = Place(f"{number:032x}", "cn-north-4", 3)
        fields[place.project_id] = dice.sample(NAMES, dice.randint(0, len(NAMES)))

        def answer(_: int, dice: random.Random = dice, names: list[str] = fields[place.project_id]):
            tasks = [{"task_id": f"t{n}"} for n in range(3)]
            more = {name: any_value(dice) for name in names}  # another value in each answer
            return 200, {}, json.dumps({"request_id": "r", "total": 3, "task_infos": tasks, **more}).encode()

        service.answers[place.project_id] = answer
        places.append(place)
    with serving_plainly(service) as url:
        desk = Desk(None, url, tmp_path, tuple(places))
        result = snapshot(desk.settings, DAY, desk.clock, simulated=True)
    assert {target.coverage for target in result.status.targets} == {"complete"}
    rows = open_tidy(desk.lake).sql("select project_id, field, rule, occurrences from data_quality").fetchall()
    assert {rule for _, _, rule, _ in rows} == {"unknown_answer_field"}
    for project_id, names in fields.items():
        found = [field for project, field, _, _ in rows if project == project_id]
        assert len(found) == len(set(found)) <= len(names)
        assert set(found) <= set(names)
