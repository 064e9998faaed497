"""The images run as the manifests have them: read-only, without a capability, as a user of their own.

`make test-image` tries the images that `make image` made, in podman or docker. A pod of the manifests becomes containers
with the same volumes and the same restrictions.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dagster_services import PASSWORD, Services, free_port, serving_postgres
from deployed import DEPLOY, pods
from desk import BEIJING, SINGAPORE, Desk, write_config
from pulltasks.sandbox.server import Sandbox, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.image
ENGINE = os.environ.get("ENGINE", "podman")
CLI, DAGSTER = (f"{name}:{version('pulltasks')}" for name in ("pulltasks", "pulltasks-dagster"))
PODS = dict(pods())
MOST_MEGABYTES = 320  # beside the base


def engine(*arguments: object, accept: tuple[int, ...] = (0,)) -> str:
    """Run a command of the engine and return what it printed."""
    found = subprocess.run([ENGINE, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert found.returncode in accept, f"{arguments} ended with {found.returncode}: {found.stdout}{found.stderr}"
    return found.stdout


@dataclass
class Cluster:
    """What a cluster gives to pods: volumes that the group of a pod may write, files of maps, secrets."""

    maps: dict[str, Path]
    secret: dict[str, str]
    prefix: str = field(default_factory=lambda: f"pulltasks-test-{secrets.token_hex(4)}")
    volumes: set[str] = field(default_factory=set)

    def volume(self, name: str, group: int) -> str:
        """A volume as `fsGroup` leaves it."""
        made = f"{self.prefix}-{name}"
        if made not in self.volumes:
            engine("volume", "create", made)
            self.volumes.add(made)
            of_root = ["run", "--rm", "--user", "0", "--entrypoint", "sh", "--volume", f"{made}:/mounted", CLI]
            engine(*of_root, "-c", f"chown 0:{group} /mounted && chmod 2775 /mounted")
        return made

    def options(self, pod: str, container: dict[str, Any]) -> list[str]:
        """The options of `run` that confine a container as its pod says."""
        spec = PODS[pod]["spec"]
        user, confined = spec["securityContext"], container["securityContext"]
        found = ["--network", "host", "--user", f"{user['runAsUser']}:{user['runAsGroup']}"]
        found += ["--read-only"] * confined["readOnlyRootFilesystem"]
        found += ["--security-opt", "no-new-privileges"] * (not confined["allowPrivilegeEscalation"])
        found += [part for each in confined["capabilities"]["drop"] for part in ("--cap-drop", each)]
        kinds = {each["name"]: each for each in spec["volumes"]}
        for mount in container["volumeMounts"]:
            kind = kinds[mount["name"]]
            source = (
                str(self.maps[kind["configMap"]["name"]] / mount.get("subPath", ""))
                if "configMap" in kind
                else self.volume(mount["name"], user["fsGroup"])
            )
            found += ["--volume", f"{source}:{mount['mountPath']}" + ":ro" * mount.get("readOnly", False)]
        keys = {each["name"] for each in container.get("env", [])} or (self.secret if "envFrom" in container else ())
        found += [part for key in sorted(keys) for part in ("--env", f"{key}={self.secret[key]}")]
        if "command" in container:  # what Kubernetes calls a command is the entry point of an engine
            found += ["--entrypoint", container["command"][0]]
        return [*found, container["image"], *container.get("command", [])[1:], *container.get("args", [])]

    def remove(self) -> None:
        for each in self.volumes:
            engine("volume", "rm", each)


@contextmanager
def cluster(folder: Path, **secret: str) -> Iterator[tuple[Cluster, Desk]]:
    sandbox = Sandbox((BEIJING, SINGAPORE))
    with serving(sandbox) as url, ExitStack() as stack:
        maps = {name: folder / name for name in ("pulltasks", "pulltasks-dagster")}
        for each in maps.values():
            each.mkdir()
        write_config(maps["pulltasks"], url, *sandbox.places)
        for file in (DEPLOY / "dagster").glob("[dw]*.yaml"):
            (maps["pulltasks-dagster"] / file.name).write_text(file.read_text())
        keys = {name: os.environ[name] for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK")}
        made = Cluster(maps, keys | secret)
        stack.callback(made.remove)
        yield made, Desk(sandbox, url, folder, sandbox.places)


def of_pod(pod: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in PODS[pod]["spec"]["containers"] if each["name"] == name]
    return found


def test_the_image_of_the_command_line_has_what_it_needs_and_no_more() -> None:
    inside = ["run", "--rm", "--read-only", "--entrypoint"]
    assert engine("run", "--rm", "--read-only", CLI, "--version") == f"pulltasks {version('pulltasks')}\n"
    assert engine(*inside, "rclone", CLI, "version").startswith("rclone ")
    sizes = engine(*inside, "du", CLI, "-sm", "/opt/pulltasks", "/usr/bin/rclone").split()[::2]
    assert sum(map(int, sizes)) <= MOST_MEGABYTES
    there = "import importlib.util as i; print([n for n in {} if i.find_spec(n)])"
    heavy = "('dagster', 'dagster_webserver', 'pandas', 'numpy', 'pip', 'pyarrow.tests')"
    assert engine(*inside, "python", CLI, "-c", there.format(heavy)) == "[]\n"


def test_the_pods_of_the_cronjobs_do_their_work_confined(tmp_path: Path) -> None:
    with cluster(tmp_path) as (made, _):
        snapshot, status = (of_pod(f"pulltasks-{name}", name) for name in ("snapshot", "status"))
        printed = engine("run", "--rm", *made.options("pulltasks-snapshot", snapshot))
        (tasks,) = re.findall(r": 2 of 2 targets complete; (\d+) tasks, ", printed)
        engine("run", "--rm", *made.options("pulltasks-status", status))

        def asked(*arguments: str) -> str:
            return engine("run", "--rm", *made.options("pulltasks-snapshot", snapshot | {"args": [*arguments]}))

        counted = asked("query", "select count(*) as tasks from pull_tasks", "--format", "csv")
        assert counted.split() == ["tasks", tasks]
        assert tasks in asked("dashboard", "--brief")
        said = asked("doctor")
        assert "permissions: secret files are private" in said
        assert said.count("permission live:stream:listPullTask: granted") == 2


def test_the_pod_of_dagster_runs_the_snapshot_confined(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = {"HOST": "127.0.0.1", "USER": "dagster", "PASSWORD": PASSWORD, "DB": "dagster"}
    of_database = {f"DAGSTER_PG_{name}": value for name, value in database.items()}
    with (
        serving_postgres(tmp_path_factory.mktemp("postgres")) as port,
        cluster(tmp_path, **of_database) as (made, desk),
        ExitStack() as stack,
    ):
        instance = made.maps["pulltasks-dagster"] / "dagster.yaml"
        instance.write_text(instance.read_text().replace("port: 5432", f"port: {port}"))
        web, writing = free_port(), free_port()
        for name in ("code", "daemon", "web"):
            container = of_pod("pulltasks-dagster", name)
            places = {"0.0.0.0": "127.0.0.1", "3000": str(web)}
            container = container | {"command": [places.get(part, part) for part in container["command"]]}
            started = f"{made.prefix}-{name}"
            engine("run", "--detach", "--name", started, *made.options("pulltasks-dagster", container))
            stack.callback(engine, "rm", "--force", "--volumes", started)
        wait_for_http(f"http://127.0.0.1:{web}/server_info", made.prefix)
        refused = Services(f"http://127.0.0.1:{web}", desk)
        with pytest.raises(AssertionError, match="UnauthorizedError"):
            refused.launch()
        # As docs/deploy.md starts a run by hand: a second web server, on loopback of the pod.
        by_hand = ["dagster-webserver", "-w", "/etc/dagster/workspace.yaml", "-h", "127.0.0.1", "-p", writing]
        engine("exec", "--detach", f"{made.prefix}-web", *by_hand)
        wait_for_http(f"http://127.0.0.1:{writing}/server_info", made.prefix)
        services = Services(f"http://127.0.0.1:{writing}", desk)
        ended = services.ended(services.launch())
        assert ended["status"] == "SUCCESS", engine("logs", f"{made.prefix}-code")
        status = of_pod("pulltasks-status", "status")
        engine("run", "--rm", *made.options("pulltasks-status", status))


def wait_for_http(url: str, prefix: str, seconds: int = 90) -> None:
    for _ in range(seconds):
        try:
            httpx.get(url, timeout=5).raise_for_status()
        except httpx.HTTPError:
            time.sleep(1)
        else:
            return
    pytest.fail(f"{url} does not answer: " + "".join(engine("logs", f"{prefix}-{name}") for name in ("code", "web")))
