"""The catalogue of words: whole, in both languages, with the forms that counting needs."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import pytest

from pulltasks.words import LANGUAGES, counted, read_words, say
from sentences import faults_of, faults_of_punctuation

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for folder in ("pipelines", "assets") for path in (ROOT / folder).rglob("*.py"))
# Placeholders that are no numbers: names, moments, durations, parts of sentences.
OTHERS = {
    "age",
    "build_id",
    "change",
    "coverage",
    "day",
    "error",
    "from",
    "id",
    "kind",
    "limit",
    "link",
    "name",
    "names",
}
OTHERS |= {"above", "facts", "fields", "first", "hour", "kinds", "last", "state", "when"}
OTHERS |= {"query", "reason", "software_version", "status", "target", "time", "timezone", "timing", "to", "words"}
# The language's own name stands in the other one.
OF_BOTH = {"page.language", "page.language_label"}
NOUNS = "alarms|columns|days|files|lakes|minutes|mistakes|pages|requests|responses|rows|targets|tasks|troubles"


def forms(text: str | dict[str, str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text.values())


def test_every_text_is_there_in_each_language_and_names_the_same_values() -> None:
    for key, texts in read_words().items():
        assert set(texts) == set(LANGUAGES), key
        assert all(form.strip() for text in texts.values() for form in forms(text)), key
        english, chinese = [
            {value for form in forms(texts[language]) for value in re.findall(r"\{(\w+)\}", form)}
            for language in LANGUAGES
        ]
        assert english == chinese, key


def test_a_text_has_two_forms_in_english_alone_and_only_where_it_counts() -> None:
    for key, texts in read_words().items():
        assert isinstance(texts["zh"], str), key
        if not isinstance(texts["en"], str):
            assert set(texts["en"]) == {"one", "other"}, key
            assert "{count}" in texts["en"]["other"], key


@pytest.mark.parametrize(("count", "said"), [(0, "0 rows copied"), (1, "1 row copied"), (2, "2 rows copied")])
def test_one_is_said_otherwise_than_many(count: int, said: str) -> None:
    assert say("en", "table.copied", {"count": count}) == said
    assert say("zh", "table.copied", {"count": count}) == f"已复制 {count} 行"


@pytest.mark.parametrize("number", [0, 1, 2, 1234])
def test_every_text_is_right_for_none_one_and_many(number: int) -> None:
    for key, texts in read_words().items():
        names = {name for form in forms(texts["en"]) for name in re.findall(r"\{(\w+)\}", form)}
        numbers = sorted(names - OTHERS)
        for counts in itertools.product((number, 7), repeat=len(numbers)):
            values = dict.fromkeys(names, "X") | dict(zip(numbers, counts, strict=True))
            assert not faults_of(say("en", key, values)), key
            assert "{" not in say("zh", key, values), key


def test_no_text_is_filled_with_what_is_not_known() -> None:
    with pytest.raises(KeyError):
        say("en", "banner.all_complete", {"count": 2})


def test_each_language_has_its_own_punctuation() -> None:
    for key, texts in read_words().items():
        for language in LANGUAGES:
            for form in forms(texts[language]):
                assert key in OF_BOTH or not faults_of_punctuation(form, language), (key, form)


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("1 of 3 targets complete", True),
        ("1 of 1 target complete, 2,000 tasks, 1 request", True),
        ("1 of 1 targets", False),
        ("1 pages", False),
        ("2 page", False),
        ("1 other tasks", False),
        ("of which 1 are not complete", False),
        ("1 target are complete", False),
        ("2 targets has", False),
        ("through None; 2 files", False),
        ("noticed on null", False),
        ("at {time}", False),
        ("None. Known for all 3 targets", True),
        ("None among what is known.", True),
        ("2026-11-22 days, 0.1 h, cn-north-1 tasks", True),
    ],
)
def test_a_wrong_sentence_is_seen(text: str, is_right: bool) -> None:
    assert bool(faults_of(text)) != is_right


@pytest.mark.parametrize(
    ("text", "language", "is_right"),
    [
        ("目标采集完整\N{FULLWIDTH COMMA}共 2 个。", "zh", True),
        ("请设置 api.page_size\N{FULLWIDTH SEMICOLON}见 https://a.example/b", "zh", True),
        ("HTTP 403 (没有权限)", "zh", False),
        ("没有权限:请授予", "zh", False),
        ("显示。 需由", "zh", False),
        ("a, b; (c)", "en", True),
        ("a\N{FULLWIDTH COMMA}b", "en", False),
    ],
)
def test_punctuation_of_another_language_is_seen(text: str, language: str, is_right: bool) -> None:
    assert bool(faults_of_punctuation(text, language)) != is_right


@pytest.mark.parametrize(("count", "said"), [(0, "0 tasks"), (1, "1 task"), (2, "2 tasks"), (1_000, "1,000 tasks")])
def test_a_number_has_its_noun(count: int, said: str) -> None:
    assert counted(count, "task") == said


def uncounted(source: str) -> list[str]:
    """Texts that put a number before a noun in the plural by themselves; a constant is never one."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            for value, text in zip(node.values, node.values[1:], strict=False):
                is_number = isinstance(value, ast.FormattedValue) and not re.search(
                    r"[A-Z]{3}", ast.unparse(value.value)
                )
                words = text.value if is_number and isinstance(text, ast.Constant) else ""
                if re.match(rf" (?:more |other )?(?:{NOUNS})\b", words):
                    found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_one_function_writes_numbers_with_their_nouns(path: Path) -> None:
    assert not uncounted(path.read_text(encoding="utf-8"))


def test_a_number_that_is_written_without_it_is_seen() -> None:
    assert uncounted('f"{len(found)} of {total:,} targets complete"')
    assert not uncounted("f\"{counted(2, 'task')} and {MOST_DAYS} days\"")
