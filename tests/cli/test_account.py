"""`sandbox`: it says how to use it, and names a fault that there is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pulltasks.cli.account import SANDBOX_FAULTS
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.server import FAULTS
from terminals import PULLTASKS


def test_the_sandbox_says_how_to_use_it_and_serves_until_it_is_stopped(tmp_path: Path, command) -> None:
    with subprocess.Popen(
        [PULLTASKS, "sandbox", "--port", "0", "--projects", "2", "--tasks", "120"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        greeting = ""
        while "export" not in greeting:
            greeting += server.stdout.readline()
        toml = greeting.split("# pulltasks.toml")[1].split("# in the shell")[0]
        (tmp_path / "pulltasks.toml").write_text(toml)
        assert f"export HUAWEICLOUD_SDK_AK={AccessKey().ak}" in greeting
        code, out, _ = command("snapshot", "--config", tmp_path / "pulltasks.toml")
        server.terminate()
    assert (code, "2 of 2 targets complete" in out) == (0, True)


def test_the_faults_in_the_help_are_those_of_the_sandbox() -> None:
    assert ", ".join(FAULTS) == SANDBOX_FAULTS


@pytest.mark.parametrize("fault", ["nothing", "0001=nothing", "0001@someday=forbidden"])
def test_a_fault_that_is_none_is_refused(command, fault: str) -> None:
    code, _, err = command("sandbox", "--port", "0", "--fault", fault)
    assert (code, f"--fault {fault}" in err) == (2, True)
