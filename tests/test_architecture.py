"""Arrows between folders point one way, and the outside world is met at the edges only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pulltasks.warehouse.sql.kinds import KINDS

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "pipelines" / "pulltasks"
SOURCES = sorted(p for folder in ("pipelines", "assets") for p in (ROOT / folder).rglob("*.py"))
# Lower floors know nothing of higher ones, and neighbours nothing of each other. What lies in no folder is the ground;
# the names of the package itself are above all rooms, as they open whatever lies behind them.
FLOORS = {
    "proof": 1,
    "warehouse/sql": 1,
    "huawei": 2,
    "lake": 3,
    "backup": 4,
    "capture": 4,
    "warehouse/read": 4,
    "warehouse/build": 5,
    "alerts": 6,
    "dashboard": 6,
    "doctor": 6,
    "fleet": 6,
    "sandbox": 6,
    "run": 7,
    "cli": 8,
}
DOORS = (9, "the package")


# Modules without a test of their own: records, constants, and what nothing but its users could prove.
WITHOUT_LOGIC = {
    "__main__",  # one call; cli/test_main makes it
    "errors",  # messages with an exit code; test_messages holds them against the documentation
    "huawei/recorder",  # a protocol
    "huawei/simulation",  # two names of headers
    "lazily",  # which imports wait; whole/test_costs says what each verb may import
    "previous",  # a record
    "run/results",  # records
    "sandbox/replies",  # planned answers; the fault matrix has every one
    "sql_files",  # where sql/ lies; test_wheel runs an installation
    "warehouse/sql/meta",  # the columns of three tables
}
TESTS = ROOT / "tests"
# What crosses rooms, and what has no module in the library.
OF_NO_ROOM = {"deploy", "whole", "sql", "dagster", "browser", "engines"}
OF_SEVERAL_MODULES = {"proof/listing_simulated"}  # the machine as a whole, against a model of a list


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def floor(module: str) -> tuple[int, str]:
    """Return the number and the name of the room of a module of the library, or of a name in one.

    `pulltasks` itself, its `__main__`, and every name in it that is not a module, are the doors.
    """
    parts = module.split(".")[1:]
    for room in ("/".join(parts[:2]), *parts[:1]):
        if room in FLOORS:
            return FLOORS[room], room
    is_module = parts[:1] not in ([], ["__main__"]) and (
        (LIBRARY / parts[0]).is_dir() or (LIBRARY / f"{parts[0]}.py").is_file()
    )
    return (0, "the ground") if is_module else DOORS


def module_of(path: Path) -> str:
    """Return the dotted name of a file of the library."""
    return ".".join(("pulltasks", *path.relative_to(LIBRARY).with_suffix("").parts)).removesuffix(".__init__")


def imports(source: str) -> set[str]:
    """Return all modules and names that a source imports; of `from a import b` that is `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def upward(module: str, source: str) -> list[str]:
    """Return the imports of a module's source that do not point to its own room or a lower one."""
    here = floor(module)
    ours = sorted(each for each in imports(source) if each.split(".")[0] == "pulltasks")
    return [each for each in ours if not ((there := floor(each)) == here or there[0] < here[0])]


def calls(path: Path) -> set[str]:
    return {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }


def test_every_folder_of_the_library_has_its_floor() -> None:
    folders = {"/".join(path.parent.relative_to(LIBRARY).parts) for path in LIBRARY.glob("*/**/*.py")}
    assert folders - {"warehouse"} == set(FLOORS)


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(LIBRARY)], ids=name)
def test_arrows_point_down(path: Path) -> None:
    assert not upward(module_of(path), path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "line",
    [
        "from pulltasks import open_fleet",
        "from pulltasks import config, Warehouse",
        "import pulltasks",
        "from pulltasks.run import order",
        "from pulltasks.huawei.client import LiveClient",
        "def late():\n    from pulltasks.capture import targets",
    ],
)
def test_an_arrow_up_is_seen_wherever_it_is_written(line: str) -> None:
    assert upward("pulltasks.proof.totals", line)


def test_lower_rooms_and_the_ground_may_be_imported_and_neighbours_not() -> None:
    assert not upward(
        "pulltasks.run.order", "from pulltasks import tables\nfrom pulltasks.warehouse.read.status import judge"
    )
    assert upward("pulltasks.capture.day", "from pulltasks.backup import rclone")


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_dagster_is_imported_under_assets_only(path: Path) -> None:
    if path.is_relative_to(LIBRARY):
        assert not any(
            module.split(".")[0] in {"dagster", "pulltasks_dagster"}
            for module in imports(path.read_text(encoding="utf-8"))
        )


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_httpx_is_imported_under_huawei_only(path: Path) -> None:
    if path.parent.name != "huawei":
        assert "httpx" not in {module.split(".")[0] for module in imports(path.read_text(encoding="utf-8"))}


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
        "pipelines/pulltasks/cli/account.py",
        "pipelines/pulltasks/cli/reads.py",
        "pipelines/pulltasks/cli/runs.py",
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


MOST_LINES_OF_A_FUNCTION, MOST_ATTRIBUTES = 60, 14
RECORDS = {"dataclass(frozen=True)", "Struct", "_Section", "BaseSettings", "NamedTuple", "Exception"}


def too_large(source: str) -> list[str]:
    """Return the functions that are too long, and the classes that hold too much and are not records."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            found += [f"{node.name}: {lines} lines"] if lines > MOST_LINES_OF_A_FUNCTION else []
        elif isinstance(node, ast.ClassDef):
            marks = " ".join(map(ast.unparse, [*node.bases, *node.decorator_list]))
            stored = {
                each.attr
                for each in ast.walk(node)
                if isinstance(each, ast.Attribute)
                and ast.unparse(each.value) == "self"
                and isinstance(each.ctx, ast.Store)
            }
            declared = {
                each.target.id
                for each in node.body
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
            }
            if len(stored | declared) > MOST_ATTRIBUTES and not any(mark in marks for mark in RECORDS):
                found.append(f"{node.name}: {len(stored | declared)} attributes")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_function_is_long_and_no_class_holds_much(path: Path) -> None:
    assert not too_large(path.read_text(encoding="utf-8"))


def test_a_long_function_and_a_large_class_are_seen() -> None:
    assert too_large("def f():\n" + "    f()\n" * 60)
    assert too_large("class A:\n    def f(self):\n" + "".join(f"        self.a{n} = 1\n" for n in range(15)))
    assert not too_large("@dataclass(frozen=True)\nclass A:\n" + "".join(f"    a{n}: int\n" for n in range(15)))


def place(path: Path, root: Path) -> str:
    """Return where a module lies in its tree, as `room/module`; a test lies where its module does."""
    return str(path.relative_to(root).with_name(path.stem.removeprefix("test_")))


def test_every_module_has_a_test_at_its_place_or_a_reason_to_have_none() -> None:
    modules = {place(path, LIBRARY) for path in LIBRARY.rglob("*.py") if path.name != "__init__.py"}
    assert modules - {place(path, TESTS) for path in TESTS.rglob("test_*.py")} == WITHOUT_LOGIC


def test_every_test_in_a_room_is_named_after_a_module_of_that_room() -> None:
    tests = {place(path, TESTS) for path in TESTS.glob("*/**/test_*.py")}
    of_rooms = {each for each in tests if each.split("/")[0] not in OF_NO_ROOM}
    assert of_rooms - {place(path, LIBRARY) for path in LIBRARY.rglob("*.py")} == OF_SEVERAL_MODULES
