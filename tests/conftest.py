"""What many tests share: a sandbox on loopback, a configuration for it, clocks that stand still, no waiting."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
import stamina
from hypothesis import settings

from desk import BEIJING, DAYS, RUNS_WITH_GAPS, SINGAPORE, SMALL_DAYS, Desk, from_shelf
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.server import Sandbox, serving
from shelf import Shelf
from webhook_server import Webhook, listening

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from pathlib import Path

    from pulltasks.lake.lake import Lake


pytest_plugins = ("days_built", "pages", "backups")  # the fixtures of some rooms, whose helpers their modules import

# Machines are noisy: tests count work instead of timing it. `make test-all` tries more examples.
settings.register_profile("default", deadline=None, max_examples=30)
settings.register_profile("thorough", deadline=None, max_examples=200)
settings.load_profile("default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what waits by the real clock where faketime gives another one; it says so in this variable."""
    import os

    if "FAKETIME" in os.environ:
        for item in items:
            if item.get_closest_marker("real_time"):
                item.add_marker(pytest.mark.skip("faketime is no real clock"))


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """Retries happen as often as in earnest, without the waits between them."""
    with stamina.set_testing(testing=True, attempts=100, cap=True):
        yield


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the sandbox's key is in the environment; nothing of the machine's own settings is seen."""
    import os

    for name in list(os.environ):
        if name.startswith(("PULLTASKS_", "HUAWEICLOUD_", "CLOUD_SDK_", "DAGSTER_HOME")) or name.lower().endswith(
            "_proxy"
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HUAWEICLOUD_SDK_AK", AccessKey().ak)
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", AccessKey().sk)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., AbstractContextManager[Desk]]]:
    """Small lakes of two targets and some days, for the tests of a module to copy; their sandbox serves meanwhile.

    All have one address, which stands in what is published: so a lake may go on where another module began it.
    """
    from pulltasks.run.order import snapshot

    sandbox = Sandbox((replace(BEIJING, task_count=12), replace(SINGAPORE, task_count=5)))
    shelf = Shelf(tmp_path_factory)

    @contextmanager
    def go(*days: date) -> Iterator[Desk]:
        sandbox.faults.clear()
        sandbox.log.clear()
        desk = Desk(sandbox, url, tmp_path_factory.mktemp("small"), sandbox.places)

        def begin(days: tuple[date, ...]) -> None:
            def make() -> None:
                if days[1:]:
                    begin(days[:-1])
                snapshot(desk.settings, days[-1], desk.clock, simulated=True)

            from_shelf(shelf, ("small", url, days), desk, make)

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HUAWEICLOUD_SDK_AK", AccessKey().ak)
            patch.setenv("HUAWEICLOUD_SDK_SK", AccessKey().sk)
            begin(days)
            yield desk

    with serving(sandbox) as url:
        yield go


@pytest.fixture(scope="module")
def one_day(made_once) -> Iterator[Desk]:
    """A small lake of one day, which a test copies before it changes it."""
    with made_once(*SMALL_DAYS[:1]) as desk:
        yield desk


@pytest.fixture(scope="module")
def two_days(made_once) -> Iterator[Desk]:
    """The same with a second day, the last of the month."""
    with made_once(*SMALL_DAYS[:2]) as desk:
        yield desk


@pytest.fixture(scope="module")
def three_days(made_once) -> Iterator[Desk]:
    """The same with a third day, so that the month before it is closed."""
    with made_once(*SMALL_DAYS[:3]) as desk:
        yield desk


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Hashable, Desk, Callable[[], object]], None]:
    """Give a desk the lake that something makes of it: what is called alike is made once, and copied from then on."""
    shelf = Shelf(tmp_path_factory)

    def go(name: Hashable, desk: Desk, make: Callable[[], object]) -> None:
        from_shelf(shelf, name, desk, make)

    return go


@pytest.fixture(scope="session")
def begin(once) -> Callable[..., None]:
    """Let the lake of a desk begin with runs of some days, on which its service shows what its class always shows."""

    def go(desk: Desk, *days: date) -> None:
        def make() -> None:
            if days[1:]:
                go(desk, *days[:-1])
            desk.run(days[-1])

        assert not desk.sandbox.faults
        once((type(desk.sandbox), desk.places, desk.extra, days), desk, make)

    return go


@pytest.fixture(scope="session")
def begin_with_gaps(begin, once) -> Callable[[Desk], None]:
    """A day of all, one that Singapore refuses, one on which Beijing's listing is incomplete, none, and one of all."""

    def go(desk: Desk) -> None:
        def make() -> None:
            begin(desk, DAYS[0])
            desk.sandbox.faults |= {(SINGAPORE.project_id, DAYS[1]): "forbidden"}
            desk.sandbox.faults |= {(BEIJING.project_id, DAYS[2]): "short_page"}
            for day in RUNS_WITH_GAPS[1:]:
                desk.run(day)

        once("with gaps", desk, make)

    return go


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox((BEIJING, SINGAPORE))


@pytest.fixture
def desk(sandbox: Sandbox, tmp_path: Path) -> Iterator[Desk]:
    with serving(sandbox) as url:
        yield Desk(sandbox, url, tmp_path, sandbox.places)


@pytest.fixture
def small_desk(tmp_path: Path) -> Iterator[Desk]:
    """The same two targets with few tasks, for tests that count runs and not rows."""
    sandbox = Sandbox((replace(BEIJING, task_count=7), replace(SINGAPORE, task_count=5)))
    with serving(sandbox) as url:
        yield Desk(sandbox, url, tmp_path, sandbox.places)


@pytest.fixture
def lake(desk: Desk) -> Lake:
    return desk.lake


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """A receiver of alarms on loopback, whose address is in the environment."""
    with listening() as receiver:
        monkeypatch.setenv("PULLTASKS_ALERTS__WEBHOOK", receiver.address)
        yield receiver


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run a verb in this process; returns exit code, what it printed, and what it complained about."""

    from pulltasks.cli.main import main

    def go(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pulltasks", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else 0), out, err

    return go


@pytest.fixture
def published(desk: Desk, command, once) -> Desk:
    """Today is published by the command line, and all was complete."""
    once("cli", desk, lambda: command("snapshot", "--config", desk.config_file))
    return desk
