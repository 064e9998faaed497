"""The manifests confine each pod, open nothing that may write, and do what the units do."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from deployed import DEPLOY, arguments, documents, manifests, pod_of, pods
from desk import Desk, copied
from terminals import PULLTASKS

PODS = dict(pods())
CONTAINERS = {f"{name}-{each['name']}": each for name, pod in PODS.items() for each in pod["spec"]["containers"]}
CRONJOBS = {each["metadata"]["name"]: each["spec"] for each in manifests() if each["kind"] == "CronJob"}
TOOLS = DEPLOY.parent / ".venv-deploy" / "bin"
# The oldest that clusters still run, and the newest that the checker knows.
KUBERNETES = ["1.27", "1.28", "1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36"]


def test_there_are_two_cronjobs_and_a_pod_of_dagster() -> None:
    assert PODS.keys() == {"pulltasks-snapshot", "pulltasks-status", "pulltasks-dagster"}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_not_root_and_learns_nothing_of_the_cluster(name: str) -> None:
    pod = PODS[name]["spec"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["serviceAccountName"] == "pulltasks"
    assert all("sizeLimit" in each["emptyDir"] for each in pod["volumes"] if "emptyDir" in each)
    used = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
    assert used == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_writes_only_into_volumes_and_has_bounds(name: str) -> None:
    container = CONTAINERS[name]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert container["resources"]["limits"].keys() == {"memory"}
    assert re.fullmatch(rf"pulltasks(-dagster)?:{re.escape(version('pulltasks'))}", container["image"])


def test_nothing_connects_to_a_pod_but_to_the_web_server_that_is_read_only() -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in manifests() if each["kind"] == "NetworkPolicy"}
    closed = policies.pop("pulltasks")
    assert closed == {"podSelector": {"matchLabels": LABEL}, "policyTypes": ["Ingress"]}
    assert all(LABEL.items() <= pod["metadata"]["labels"].items() for pod in PODS.values())
    (opened,) = policies.values()
    (rule,) = opened["ingress"]
    assert rule["ports"] == [{"port": "web"}]
    (service,) = [each["spec"] for each in manifests() if each["kind"] == "Service"]
    assert [port["targetPort"] for port in service["ports"]] == ["web"]
    listening = [each for each in CONTAINERS.values() if "ports" in each]
    assert [port["name"] for each in listening for port in each["ports"]] == ["web"]
    assert all("--read-only" in each["command"] for each in listening)


LABEL = {"app.kubernetes.io/part-of": "pulltasks"}


def test_a_service_sets_no_variable_in_any_pod() -> None:
    """Kubernetes sets variables for Services that have an address; those of a Service `pulltasks` would be settings."""
    for each in manifests():
        if each["kind"] == "Service":
            assert each["spec"]["clusterIP"] == "None"
            assert not each["metadata"]["name"].startswith("pulltasks")


def test_credentials_reach_only_what_lists() -> None:
    whole = {name for name, each in CONTAINERS.items() if "envFrom" in each}
    assert whole == {"pulltasks-snapshot-snapshot", "pulltasks-dagster-code"}
    keys = {each["valueFrom"]["secretKeyRef"]["key"] for of in CONTAINERS.values() for each in of.get("env", [])}
    assert all(key.startswith("DAGSTER_PG_") for key in keys)
    instance = (DEPLOY / "dagster" / "dagster.yaml").read_text(encoding="utf-8")
    assert keys == set(re.findall(r"env: (\w+)", instance))


@pytest.mark.parametrize("name", CRONJOBS)
def test_units_and_cronjobs_do_the_same_at_the_same_times(name: str) -> None:
    job = CRONJOBS[name]
    assert job["concurrencyPolicy"] == "Forbid"
    (container,) = PODS[name]["spec"]["containers"]
    assert [each.replace("json", "text") for each in container["args"]] == arguments(f"{name}.service")
    timer = (DEPLOY / "systemd" / f"{name}.timer").read_text(encoding="utf-8")
    hours, minute, zone = re.findall(r"^OnCalendar=\*-\*-\* (\S+):(\d\d):00 (\S+)$", timer, re.MULTILINE)[0]
    assert f"{minute} {hours.replace('01..23', '1-23')} * * *" == job["schedule"]
    assert zone == job["timeZone"]


@pytest.mark.parametrize(("container", "unit"), [("code", "code"), ("daemon", "daemon"), ("web", "web")])
def test_the_pod_of_dagster_runs_what_the_units_run(container: str, unit: str) -> None:
    text = (DEPLOY / "systemd" / f"pulltasks-{unit}.service").read_text(encoding="utf-8")
    (line,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    places = {"deploy/dagster/workspace.yaml": "/etc/dagster/workspace.yaml", "127.0.0.1": "0.0.0.0"}
    program, *rest = shlex.split(line.removesuffix(" -d /srv/pulltasks"))
    of_unit = [Path(program).name, *(places.get(each, each) for each in rest)]
    assert sorted(CONTAINERS[f"pulltasks-dagster-{container}"]["command"]) == sorted(of_unit)


def test_the_status_job_mounts_the_lake_read_only_and_needs_no_more(one_day: Desk, tmp_path: Path) -> None:
    (container,) = PODS["pulltasks-status"]["spec"]["containers"]
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


def test_the_images_and_the_manifests_agree_on_user_and_places() -> None:
    image = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    for pod in PODS.values():
        assert f"USER {pod['spec']['securityContext']['runAsUser']}\n" in image
    for container in CONTAINERS.values():
        places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"] if "subPath" not in mount}
        assert f"WORKDIR {places.get('lake', '/var/lib/pulltasks')}\n" in image
        assert f"PULLTASKS_CONFIG={places.get('configuration', '/etc/pulltasks')}/pulltasks.toml" in image
        assert f"DAGSTER_HOME={places.get('home', '/var/lib/dagster')}\n" in image


def test_the_example_names_the_images_of_this_version() -> None:
    (example,) = documents("kubernetes/example/kustomization.yaml")
    assert {each["name"] for each in example["images"]} == {
        each["image"].partition(":")[0] for each in CONTAINERS.values()
    }
    assert {each["newTag"] for each in example["images"]} == {version("pulltasks")}


@pytest.fixture(scope="module", params=["cronjob", "dagster"])
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the steps of docs/deploy.md give to the cluster, for one way to run."""
    folder = tmp_path_factory.mktemp("rendered") / "deploy"
    shutil.copytree(DEPLOY, folder)
    mine = folder / "kubernetes" / "mine"
    shutil.copytree(folder / "kubernetes" / "example", mine)
    kustomization = mine / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace("../cronjob ", f"../{request.param} "))
    (mine / "pulltasks.toml").write_text('timezone = "Asia/Shanghai"\n')
    (mine / ".env").write_text("HUAWEICLOUD_SDK_AK=of-the-test\n")
    found = subprocess.run(["kubectl", "kustomize", mine], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    file = folder / f"{request.param}.yaml"
    file.write_text(found.stdout)
    return file


@pytest.mark.deploy
@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_what_is_rendered_is_valid(rendered: Path, kubernetes: str) -> None:
    command = [TOOLS / "kubernetes-validate", "--strict", "-k", kubernetes, rendered]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.deploy
def test_what_is_rendered_names_what_is_there(rendered: Path) -> None:
    """A claim, map, secret or account that a pod names is rendered too, and each image comes from the registry."""
    objects = list(yaml.safe_load_all(rendered.read_text()))
    there = {(each["kind"], each["metadata"]["name"]) for each in objects}
    assert {each["metadata"].get("namespace", "pulltasks") for each in objects} == {"pulltasks"}
    named = set()
    for pod in filter(None, map(pod_of, objects)):
        spec = pod["spec"]
        named.add(("ServiceAccount", spec["serviceAccountName"]))
        for volume in spec["volumes"]:
            named |= {("ConfigMap", volume[kind]["name"]) for kind in ("configMap",) if kind in volume}
            if claim := volume.get("persistentVolumeClaim"):
                named.add(("PersistentVolumeClaim", claim["claimName"]))
        for container in spec["containers"]:
            assert container["image"].startswith("swr.")
            named |= {("Secret", each["secretRef"]["name"]) for each in container.get("envFrom", [])}
            named |= {("Secret", each["valueFrom"]["secretKeyRef"]["name"]) for each in container.get("env", [])}
    assert named <= there
    assert {kind for kind, _ in named} == {"ServiceAccount", "ConfigMap", "Secret", "PersistentVolumeClaim"}


@pytest.mark.deploy
def test_whoever_mounts_the_disk_runs_where_it_is(rendered: Path) -> None:
    """The disk is attached to one node: a pod that stays keeps it, so that the others must go there."""
    found = {
        each["metadata"]["name"]: pod for each in yaml.safe_load_all(rendered.read_text()) if (pod := pod_of(each))
    }
    stays = found.pop("pulltasks-dagster", None)
    for pod in found.values():
        affinity = pod["spec"].get("affinity")
        assert (affinity is None) == (stays is None)
        if stays:
            (rule,) = affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            assert rule["topologyKey"] == "kubernetes.io/hostname"
            assert rule["labelSelector"]["matchLabels"].items() <= stays["metadata"]["labels"].items()
