"""The lake that several tests of the page read."""

from __future__ import annotations

import pytest

from desk import BEIJING, SINGAPORE, Desk
from page_contents import DAY, DAYS
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.server import Sandbox, serving


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory):
    """Three days, only to be read; Singapore is refused on the last, and not read to the end on the one before."""
    sandbox = Sandbox((BEIJING, SINGAPORE))
    sandbox.faults |= {(SINGAPORE.project_id, DAYS[1]): "short_page", (SINGAPORE.project_id, DAY): "forbidden"}
    with serving(sandbox) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUAWEICLOUD_SDK_AK", AccessKey().ak)
        patch.setenv("HUAWEICLOUD_SDK_SK", AccessKey().sk)
        desk = Desk(sandbox, url, tmp_path_factory.mktemp("lake"), sandbox.places)
        for day in DAYS:
            desk.run(day)
        yield desk.lake
