"""`pulltasks sandbox`: the server in the foreground, with a configuration for it printed first.

Lives here: made-up project ids, parsing faults of the command line, the greeting.
Does not live here: the server itself.
"""

from __future__ import annotations

from datetime import date

from pulltasks.errors import UsageError
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.data import Place
from pulltasks.sandbox.server import FAULTS, Fault, Sandbox, loopback_socket, server_for

REGIONS = ("cn-north-4", "cn-east-3", "ap-southeast-3")
_NAMES = ("event-beijing", "event-shanghai", "event-singapore")


def project_id_of(number: int) -> str:
    """Return the id of the n-th made-up project, 32 hexadecimal characters."""
    return f"{number:04x}" * 8


def places_of(projects: int, tasks: int) -> tuple[Place, ...]:
    """Return made-up projects in turns over some regions.

    Args:
        projects: number of projects.
        tasks: approximate number of tasks per project.
    """
    return tuple(
        Place(project_id_of(n + 1), REGIONS[n % len(REGIONS)], tasks, name=REGIONS[n % len(REGIONS)])
        for n in range(projects)
    )


def targets_toml(places: tuple[Place, ...]) -> str:
    """Return the `[[targets]]` tables of a configuration for made-up projects."""
    return "\n".join(
        f'[[targets]]\nproject_id = "{place.project_id}"\nregion = "{place.region}"\n'
        f'name = "{_NAMES[n] if n < len(_NAMES) else f"project-{n + 1}"}"\n'
        for n, place in enumerate(places)
    )


def read_fault(text: str) -> tuple[tuple[str, date | None], Fault]:
    """Parse `PROJECT_ID[@DATE]=FAULT` into an entry of `Sandbox.faults`.

    Raises:
        UsageError: when it is not of that form.
    """
    where, _, fault = text.rpartition("=")
    project_id, at, day = where.partition("@")
    if fault not in FAULTS or not project_id:
        raise UsageError(f"--fault {text}: write PROJECT_ID[@DATE]=FAULT; faults are {', '.join(FAULTS)}")
    try:
        return (project_id, date.fromisoformat(day) if at else None), fault
    except ValueError:
        raise UsageError(f"--fault {text}: {day!r} is not a valid date") from None


def serve(port: int, seed: int, projects: int, tasks: int, faults: list[str], latency_ms: int = 0) -> None:
    """Print how to use the sandbox, then serve until interrupted.

    Raises:
        UsageError: when a fault or the port cannot be used.
    """
    places = places_of(projects, tasks)
    found = dict(read_fault(text) for text in faults)
    served = {place.project_id for place in places}
    if strange := [project_id for project_id, _ in found if project_id not in served]:
        known = ", ".join(sorted(served)[:20])
        raise UsageError(f"--fault {strange[0]}: the sandbox has no such project; it has {known}")
    sandbox = Sandbox(places, seed=seed, faults=found, latency_seconds=latency_ms / 1000)
    try:
        listener = loopback_socket(port)
    except OSError as error:
        raise UsageError(f"--port {port}: {error.strerror}; take another, or 0 for a free one") from None
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    key = AccessKey()
    print(  # noqa: T201 - the greeting is what the verb is for
        f"""sandbox at {url}; made-up data, nothing leaves this machine. Stop it with Ctrl-C.

# pulltasks.toml
[api]
endpoint = "{url}"
iam_endpoint = "{url}"
requests_per_second = 100

[dashboard]
enabled = true

{targets_toml(places)}
# in the shell that runs pulltasks
export HUAWEICLOUD_SDK_AK={key.ak} HUAWEICLOUD_SDK_SK={key.sk}
""",
        flush=True,
    )
    server_for(sandbox).run(sockets=[listener])
