"""The page has a size that a browser and a mail take; it holds less before it grows beyond it, and says so."""

from __future__ import annotations

import base64
import gzip
import json
import re
from datetime import date

import pytest

from desk import Desk
from pulltasks import dashboard
from pulltasks.dashboard import bounds, write_dashboard
from pulltasks.dashboard.bounds import Bounds
from pulltasks.errors import LakeError

DAY = date(2026, 11, 22)


@pytest.fixture
def whole(desk: Desk, begin, once) -> Desk:
    """A day on which all was complete, with its page."""

    def make() -> None:
        begin(desk, DAY)
        write_dashboard(desk.lake, desk.settings)

    once("a page", desk, make)
    return desk


def unpacked(page: str) -> dict:
    return json.loads(gzip.decompress(base64.b64decode(re.findall(r'id="contents">(.*?)</script>', page)[0])))


def test_a_page_that_would_be_too_large_holds_less(whole: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    size = whole.lake.dashboard.stat().st_size
    monkeypatch.setattr(bounds, "MOST_BYTES", size - 20_000)
    page = dashboard.page_of(whole.lake, whole.settings)
    assert len(page) <= size - 20_000
    lives = unpacked(page.decode())["lives"]
    assert 0 < len(lives["tasks"]["task_id"]) < lives["total"]
    assert lives["is_cut"]


def test_a_page_that_would_always_be_too_large_is_an_error_that_says_what_to_do(whole: Desk, monkeypatch) -> None:
    monkeypatch.setattr(bounds, "MOST_BYTES", 1000)
    with pytest.raises(LakeError, match=r"1,000 are the most .* divide the targets among several lakes"):
        dashboard.page_of(whole.lake, whole.settings)


def test_bounds_get_smaller_until_they_end() -> None:
    found, steps = Bounds(), 0
    while smaller := found.halved():
        assert (smaller.rows, smaller.text_bytes) == (found.rows // 2, found.text_bytes // 2)
        assert smaller.days >= 7
        found, steps = smaller, steps + 1
    assert steps == 13
