"""Every message that the code can give is explained in docs/; a new one fails here until it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pulltasks import errors

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
    assert not missing, "docs/troubleshooting.md does not explain\n" + "\n".join(missing)
