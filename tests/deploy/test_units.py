"""The units of systemd are taken by it, and are confined."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deployed import DEPLOY, arguments


def test_what_writes_allows_incomplete_targets_and_no_unit_takes_a_trouble_for_success() -> None:
    assert "--allow-incomplete" in arguments("pulltasks-snapshot.service")
    for unit in (DEPLOY / "systemd").glob("*.service"):
        assert "SuccessExitStatus" not in unit.read_text(encoding="utf-8")


needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with our units alone, whose programs are there."""
    units = tmp_path / "etc" / "systemd" / "system"
    shutil.copytree(DEPLOY / "systemd", units)
    (tmp_path / "usr" / "lib" / "systemd" / "system").mkdir(parents=True)
    for unit in units.glob("*.service"):
        unit.write_text(re.sub(r"(ExecStart\w*=)\S+", rf"\1{shutil.which('true')}", unit.read_text(encoding="utf-8")))
    return tmp_path


@needs_systemd
def test_systemd_takes_the_units(root: Path) -> None:
    units = root / "etc" / "systemd" / "system"
    found = subprocess.run(
        ["systemd-analyze", "verify", *sorted(units.glob("*.*[er]"))],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in found.stderr.splitlines() if "pulltasks" in line]
    assert ours == []


@needs_systemd
@pytest.mark.parametrize("unit", sorted(path.name for path in (DEPLOY / "systemd").glob("*.service")))
def test_each_unit_is_hardened(root: Path, unit: str) -> None:
    """The exposure that systemd counts, of 10, is below 3."""
    command = ["systemd-analyze", "security", f"--root={root}", "--offline=true", "--threshold=29", unit]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout.splitlines()[-1:]
    assert f"Overall exposure level for {unit}" in found.stdout
