"""Every message and every reason that the code can give is explained in docs/; a new one fails here until it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pulltasks import errors
from pulltasks.capture.attempt import ADVICE_IF_INCOMPLETE
from pulltasks.huawei.refusals import ADVICE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "pipelines").rglob("*.py"), *(ROOT / "assets").rglob("*.py")])
ERROR_TREE = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
# What is called with a message beside the errors themselves; in the configuration a mistake is a ValueError or a text.
CALLS = ERROR_TREE | {"_fail", "duckdb.Error"}
CONFIGURATION = {"config.py", "secret.py", "settings.py", "values.py"}
SHORTEST_PIECE = 8


def page(*names: str) -> str:
    return words("\n".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in names))


def words(text: str) -> str:
    """A text without its line breaks, and without what a table of a page escapes."""
    return " ".join(text.replace("\\|", "|").split())


def parsed(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """`(line, piece)` of every message that a module can give; the piece is the same whatever it is about."""
    for function in parsed(path):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes = list(ast.walk(function))
            given = {
                ast.unparse(node.targets[0]): node.value
                for node in nodes
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.JoinedStr)
            }
            for node in nodes:
                for argument in said_by(node, is_config=path.name in CONFIGURATION):
                    for text in texts(argument, given):
                        yield node.lineno, longest_piece(text)


def said_by(node: ast.AST, *, is_config: bool) -> list[ast.expr]:
    """The expressions in which a node says something to a user."""
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        return node.args if name in CALLS or (is_config and name == "ValueError") else []
    return [node.value] if isinstance(node, ast.Yield) and is_config and node.value is not None else []


def texts(node: ast.AST, given: dict[str, ast.JoinedStr]) -> Iterator[ast.expr]:
    """The texts in an expression; a name stands for the text that its function gave it."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield node
    elif isinstance(node, ast.Name):
        yield from [given[node.id]] if node.id in given else []
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child, given)


def longest_piece(text: ast.expr) -> str:
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    return max((words(part.value) for part in parts if isinstance(part, ast.Constant)), key=len, default="")


def is_message(piece: str) -> bool:
    """A reason or a separator is none."""
    return len(piece) >= SHORTEST_PIECE and not re.fullmatch(r"[a-z0-9_]+", piece)


ALL_MESSAGES = sorted(
    {
        (f"{path.relative_to(ROOT)}:{line}", piece)
        for path in SOURCES
        if path.name != "errors.py"
        for line, piece in messages(path)
        if is_message(piece)
    }
)


def test_every_message_is_explained() -> None:
    text = page("troubleshooting.md")
    assert len(ALL_MESSAGES) > 90, "the search for messages finds too few"
    missing = [f"{place}: {piece}" for place, piece in ALL_MESSAGES if piece not in text]
    missing += [
        f"{reason}: {advice}" for reason, advice in (ADVICE | ADVICE_IF_INCOMPLETE).items() if advice not in text
    ]
    assert not missing, "docs/troubleshooting.md does not explain\n" + "\n".join(missing)


LIBRARY = ROOT / "pipelines" / "pulltasks"
REASON_MODULES = (
    *(path for room in ("huawei", "capture") for path in (LIBRARY / room).glob("*.py")),
    *(LIBRARY / name for name in ("json_reading.py", "lake/normalise.py", "lake/rows.py", "warehouse/read/status.py")),
)
REASON_MODELS = ("staging/stg_captures.sql", "staging/stg_target_days.sql")
# What takes a reason as an argument.
TAKES_REASON = ERROR_TREE | {"Reading", "CaptureResult", "TargetStatus", "self._finish", "self._end_sweep"}
PROOFS = {"by_chain", "by_agreement"}


def reasons() -> set[str]:
    """Every `verdict_reason` that a capture, a day without one, or a model can have."""
    found = set(ADVICE) | set(ADVICE_IF_INCOMPLETE)
    for path in REASON_MODULES:
        for node in parsed(path):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in TAKES_REASON:
                found.update(*map(single_words, node.args))
            elif isinstance(node, ast.Return) and node.value is not None and path.name in {"listing.py", "sweep.py"}:
                found.update(single_words(node.value))
    for name in REASON_MODELS:
        sql = (ROOT / "sql" / name).read_text(encoding="utf-8")
        for lines in re.findall(
            r"^.* as verdict_reason|^    case$.*?end as verdict_reason", sql, re.MULTILINE | re.DOTALL
        ):
            found.update(re.findall(r"'([a-z]+_[a-z_]+)'", lines))
    return found - PROOFS


def single_words(value: ast.expr) -> set[str]:
    texts = {node.value for node in ast.walk(value) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if re.fullmatch(r"[a-z]+(_[a-z]+)+", text)}


def test_every_reason_is_explained() -> None:
    found = reasons()
    assert {"total_missing", "lost_many_tasks", "no_run", "no_capture", "day_has_passed", "token_not_issued"} <= found
    text = page("complete.md", "troubleshooting.md")
    assert not {reason for reason in found if f"`{reason}`" not in text}
