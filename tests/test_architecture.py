"""Arrows between modules point one way, and the outside world is met at the edges only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pipelines.kinds import KINDS

ROOT = Path(__file__).parent.parent
SOURCES = sorted(p for folder in ("pipelines", "assets") for p in (ROOT / folder).rglob("*.py"))
# Lower numbers know nothing of higher ones.
LAYERS = {
    "alerts": 5,
    "announce": 7,
    "audit": 6,
    "day_builder": 6,
    "day_gate": 3,
    "ending": 12,
    "error_reports": 3,
    "errors": 0,
    "finish": 5,
    "json_reading": 1,
    "manifests": 3,
    "settings": 1,
    "config": 2,
    "imports": 0,
    "known": 0,
    "kinds": 1,
    "lineage": 3,
    "literals": 0,
    "tables": 1,
    "redact": 2,
    "lake": 2,
    "raw": 2,
    "sandbox": 2,
    "models": 2,
    "huawei": 3,
    "warehouse": 3,
    "attempt": 4,
    "builds": 4,
    "checks": 3,
    "catalogs": 4,
    "capture": 4,
    "compaction": 4,
    "normalise": 5,
    "parquet": 2,
    "rows": 4,
    "terminal": 11,
    "times": 0,
    "outside_text": 3,
    "preview": 3,
    "publish": 8,
    "build": 7,
    "coverage": 4,
    "status": 4,
    "doctor": 4,
    "lake_doctor": 5,
    "dictionary": 5,
    "dashboard": 5,
    "steps": 9,
    "run_report": 10,
    "runs": 10,
    "webhook": 6,
    "cli": 13,
}
# Neighbours on one floor: redact keeps its key in the lake; what a service says is made fit where it is heard; one attempt of a capture; the builds that a build adds to;
# whoever reads or writes a day asks whether its month is closed; the sandbox writes an archive of made-up days.
ALLOWED = {
    ("redact", "lake"),
    ("huawei", "outside_text"),
    ("capture", "attempt"),
    ("coverage", "status"),
    ("build", "builds"),
    ("build", "catalogs"),
    ("catalogs", "builds"),
    ("sandbox", "raw"),
    ("sandbox", "lake"),
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


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


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_dagster_is_imported_under_assets_only(path: Path) -> None:
    if path.parts[len(ROOT.parts)] != "assets":
        assert not any(module.split(".")[0] in {"dagster", "assets"} for module in imports(path))


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
        "pipelines/cli.py",
        "pipelines/ending.py",
        "assets/definitions.py",
        "assets/demo.py",
        "pipelines/sandbox/server.py",
    }
    if name(path) not in edges:
        assert not calls(path) & {"datetime.now", "datetime.utcnow", "date.today", "time.time"}


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[len(ROOT.parts)] == "pipelines"], ids=name)
def test_arrows_point_down(path: Path) -> None:
    here = path.relative_to(ROOT / "pipelines").parts[0].removesuffix(".py")
    if here == "__init__":
        return
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "pipelines" and len(parts) > 1 and parts[1] in LAYERS and parts[1] != here:
            assert LAYERS[parts[1]] < LAYERS[here] or (here, parts[1]) in ALLOWED, f"{here} imports {module}"


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
