"""Programs that know what is usually wrong in a Containerfile or a workflow find nothing."""

from __future__ import annotations

import subprocess

import pytest

from deployed import DEPLOY

pytestmark = pytest.mark.deploy
ROOT = DEPLOY.parent
TOOLS = ROOT / ".venv-deploy" / "bin"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", DEPLOY / "Containerfile"],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS],
        ["zizmor", "--offline", "--no-progress", *WORKFLOWS],
    ],
    ids=lambda command: command[0],
)
def test_nothing_is_found(command: list) -> None:
    found = subprocess.run([TOOLS / command[0], *command[1:]], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
