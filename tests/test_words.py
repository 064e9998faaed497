"""The catalogue of words: whole, in both languages, with the forms that counting needs."""

from __future__ import annotations

import re

import pytest

from pulltasks.words import LANGUAGES, read_words, say


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
