"""Dagster takes the instance and the workspace, and both fit the jobs and the units."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deployed import DEPLOY, documents, manifests
from pulltasks import config


@pytest.mark.parametrize("name", ["dagster/dagster.yaml", "dagster.yaml"])
def test_the_instance_is_one_that_dagster_takes(name: str) -> None:
    from dagster._config import validate_config
    from dagster._core.instance.config import dagster_instance_config_schema

    (instance,) = documents(name)
    found = validate_config(dagster_instance_config_schema(), instance)
    assert found.success, found.errors


@pytest.mark.parametrize("name", ["dagster/dagster.yaml", "dagster.yaml"])
def test_a_lost_run_ends_when_the_job_of_kubernetes_would(name: str) -> None:
    """Until then it counts as running, and no other run of the lake may begin."""
    (instance,) = documents(name)
    (job,) = [each["spec"] for each in manifests() if each["metadata"]["name"] == "pulltasks-snapshot"]
    monitoring = instance["run_monitoring"]
    assert monitoring["enabled"]
    assert monitoring["max_runtime_seconds"] == job["jobTemplate"]["spec"]["activeDeadlineSeconds"]


def test_one_run_of_a_lake_at_a_time() -> None:
    (instance,) = documents("dagster/dagster.yaml")
    (limit,) = instance["concurrency"]["runs"]["tag_concurrency_limits"]
    assert limit == {"key": "pulltasks/lake", "limit": 1, "value": {"applyLimitPerUniqueValue": True}}


def test_the_jobs_carry_the_tag_that_the_instance_limits(tmp_path: Path) -> None:
    from pulltasks_dagster.definitions import JOB, MONTHLY_JOB, build_defs, tag_of

    file = tmp_path / "pulltasks.toml"
    file.write_text("[lake]\nroot = 'lake'\n")
    defs = build_defs(file)
    tag = tag_of(config.load(file, need_targets=False).lake.root)
    for name in (JOB, MONTHLY_JOB):
        assert defs.resolve_job_def(name).tags["pulltasks/lake"] == tag
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,63}", tag)
    assert tag_of(Path("/" + "a" * 100)) == "a" * 63
    assert tag_of(Path("/")) == "lake"


def test_the_services_of_dagster_meet_at_one_socket() -> None:
    (workspace,) = documents("dagster/workspace.yaml")
    ((server,),) = [each.values() for each in workspace["load_from"]]
    code = (DEPLOY / "systemd" / "pulltasks-code.service").read_text(encoding="utf-8")
    assert f"--socket {server['socket']} " in code
    assert "RuntimeDirectoryMode=0700\n" in code
    assert server["socket"].startswith(f"/run/{re.findall('RuntimeDirectory=(.+)', code)[0]}/")
    assert not re.search(r"(-p|--port) \d", code)
