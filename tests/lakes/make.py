"""Writes a small lake with the software as it stands, to be opened by later versions; no test by itself.

    .venv/bin/python tests/lakes/make.py        # writes tests/lakes/schema-<version>.tar.xz

Run it when `SCHEMA_VERSION` was raised, and keep the archives of earlier versions as they are.
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
DAYS = (date(2026, 10, 31), date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 18))


def main() -> None:
    """Capture some days, one target failing on one of them, compact the closed month, pack it."""
    from desk import BEIJING, SINGAPORE, Desk
    from pulltasks.run.order import compact, snapshot
    from pulltasks.sandbox.accounts import AccessKey
    from pulltasks.sandbox.server import Sandbox, serving
    from pulltasks.tables import SCHEMA_VERSION

    os.environ |= {"HUAWEICLOUD_SDK_AK": AccessKey().ak, "HUAWEICLOUD_SDK_SK": AccessKey().sk}
    sandbox = Sandbox((replace(BEIJING, task_count=5), replace(SINGAPORE, task_count=3)))
    sandbox.faults[SINGAPORE.project_id, DAYS[2]] = "forbidden"
    with tempfile.TemporaryDirectory() as folder, serving(sandbox) as url:
        desk = Desk(sandbox, url, Path(folder), sandbox.places)
        for day in DAYS:
            snapshot(desk.settings, day, desk.clock, simulated=True)
        compact(desk.settings, date.max)
        compact(desk.settings, date.max)
        published = desk.lake.published.resolve()
        for path in (desk.lake.root / ".unfinished", desk.lake.root / "bases"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (desk.lake.root / ".lock", *desk.lake.warehouse.glob("pulltasks-*.duckdb")):
            if path != published:
                path.unlink(missing_ok=True)
        with tarfile.open(HERE / f"schema-{SCHEMA_VERSION}.tar.xz", "w:xz") as archive:
            archive.add(desk.lake.root, "lake", filter=_nobodys)


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    return member.replace(uid=0, gid=0, uname="", gname="", deep=False)


if __name__ == "__main__":
    main()
