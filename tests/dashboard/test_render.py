"""The page as a file: nothing is loaded, no script runs but its own, and whatever the data say is text."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from desk import BEIJING, SINGAPORE, Desk
from pulltasks import config, dashboard
from pulltasks.dashboard import is_current, write_dashboard
from pulltasks.dashboard.render import PAGE, VIEWS, _inline, render
from pulltasks.errors import ConfigError, LakeError
from pulltasks.reasons import advice_on
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.data import PLANTED_STREAM_KEY, PLANTED_TOKEN
from pulltasks.words import read_words

DAY = date(2026, 11, 22)
HOSTILE = "<script>alert(1)</script>\"'&=cmd()"


@pytest.fixture
def whole(desk: Desk, begin, once) -> Desk:
    """A day on which all was complete, with its page."""

    def make() -> None:
        begin(desk, DAY)
        write_dashboard(desk.lake, desk.settings)

    once("a page", desk, make)
    return desk


def page_of(desk: Desk) -> str:
    return desk.lake.dashboard.read_text(encoding="utf-8")


def new_page_of(desk: Desk) -> str:
    desk.run(DAY)
    return write_dashboard(desk.lake, desk.settings).read_text(encoding="utf-8")


def unpacked(page: str) -> dict:
    return json.loads(gzip.decompress(base64.b64decode(re.findall(r'id="contents">(.*?)</script>', page)[0])))


def test_the_policy_names_the_hashes_of_just_the_scripts_and_the_style_that_are_there(whole: Desk) -> None:
    page = page_of(whole)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)
    parts = dict(part.strip().split(" ", 1) for part in html.unescape(policy).split(";"))
    assert (parts["default-src"], parts["base-uri"], parts["form-action"]) == ("'none'",) * 3

    def hashes(texts: list[str]) -> set[str]:
        return {f"'sha256-{base64.b64encode(hashlib.sha256(t.encode()).digest()).decode()}'" for t in texts}

    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    assert set(parts["script-src"].split()) == hashes(scripts)
    assert set(parts["style-src"].split()) == hashes(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))


def test_the_page_loads_nothing_and_has_no_inline_handler(whole: Desk) -> None:
    page = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", page_of(whole), flags=re.DOTALL)
    assert re.findall(r"\ssrc=|<link|<iframe|<img|url\(", page) == []
    assert set(re.findall(r'href="([^"]*)"', page)) == {"#main", *(f"#view={view}" for view in VIEWS)}
    assert re.findall(r"<[^>]*\son\w+\s*=", page) == []
    assert re.findall(r"<[^>]*\sstyle\s*=", page) == []


def test_whatever_a_target_is_called_is_text(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    file = desk.config_file
    file.write_text(file.read_text().replace('name = "singapore"', f"name = '''{HOSTILE}'''"), encoding="utf-8")
    settings = config.load(file)
    monkeypatch.setattr(Desk, "settings", settings)
    page = new_page_of(desk)
    assert "<script>alert" not in page
    assert html.escape(HOSTILE, quote=False).split("&quot;")[0].split('"')[0] in page
    assert HOSTILE in {target["target_name"] for target in unpacked(page)["targets"]}


def test_no_script_can_end_before_its_end() -> None:
    assert "</script" not in _inline("x = '</script>'; y = '<!-- <script>'")
    assert "<!--" not in _inline("x = '</script>'; y = '<!-- <script>'")


def test_no_secret_is_in_the_page(whole: Desk) -> None:
    page = page_of(whole)
    text = page + json.dumps(unpacked(page), ensure_ascii=False)
    assert "publish.example.com" in text
    for secret in (PLANTED_STREAM_KEY, PLANTED_TOKEN, AccessKey().sk, AccessKey().ak):
        assert secret not in text


def test_the_verdict_is_there_without_any_script(desk: Desk) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    page = re.sub(r"<script.*?</script>", "", new_page_of(desk), flags=re.DOTALL)
    text = " ".join(re.sub(r"<[^>]*>", "", page).split())
    assert "Incomplete 1 of 2 targets are known for 2026-11-22" in text
    assert f"singapore failed · {advice_on('forbidden')}. Never captured completely; not in any number." in text
    assert 'id="verdict" class="bad"' in page
    assert f'href="#view=life&amp;target={SINGAPORE.project_id}/{SINGAPORE.region}"' in page
    assert "<title>pulltasks 2026-11-22: 1 of 2 targets complete</title>" in page
    assert "<noscript>" in page


def test_a_whole_day_says_so(whole: Desk) -> None:
    page = page_of(whole)
    assert 'id="verdict" class="good"' in page
    assert "All 2 targets are known for 2026-11-22" in re.sub(r"<[^>]*>", "", page)
    assert "<title>pulltasks 2026-11-22: 2 of 2 targets complete</title>" in page


def test_where_no_target_was_expected_nothing_is_called_complete(whole: Desk) -> None:
    contents = unpacked(page_of(whole))
    none = {**contents, "targets": [{**each, "is_expected": False} for each in contents["targets"]]}
    page = render(none).decode()
    assert 'id="verdict" class="late"' in page
    assert "No target was expected on 2026-11-22" in page
    assert "are known" not in page.partition("<noscript>")[0]


def test_the_same_warehouse_gives_the_same_bytes(whole: Desk) -> None:
    first = whole.lake.dashboard.read_bytes()
    write_dashboard(whole.lake, whole.settings)
    assert whole.lake.dashboard.read_bytes() == first


CHANGES = {
    "the zone of times": "[warehouse]\ndisplay_timezone = 'Europe/Berlin'\n",
    "a limit": "[alerts]\nmax_age = '30h'\n",
    "another limit": "[alerts]\nmax_target_age = '60h'\n",
}


def test_a_page_is_current_until_anything_that_it_was_made_of_changes(whole: Desk, monkeypatch) -> None:
    lake, settings, page = whole.lake, whole.settings, whole.lake.dashboard.read_bytes()
    assert is_current(lake, settings)
    for change in CHANGES.values():
        assert not is_current(lake, replace(whole, extra=change).settings), change
    with monkeypatch.context() as patch:
        patch.setattr(dashboard, "version", lambda name: "9.9")
        assert not is_current(lake, settings)
    for damaged in (None, b"", page[:-1], page[:1000] + page[1001:], page.replace(b"<title>", b"<title> ")):
        lake.dashboard.unlink()
        if damaged is not None:
            lake.dashboard.write_bytes(damaged)
        assert not is_current(lake, settings)
        lake.dashboard.write_bytes(page)
    assert is_current(lake, settings)
    whole.run(DAY + timedelta(days=1))
    assert not is_current(lake, settings)


def test_everybody_may_read_the_page(whole: Desk) -> None:
    assert whole.lake.dashboard.stat().st_mode & 0o777 == 0o644
    assert whole.lake.dashboard.parent == whole.lake.published.parent


def test_a_warehouse_that_shows_secrets_gets_no_page(desk: Desk) -> None:
    desk.extra = "[warehouse]\nexpose_secrets = true\n"
    desk.run(DAY)
    desk.extra = ""
    with pytest.raises(LakeError, match="shows secrets in clear"):
        write_dashboard(desk.lake, desk.settings)
    desk.extra = "[warehouse]\nexpose_secrets = true\n[dashboard]\nenabled = true\n"
    with pytest.raises(ConfigError, match=r"dashboard\.enabled"):
        _ = desk.settings


def test_the_page_says_only_what_there_are_words_for_and_no_word_is_left_over() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in PAGE.iterdir() if path.suffix in {".js", ".j2"}}
    sources[PAGE] = (PAGE.parent / "verdict.py").read_text(encoding="utf-8")
    named = {key for text in sources.values() for key in re.findall(r'["`]([a-z]+\.[\w]+)["`]', text)}
    groups = {key.split(".")[0] for key in read_words()}
    # these are put together from a group and a name of the data
    by_name = {
        "section",
        "hint",
        "tile",
        "chart",
        "coverage",
        "word",
        "column",
        "reason",
        "view",
        "who",
        "note",
        "needs",
        "verdict",
    }
    elsewhere = {"alarm", "kind"}
    assert {key for key in named if key.split(".")[0] in groups} <= set(read_words())
    assert {key for key in read_words() if key.split(".")[0] not in by_name | elsewhere} <= named


def test_every_column_and_every_section_has_its_words(whole: Desk) -> None:
    contents = unpacked(page_of(whole))
    words = contents["words"]
    for name, table in contents["tables"].items():
        assert f"section.{name}" in words
        for column in table["columns"]:
            assert f"column.{column['name']}" in words
    assert BEIJING.project_id in {target["project_id"] for target in contents["targets"]}
