"""The lake that several tests of the page read."""

from __future__ import annotations

import pytest

from desk import BEIJING, SINGAPORE
from page_contents import DAY, DAYS, lake_of
from pulltasks.sandbox.server import Sandbox


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory):
    """Three days, only to be read; Singapore is refused on the last, and not read to the end on the one before."""
    sandbox = Sandbox((BEIJING, SINGAPORE))
    sandbox.faults |= {(SINGAPORE.project_id, DAYS[1]): "short_page", (SINGAPORE.project_id, DAY): "forbidden"}
    with lake_of(sandbox, tmp_path_factory.mktemp("lake"), DAYS) as lake:
        yield lake
