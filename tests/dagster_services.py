"""Dagster's services, as a user of them, and a PostgreSQL of their own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from desk import Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
PASSWORD = "of-the-test-alone"
LAUNCH = """
mutation ($day: String!, $location: String!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: $location, repositoryName: "__repository__", jobName: "daily_snapshot"}
    runConfigData: "{}"
    executionMetadata: {tags: [{key: "dagster/partition", value: $day}]}
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""
RUN = """
query ($id: ID!) { runOrError(runId: $id) { ... on Run {
  status startTime endTime tags { key value }
  eventConnection(limit: 1000) { events { ... on MessageEvent { message } } }
} } }
"""


def free_port() -> int:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return each.getsockname()[1]


def wait_for(place: int | Path, seconds: int = 60) -> None:
    """Wait until a service listens on a port of this machine, or on a socket."""
    of_path = isinstance(place, Path)
    for _ in range(seconds * 5):
        with socket.socket(socket.AF_UNIX if of_path else socket.AF_INET) as caller:
            if caller.connect_ex(str(place) if of_path else ("127.0.0.1", place)) == 0:
                return
        time.sleep(0.2)
    pytest.fail(f"nothing listens on {place} after {seconds} s")


def as_postgres(*command: object) -> list[str]:
    """PostgreSQL does not start as root."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return [*prefix, *map(str, command)]


@dataclass
class Services:
    """What a user of the web server does."""

    web: str
    desk: Desk
    lose_code_server: Callable[[], None] = field(default=lambda: None)  # kills it with all its runs, starts it again

    def ask(self, query: str, **variables: str) -> Any:
        answer = httpx.post(f"{self.web}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def launch(self, location: str = "pulltasks") -> str:
        day = str(datetime.now(UTC).date())
        found = self.ask(LAUNCH, day=day, location=location)["launchRun"]
        assert found["__typename"] == "LaunchRunSuccess", found
        return found["run"]["runId"]

    def run(self, run_id: str) -> dict[str, Any]:
        return self.ask(RUN, id=run_id)["runOrError"]

    def ended(self, run_id: str, seconds: int = 180) -> dict[str, Any]:
        return self.once(run_id, {"SUCCESS", "FAILURE", "CANCELED"}, seconds)

    def once(self, run_id: str, statuses: set[str], seconds: int = 180) -> dict[str, Any]:
        """The run as soon as it has one of some statuses."""
        for _ in range(seconds):
            found = self.run(run_id)
            if found["status"] in statuses:
                return found
            time.sleep(1)
        pytest.fail(f"{run_id} is {found['status']} after {seconds} s")

    def pid_of(self, run_id: str, seconds: int = 60) -> int:
        """The process that a run runs in, once it has one."""
        for _ in range(seconds * 2):
            for event in self.run(run_id)["eventConnection"]["events"]:
                if found := re.search(r"\(pid: (\d+)\)", event.get("message") or ""):
                    return int(found[1])
            time.sleep(0.5)
        pytest.fail(f"{run_id} has no process after {seconds} s")


@contextmanager
def serving_postgres(folder: Path) -> Iterator[int]:
    """The port of a PostgreSQL of its own with a database `dagster`."""
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)
    data = folder / "data"
    secret = folder / "password"
    secret.write_text(PASSWORD)
    data.mkdir()
    if os.geteuid() == 0:
        for each in (data, secret):
            shutil.chown(each, "postgres")
    port = free_port()
    options = ["-D", data, "-U", "dagster", "--auth=scram-sha-256", f"--pwfile={secret}"]
    subprocess.run(as_postgres(POSTGRES / "initdb", *options), check=True, capture_output=True, cwd="/")
    server = subprocess.Popen(
        as_postgres(POSTGRES / "postgres", "-D", data, "-p", port, "-k", data, "-c", "listen_addresses=127.0.0.1"),
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        time.sleep(1)
        environment = os.environ | {"PGPASSWORD": PASSWORD}
        command = [POSTGRES / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "dagster", "dagster"]
        subprocess.run(command, env=environment, check=True, capture_output=True, cwd="/")
        yield port
    finally:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGINT)
        server.wait(30)
