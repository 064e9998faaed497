"""Every text of the page comes from the catalogue, and is written right whatever is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pages import HOSTILE, SHANGHAI, SINGAPORE, go_to, places
from sentences import faults_of, faults_of_punctuation

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

LAKES = ("good", "incomplete", "late", "one of twenty", "all late", "held", "empty", "first")
LANGUAGES = ("en", "zh")

MARK = """() => {
  const marked = (text) => typeof text === "string" ? `⟦${text}⟧` : Object.fromEntries(Object.entries(text).map(([form, each]) => [form, `⟦${each}⟧`]));
  for (const texts of Object.values(data.words)) for (const language of Object.keys(texts)) texts[language] = marked(texts[language]);
}"""
# Texts as a reader sees or hears them; SQL is no text of the page, and neither is the description of a column.
READ = """() => {
  const isShown = (e) => e && e.checkVisibility({ visibilityProperty: true }) && !e.closest(".sql, script, style, noscript");
  const texts = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const { parentElement: host, data: text } = walk.currentNode;
    if (text.trim() && (isShown(host) || (host.closest("option") && isShown(host.closest("select"))) || host.closest("svg title"))) texts.push(text.trim());
  }
  for (const name of ["aria-label", "placeholder", "title"]) for (const e of document.querySelectorAll(`[${name}]`))
    if (isShown(e) && !(name === "title" && e.matches("th button, .tools button"))) texts.push(e.getAttribute(name));
  return [...texts, document.title];
}"""
# Texts that are data of the lake, and English messages of the capture.
DATA = """() => {
  const [texts, messages] = [new Set(), new Set()];
  const add = (value, name) => {
    if (typeof value === "string") (name === "error_message" ? messages : texts).add(value);
    else if (value && typeof value === "object")
      for (const [key, each] of Object.entries(value)) if (!["words", "columns", "query", "model", "covers"].includes(key)) add(each, key);
  };
  add(data);
  return [[...texts], [...messages]];
}"""
LETTERS = re.compile(r"[^\W\d]\w*")


def unmarked(text: str) -> str:
    """Return what of a text is outside of all marks."""
    while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", text)) != text:
        text = shorter
    return text


@pytest.mark.parametrize("lake", ["good", "incomplete", "one of twenty", "held", "empty", "first"])
def test_every_text_comes_from_the_catalogue(visit, lake: str) -> None:
    page, shown = visit(lake)
    texts, messages = page.evaluate(DATA)
    known = {"pulltasks", *(word for text in texts for word in LETTERS.findall(text))}
    assert not known & {"tasks", "targets", "known", "day", "not"}  # or nothing would be found
    page.evaluate(MARK)
    for name, place in places(shown).items():
        for language in LANGUAGES:
            go_to(page, f"{place}&by=target&lang={language}")
            page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
            page.fill("#search", "no such thing")
            said = [text for text in page.evaluate(READ) if text not in messages]
            assert [text for text in said if set(LETTERS.findall(unmarked(text))) - known] == [], name
            assert len([text for text in said if "⟦" in text]) >= 20


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("lake", LAKES)
def test_whatever_is_known_every_view_is_written_right(visit, lake: str, language: str) -> None:
    page, shown = visit(lake, f"lang={language}")
    page.emulate_media(media="screen")
    for region in ("", SHANGHAI.region, SINGAPORE.region):
        for place in places(shown).values():
            go_to(page, f"{place}&lang={language}&region={region}")
            page.fill("#search", "no such thing at all")
            no_line_is_wrong(page, language)
    page.evaluate("document.getElementById('brief').style.display = 'block'")
    go_to(page, f"view=overview&lang={language}")
    no_line_is_wrong(page, language)


def no_line_is_wrong(page: Page, language: str) -> None:
    lines = [*page.locator("body").inner_text().splitlines(), *page.locator("svg title").all_text_contents()]
    assert not [line for line in lines if HOSTILE not in line and faults_of(line)]
    # of the tables, some columns are the service's own words, or English in any language
    own = "#verdict :is(h2, p), #causes li > span, #tiles li, .cover, .hint, #results li, h2, h3, th, .view > p > *, #kinds, #peak, #coverage-line"
    texts = [text for text in page.locator(own).filter(visible=True).all_inner_texts() if HOSTILE not in text]
    assert not [text for text in texts if faults_of_punctuation(text, language)]
    assert not re.findall(
        r"\{\w+\}|\b(verdict|tile|covers|chart|column|table|filter|page|life|needs|week)\.[a-z_]+\b", "\n".join(texts)
    )
