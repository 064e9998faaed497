"""Every reason that the code can give is described in reasons.toml, in both languages, and nothing else is."""

from __future__ import annotations

import ast
import re
import runpy
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from pulltasks.alerts.rules import MAX_TEXT_BYTES
from pulltasks.capture.attempt import MAX_TARGET_BYTES
from pulltasks.huawei.transport import Bounds
from pulltasks.proof.pages import Rules
from pulltasks.reasons import Actor, advice_on, read_reasons, reason_of
from pulltasks.words import read_words, say

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "pipelines" / "pulltasks"
# A reason is an argument of these calls, …
CALLS = {
    "ApiError",
    "TransientApiError",
    "CredentialRefused",
    "NotReadable",
    "api_error",
    "Reading",
    "Failure",
    "Alert",
}
CALLS |= {"CaptureResult", "TargetStatus", "failed_target", "replace", "msgspec.structs.replace", "VerdictLine"}
CALLS |= {"self._finish", "self._end_sweep", "self.give_up", "listing.give_up"}
# … or what is given to names like these, …
NAMES = re.compile(
    r"reason|REASON|flaw|doubt|UNEXPECTED|ROWS_DIFFER|TOO_LARGE|DISAGREES|REFUSED|_FAILED|ERROR_IN_|BESIDE_|REPEATED_KEY"
)
# … or what functions return that give a text, in the rooms where answers and listings are judged.
JUDGING = {"proof", "huawei"}
# Where reasons are found out; modules elsewhere use these words for other things (doctor: why a manner is unknown).
ROOMS = ("proof", "huawei", "capture", "lake", "warehouse", "run", "alerts")
# Words in these places that are other things: verdicts, kinds of alarms, proofs, names of fields, parts of sentences.
OTHERS = {"complete", "incomplete", "failed", "missing", "held", "run_failed", "by_chain", "by_agreement", "unknown"}
OTHERS |= {"total", "task_infos", "task_id", "all", "page", "s"}
SQL = ("staging/stg_captures.sql", "staging/stg_target_days.sql")


def words_in(value: ast.expr) -> Iterator[str]:
    """Yield each text in an expression that may be a reason."""
    for node in ast.walk(value):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and re.fullmatch(r"[a-z]+(_[a-z]+)*", text):
            yield text


def reasons_in_python(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS:
            for value in (*node.args, *(keyword.value for keyword in node.keywords)):
                yield from words_in(value)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(NAMES.search(ast.unparse(target)) for target in targets):
                yield from words_in(node.value)
        elif isinstance(node, ast.FunctionDef) and node.returns and path.parent.name in JUDGING:
            if ast.unparse(node.returns) not in {"str", "str | None"}:
                continue
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from words_in(inner.value)


def reasons_in_sql(path: Path) -> Iterator[str]:
    lines = re.findall(
        r"^.* as verdict_reason|^    case$.*?end as verdict_reason",
        path.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    yield from re.findall(r"'([a-z]+_[a-z_]+)'", "\n".join(lines))


def reasons_of_the_code() -> set[str]:
    """Return every reason that a capture, a day without one, a model or a run can have."""
    modules = [path for room in ROOMS for path in (LIBRARY / room).rglob("*.py")]
    modules += [LIBRARY / "json_reading.py", LIBRARY / "errors.py"]
    found = {reason for path in modules for reason in reasons_in_python(path)}
    return (found | {reason for name in SQL for reason in reasons_in_sql(ROOT / "sql" / name)}) - OTHERS


def test_the_reasons_described_are_those_that_the_code_can_give() -> None:
    found = reasons_of_the_code()
    assert found - set(read_reasons()) == set(), "not described in reasons.toml"
    assert set(read_reasons()) - found == set(), "described, and given by no code"


def test_an_entry_is_there_once_and_says_who_acts() -> None:
    text = (LIBRARY / "reasons.toml").read_text(encoding="utf-8")
    assert len(re.findall(r"^\[", text, re.MULTILINE)) == len(read_reasons())
    groups = {"failed", "incomplete", "held", "complete", "missing", "run"}
    assert {reason.group for reason in read_reasons().values()} == groups
    for name, reason in read_reasons().items():
        assert reason.who in get_args(Actor), name
        assert f"who.{reason.who}" in read_words(), name


def test_what_does_not_pass_by_itself_has_somebody_who_acts() -> None:
    assert [name for name, it in read_reasons().items() if not it.may_pass and it.who == "nobody"] == []


def test_what_the_network_or_the_service_mends_by_itself_is_nobodys() -> None:
    for name in ("throttled", "service_unavailable", "answer_damaged", "timed_out"):
        assert (reason_of(name).who, reason_of(name).may_pass) == ("nobody", True), name


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_text_says_what_happened_and_what_to_do_behind_other_words(language: str) -> None:
    middle = {"en": "; ", "zh": "\N{FULLWIDTH SEMICOLON}"}[language]
    for name, reason in read_reasons().items():
        text = getattr(reason, language)
        assert middle in text, name
        assert text == text.strip(), name
        assert unicodedata.category(text[-1]) != "Po", name
        assert not {"{", "}", "|", "\n"} & set(text), name
        # an alarm has a label, a code and a request id before it, and is cut at its end
        assert len(text.encode()) <= MAX_TEXT_BYTES * 2 // 3, name
        assert say(language, f"reason.{name}") == text


def test_both_languages_name_the_same_settings_commands_and_options() -> None:
    for name, reason in read_reasons().items():
        english, chinese = [
            set(re.findall(r"(?:api|auth|warehouse)\.[a-z_]+|--[a-z-]+|[A-Z_]{8,}|live:[\w:]+|`[^`]+`", text))
            for text in (reason.en, reason.zh)
        ]
        assert english == chinese, name


def test_of_a_reason_that_only_an_earlier_version_knew_is_said_where_to_find_out() -> None:
    for name in ("once_known", None):
        assert advice_on(name) == "run `pulltasks doctor` for more"
        assert (reason_of(name).who, reason_of(name).may_pass) == ("nobody", True)


def test_the_tables_of_the_documentation_are_what_the_file_says() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "reasons.py"))["page"]()
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    assert text == page, "run `make docs`"
    assert [name for name in read_reasons() if text.count(f"\n| `{name}` |") != 1] == []


def test_the_bounds_that_reasons_name_are_those_of_the_code() -> None:
    bounds, rules = Bounds(), Rules()
    named = {
        "timed_out": f"{bounds.answer_seconds:g} s",
        "answer_too_large": f"exceeds {bounds.answer_bytes // 1_000_000} MB",
        "list_without_end": f"{rules.max_pages:,}",
        "too_large": f"{MAX_TARGET_BYTES // 1_000_000} MB",
        "sweeps_disagree": f"No two of {['', 'one', 'two', 'three', 'four', 'five'][rules.max_sweeps]} sweeps",
    }
    assert {name: bound in reason_of(name).seen for name, bound in named.items()} == dict.fromkeys(named, True)
    assert f"headers exceed {bounds.header_bytes // 1000} kB" in reason_of("answer_too_large").seen
