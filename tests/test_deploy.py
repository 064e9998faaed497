"""What lies in deploy/ is what it says: read by the programs that it is for, where they are here."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from pulltasks import config

DEPLOY = Path(__file__).parent.parent / "deploy"
PYTHON = DEPLOY.parent / ".venv-deploy" / "bin" / "python"


def documents(name: str) -> list[dict]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def test_the_cronjob_has_one_writer_and_no_rights() -> None:
    _, job = documents("kubernetes/cronjob.yaml")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == f"pulltasks:{version('pulltasks')}"
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}


def test_the_image_and_the_manifests_agree_on_user_and_places() -> None:
    image = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    _, job = documents("kubernetes/cronjob.yaml")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert f"USER {pod['securityContext']['runAsUser']}\n" in image
    places = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert f"WORKDIR {places['lake']}\n" in image
    assert f"PULLTASKS_CONFIG={places['configuration']}/pulltasks.toml" in image


def test_the_instance_is_one_that_dagster_takes() -> None:
    from dagster._config import validate_config
    from dagster._core.instance.config import dagster_instance_config_schema

    (instance,) = documents("dagster/dagster.yaml")
    found = validate_config(dagster_instance_config_schema(), instance)
    assert found.success, found.errors
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


def test_the_chart_and_the_instance_say_the_same_of_runs() -> None:
    (values,), (instance,) = documents("kubernetes/dagster-values.yaml"), documents("dagster/dagster.yaml")
    coordinator = values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    runs = instance["concurrency"]["runs"]
    assert coordinator["tagConcurrencyLimits"] == runs["tag_concurrency_limits"]
    assert coordinator["maxConcurrentRuns"] == runs["max_concurrent_runs"]
    assert values["dagsterDaemon"]["runRetries"]["maxRetries"] == instance["run_retries"]["max_retries"]
    assert values["postgresql"]["postgresqlScheme"] == instance["storage"]["postgres"]["postgres_db"]["scheme"]
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    assert deployment["image"]["tag"] == version("pulltasks")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in (DEPLOY / "systemd").iterdir():
        text = re.sub(r"ExecStart=\S+", f"ExecStart={shutil.which('true')}", unit.read_text(encoding="utf-8"))
        (tmp_path / unit.name).write_text(text)
    found = subprocess.run(
        ["systemd-analyze", "verify", *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False
    )
    ours = [line for line in found.stderr.splitlines() if "pulltasks" in line]
    assert ours == []


@pytest.mark.deploy
def test_the_manifests_are_what_kubernetes_reads() -> None:
    """By the client's models: a field that has another form, or a required one that lacks, is an error."""
    script = (
        "import json, sys, yaml\n"
        "from kubernetes import client\n"
        "api = client.ApiClient()\n"
        "for each in yaml.safe_load_all(open(sys.argv[1])):\n"
        "    kind = {'CronJob': 'V1CronJob'}.get(each['kind'], 'V1' + each['kind'])\n"
        "    found = api.sanitize_for_serialization(api.deserialize(json.dumps(each), kind, 'application/json'))\n"
        "    def lost(a, b, path):\n"
        "        if isinstance(a, dict): [lost(a[k], b[k], path + [k]) for k in a]\n"
        "        elif isinstance(a, list): [lost(x, y, path) for x, y in zip(a, b, strict=True)]\n"
        "        else: assert str(a) == str(b), (path, a, b)\n"
        "    lost(each, found, [])\n"
        "    print(each['kind'])\n"
    )
    command = [PYTHON, "-c", script, DEPLOY / "kubernetes" / "cronjob.yaml"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == ["PersistentVolumeClaim", "CronJob"]
