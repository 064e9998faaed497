"""Which files of a lake are put into its backup."""

from __future__ import annotations

from pathlib import Path

from backups import backed_up, names_in
from desk import Desk


def test_all_of_a_lake_is_put_but_locks_caches_open_tables_and_older_builds(
    kept: Desk, rclone: None, tmp_path: Path
) -> None:
    lake = kept.lake
    for name in (
        "bases/x.duckdb",
        "published/latest.json",
        "dashboard/charts-1.js",
        "alerts/.lock",
        "alerts/sent.json",
    ):
        (lake.root / name).parent.mkdir(exist_ok=True)
        (lake.root / name).write_text("{}")
    assert len(lake.builds()) == 2
    backed_up(kept)
    put = names_in(tmp_path / "place" / "lake")
    assert {name.split("/")[0] for name in put} == {
        *("raw", "tidy", "warehouse", "alerts", "lake.id", "redaction.key", "redaction.key.sha256", "runs.ndjson"),
    }
    assert {name for name in put if name.startswith("warehouse/")} == {f"warehouse/{lake.published.resolve().name}"}
    assert "alerts/.lock" not in put
