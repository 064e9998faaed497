"""What lies in deploy/ is what it says: read by the programs that it is for, where they are here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from desk import Desk, copied
from pulltasks import config
from pulltasks.settings import AlertSettings
from terminals import PULLTASKS

DEPLOY = Path(__file__).parent.parent / "deploy"

PYTHON = DEPLOY.parent / ".venv-deploy" / "bin" / "python"


def documents(name: str) -> list[dict]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def cronjobs() -> dict[str, dict]:
    """The CronJobs by name."""
    found = [each for each in documents("kubernetes/cronjob.yaml") if each["kind"] == "CronJob"]
    return {each["metadata"]["name"]: each["spec"] for each in found}


def pod_of(job: dict) -> dict:
    return job["jobTemplate"]["spec"]["template"]["spec"]


def arguments(unit: str) -> list[str]:
    """What a unit gives to pulltasks."""
    text = (DEPLOY / "systemd" / unit).read_text(encoding="utf-8")
    return re.findall(r"^ExecStart=/srv/pulltasks/.venv/bin/pulltasks (.+)$", text, re.MULTILINE)[0].split()


@pytest.mark.parametrize("name", ["pulltasks-snapshot", "pulltasks-status"])
def test_a_cronjob_runs_once_at_a_time_and_has_no_rights(name: str) -> None:
    job = cronjobs()[name]
    assert job["concurrencyPolicy"] == "Forbid"
    pod = pod_of(job)
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


@pytest.mark.parametrize("name", ["pulltasks-snapshot", "pulltasks-status"])
def test_units_and_cronjobs_do_the_same_at_the_same_times(name: str) -> None:
    job = cronjobs()[name]
    (container,) = pod_of(job)["containers"]
    assert [each.replace("json", "text") for each in container["args"]] == arguments(f"{name}.service")
    timer = (DEPLOY / "systemd" / f"{name}.timer").read_text(encoding="utf-8")
    hours, minute, zone = re.findall(r"^OnCalendar=\*-\*-\* (\S+):(\d\d):00 (\S+)$", timer, re.MULTILINE)[0]
    assert f"{minute} {hours.replace('01..23', '1-23')} * * *" == job["schedule"]
    assert zone == job["timeZone"]


def test_what_writes_allows_incomplete_targets_and_no_unit_takes_a_trouble_for_success() -> None:
    assert "--allow-incomplete" in arguments("pulltasks-snapshot.service")
    for unit in (DEPLOY / "systemd").glob("*.service"):
        assert "SuccessExitStatus" not in unit.read_text(encoding="utf-8")


def test_the_status_job_mounts_the_lake_read_only_and_needs_no_more(one_day: Desk, tmp_path: Path) -> None:
    (container,) = pod_of(cronjobs()["pulltasks-status"])["containers"]
    assert {mount["mountPath"]: mount.get("readOnly") for mount in container["volumeMounts"]} == {
        "/var/lib/pulltasks": True,
        "/etc/pulltasks": True,
        "/tmp": None,
    }
    desk = copied(one_day, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in desk.lake.root.rglob("*")}
    command = [PULLTASKS, *container["args"], "--config", desk.config_file]
    assert subprocess.run(command, capture_output=True, check=False).returncode in {0, 3}
    assert {path: path.stat().st_mtime_ns for path in desk.lake.root.rglob("*")} == before


def test_the_image_and_the_manifests_agree_on_user_and_places() -> None:
    image = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    for job in cronjobs().values():
        pod = pod_of(job)
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


def test_the_services_of_dagster_meet_at_one_socket() -> None:
    (workspace,) = documents("dagster/workspace.yaml")
    ((server,),) = [each.values() for each in workspace["load_from"]]
    code = (DEPLOY / "systemd" / "pulltasks-code.service").read_text(encoding="utf-8")
    assert f"--socket {server['socket']} " in code
    assert "RuntimeDirectoryMode=0700\n" in code
    assert server["socket"].startswith(f"/run/{re.findall('RuntimeDirectory=(.+)', code)[0]}/")
    assert not re.search(r"(-p|--port) \d", code)


def queries() -> list[str]:
    """The expressions of the alerts and of the dashboard."""
    (rules,) = documents("monitoring/pulltasks.rules.yaml")
    dashboard = json.loads((DEPLOY / "monitoring" / "grafana.json").read_text(encoding="utf-8"))
    return [
        *(rule["expr"] for group in rules["groups"] for rule in group["rules"]),
        *(target["expr"] for panel in dashboard["panels"] for target in panel["targets"]),
        *(each["query"]["query"] for each in dashboard["templating"]["list"] if each["type"] == "query"),
    ]


def test_alerts_and_dashboard_ask_for_metrics_and_labels_that_are_printed(one_day: Desk, tmp_path: Path) -> None:
    desk = copied(one_day, tmp_path)
    command = [PULLTASKS, "status", "--format", "prometheus", "--per-target", "--config", desk.config_file]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    labels = {
        family.name: {name for sample in family.samples for name in sample.labels}
        for family in text_string_to_metric_families(printed)
    }
    for query in queries():
        asked = re.findall(r"\bpulltasks_\w+", re.sub(r'"[^"]*"', '""', query))
        assert asked or re.search(r"\b(node_textfile|kube_cronjob)_", query), query
        assert {*asked} <= labels.keys(), query
        named = {
            name
            for found in re.findall(r"by \(([^)]*)\)|[{](\w+)=", query)
            for name in re.split(r",\s*", "".join(found))
        }
        assert all(named <= labels[name] for name in asked), query


def test_alerts_wait_as_long_as_the_settings_say_by_default() -> None:
    ages = {
        age
        for query in queries()
        for age in re.findall(r"pulltasks_(?:lake|target)_age_seconds > (\d+) \* 3600", query)
    }
    limits = AlertSettings()
    assert ages == {str(int(each.total_seconds()) // 3600) for each in (limits.max_age, limits.max_target_age)}


def test_alerts_and_dashboard_are_written_in_promql() -> None:
    parser = pytest.importorskip("promql_parser", reason="no parser of PromQL is installed")
    for query in queries():
        if not query.startswith("label_values("):
            parser.parse(query)


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
    assert found.stdout.split() == ["PersistentVolumeClaim", "CronJob", "CronJob"]
