"""Findings: surprises in a target's answers of a day, as rows of data_quality.

Lives here: collecting them, each once; their order.
Does not live here: finding them (huawei.reading, lake.tasks, lake.rows), the table's columns (tables).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pulltasks.huawei.reading import ANSWER, REPEATED_KEY, UNKNOWN_ANSWER_FIELD, canonical_json

if TYPE_CHECKING:
    from collections import Counter

    from pulltasks.huawei.reading import Oddity

ONCE_A_FIELD = frozenset({UNKNOWN_ANSWER_FIELD, REPEATED_KEY})

FindingRow = tuple[str | None, str, str, int | None, str, int]  # task, field, rule, position, raw text, tasks


@dataclass
class Findings:
    """Rows of data_quality for one target."""

    rows: list[FindingRow] = field(default_factory=list)
    reported: set[tuple[str | None, str, int | None]] = field(default_factory=set)  # task, field, position
    unknown: dict[str, tuple[str, bytes, int]] = field(default_factory=dict)  # field -> first task, value, tasks

    def add(self, task_id: str | None, name: str, rule: str, value: object, position: int | None = None) -> None:
        """Add a value of a task that was replaced by null."""
        self.reported.add((task_id, name, position))
        self.rows.append((task_id, name, rule, position, canonical_json(value).decode(), 1))

    def add_oddity(self, task_id: str | None, oddity: Oddity) -> None:
        """Add a surprise in a task that was found when its answer was read."""
        self.reported.add((task_id, oddity.field, oddity.position))
        self.rows.append((task_id, oddity.field, oddity.rule, oddity.position, oddity.raw_text, 1))

    def add_of_answers(self, oddities: Counter[Oddity]) -> None:
        """Add surprises in answers as a whole, each once with the number of answers.

        An undocumented field gives one row with its first value, because its value may differ in each answer.
        """
        first: dict[tuple[str, str], tuple[str, int]] = {}
        for oddity, answers in oddities.items():
            if oddity.rule in ONCE_A_FIELD:
                raw_text, count = first.get((oddity.field, oddity.rule), (oddity.raw_text, 0))
                first[oddity.field, oddity.rule] = (raw_text, count + answers)
            else:
                self.rows.append((None, oddity.field, oddity.rule, oddity.position, oddity.raw_text, answers))
        self.rows += [(None, name, rule, None, raw_text, n) for (name, rule), (raw_text, n) in first.items()]

    def add_left_out(self, answers: int) -> None:
        """Add the number of answers whose tasks are left out, as their rows would take too much memory."""
        self.rows.append((None, ANSWER, "left_out", None, str(answers), answers))

    def add_null(self, task_id: str, name: str, position: int) -> None:
        """Add a null in a list, unless it replaced a value that is reported already."""
        if (task_id, name, position) not in self.reported:
            self.add(task_id, name, "null_element", None, position)

    def add_unknown(self, task_id: str, name: str, value: object) -> None:
        """Add an undocumented field: one row per field, with its first task and value and its number of tasks."""
        first = self.unknown.get(name)
        self.unknown[name] = (first[0], first[1], first[2] + 1) if first else (task_id, canonical_json(value), 1)

    def all_rows(self) -> list[FindingRow]:
        """Return the rows, in the order of the table's key."""
        unknown: list[FindingRow] = [
            (task, name, "unknown_field", None, v.decode(), n) for name, (task, v, n) in self.unknown.items()
        ]
        return sorted(self.rows + unknown, key=lambda row: (row[0] or "", row[1], row[2], row[3] or 0))
