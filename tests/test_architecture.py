"""Arrows between folders point one way, and the outside world is met at the edges only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pulltasks.warehouse.kinds import KINDS

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "pipelines" / "pulltasks"
SOURCES = sorted(p for folder in ("pipelines", "assets") for p in (ROOT / folder).rglob("*.py"))
# Lower floors know nothing of higher ones, and neighbours nothing of each other. What lies in no folder is the ground.
FLOORS = {
    "huawei": 1,
    "lake": 2,
    "backup": 3,
    "capture": 3,
    "warehouse": 3,
    "alerts": 4,
    "dashboard": 4,
    "doctor": 4,
    "fleet": 4,
    "sandbox": 4,
    "run": 5,
    "cli": 6,
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def floor(parts: tuple[str, ...]) -> tuple[int, str]:
    """The number and the name of the folder of a module, given as the parts of its name below the library."""
    room = parts[0] if parts and parts[0] in FLOORS else ""
    return FLOORS.get(room, 0), room


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def calls(path: Path) -> set[str]:
    return {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }


def test_every_folder_of_the_library_has_its_floor() -> None:
    folders = {path.parent.relative_to(LIBRARY).parts[0] for path in LIBRARY.glob("*/**/*.py")}
    assert folders == set(FLOORS)


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(LIBRARY)], ids=name)
def test_arrows_point_down(path: Path) -> None:
    if path == LIBRARY / "__init__.py":
        return  # the doors: they open whatever lies behind them
    here = floor(path.relative_to(LIBRARY).parts)
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "pulltasks" and len(parts) > 1:
            there = floor(tuple(parts[1:]))
            assert there == here or there[0] < here[0], f"{name(path)} imports {module}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_dagster_is_imported_under_assets_only(path: Path) -> None:
    if path.is_relative_to(LIBRARY):
        assert not any(module.split(".")[0] in {"dagster", "pulltasks_dagster"} for module in imports(path))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_httpx_is_imported_under_huawei_only(path: Path) -> None:
    if path.parent.name != "huawei":
        assert "httpx" not in {module.split(".")[0] for module in imports(path)}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_the_environment_is_read_in_config_only(path: Path) -> None:
    if path.name != "config.py":
        text = path.read_text(encoding="utf-8")
        assert "environ" not in text.replace("environment", "")
        assert "getenv" not in text


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_the_clock_is_read_at_the_edges_only(path: Path) -> None:
    edges = {
        "pipelines/pulltasks/__init__.py",
        "pipelines/pulltasks/cli/main.py",
        "pipelines/pulltasks/cli/ending.py",
        "pipelines/pulltasks/cli/options.py",
        "pipelines/pulltasks/sandbox/server.py",
        "assets/pulltasks_dagster/definitions.py",
        "assets/pulltasks_dagster/demo.py",
    }
    if name(path) not in edges:
        assert not calls(path) & {"datetime.now", "datetime.utcnow", "date.today", "time.time"}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_branch_hangs_on_the_name_of_a_kind(path: Path) -> None:
    compared = {
        text.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        for text in ast.walk(node)
        if isinstance(text, ast.Constant)
    }
    assert not compared & {*KINDS}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_module_says_what_does_not_live_in_it(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert "oes not live here" in docstring
