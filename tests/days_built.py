"""What the tests cost: the days that their builds entered, which no machine changes, and CPU seconds; no test by itself.

`make test` gives the number of days that a whole run may build (`--most-days-built`); a run that builds more fails, and
names the tests that build the most. A test costs what its law needs: share a lake, or let a long chain wait for
`make test-all`.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pulltasks.warehouse.build.day_builder import DayBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = 10


@dataclass
class Cost:
    """What a test cost, with the fixtures that it made first."""

    days: int = 0
    cpu_seconds: float = 0.0


class DaysBuilt:
    """Counts what each test costs, and fails the run that builds more days than it may."""

    def __init__(self, most_days: int | None) -> None:
        self._most_days = most_days
        self._days = 0
        self.costs: dict[str, Cost] = {}

    def count(self) -> None:
        self._days += 1

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        days, cpu = self._days, _cpu_seconds()
        yield
        self.costs[item.nodeid] = Cost(self._days - days, _cpu_seconds() - cpu)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["costs"] = {name: (c.days, c.cpu_seconds) for name, c in self.costs.items()}
        elif self._most_days is not None and self._total_days() > self._most_days and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node) -> None:
        self.costs |= {name: Cost(*cost) for name, cost in node.workeroutput.get("costs", {}).items()}

    def pytest_terminal_summary(self, terminalreporter) -> None:
        if self._most_days is None:
            return
        total = sum(cost.cpu_seconds for cost in self.costs.values())
        terminalreporter.section("what the tests cost")
        terminalreporter.line(
            f"{self._total_days()} days built, {self._most_days} may be; {total:.0f} CPU seconds in tests"
        )
        for measure, unit in (("days", "days"), ("cpu_seconds", "CPU s")):
            dearest = sorted(self.costs.items(), key=lambda each: -getattr(each[1], measure))[:SHOWN]
            for name, cost in dearest:
                terminalreporter.line(f"{getattr(cost, measure):6.1f} {unit:6} {name[:150]}")
        if self._total_days() > self._most_days:
            terminalreporter.line(
                f"ERROR: {self._total_days()} days were built and {self._most_days} may be: share a lake, build fewer "
                "days, or mark a long chain `slow`",
                red=True,
            )

    def _total_days(self) -> int:
        return sum(cost.days for cost in self.costs.values())


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--most-days-built", type=int, help="how many days the builds of all tests may enter together")


def pytest_configure(config: pytest.Config) -> None:
    counter = DaysBuilt(config.getoption("--most-days-built"))
    config.pluginmanager.register(counter, "count of days built")
    enter = DayBuilder.enter

    def counted(self: DayBuilder, day) -> None:
        counter.count()
        enter(self, day)

    DayBuilder.enter = counted  # type: ignore[method-assign]
