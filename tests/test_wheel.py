"""The built wheel works by itself, and puts nothing but its two packages beside others."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from desk import BEIJING, write_config
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.warehouse.build.template import prepared_file
from pulltasks.warehouse.sql.models import load_models

ROOT = Path(__file__).parent.parent


def build(folder: Path, **variables: str) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


def metadata(wheel: Path) -> Message:
    (name,) = [each for each in zipfile.ZipFile(wheel).namelist() if each.endswith(".dist-info/METADATA")]
    return message_from_bytes(zipfile.ZipFile(wheel).read(name))


def test_the_wheel_holds_two_packages_with_their_sql_and_page(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name.startswith("pulltasks-0.2.0-py3")
    assert {name.split("/")[0] for name in names} == {"pulltasks", "pulltasks_dagster", "pulltasks-0.2.0.dist-info"}
    for folder in ("pipelines/pulltasks", "assets/pulltasks_dagster"):
        kept = [path.relative_to(ROOT / folder).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert {f"{Path(folder).name}/{name}" for name in kept if "__pycache__" not in name} <= set(names)
    sql = {f"pulltasks/sql/{path.relative_to(ROOT / 'sql').as_posix()}" for path in (ROOT / "sql").rglob("*.sql")}
    assert sql | {"pulltasks/sql/reads.json"} <= set(names)
    assert f"pulltasks/sql/{prepared_file(load_models()).name}" in names


def test_a_released_wheel_leads_to_the_repository_with_every_link(tmp_path: Path) -> None:
    address = "https://code.example/team/pulltasks"
    found = metadata(build(tmp_path, PULLTASKS_URL=f"{address}/"))
    assert {each.partition(", ")[0] for each in found.get_all("Project-URL", [])} == {
        "Homepage", "Documentation", "Changelog", "Issues",
    }  # fmt: skip
    text = found.get_payload()
    links = re.findall(r"\]\(([^)]+)\)", text)
    own = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(links) == len(own)
    for link, original in zip(links, own, strict=True):
        assert link == original or re.fullmatch(
            rf"{address}/(blob|raw)/v{found['Version']}/{re.escape(original)}", link
        )
        assert link.startswith(("https://", "#"))
    assert "/raw/" in next(link for link in links if link.endswith(".png"))


def test_a_wheel_names_no_licence_and_no_address_that_nobody_gave(wheel: Path) -> None:
    """The owner has not chosen a licence; the README says so."""
    found = metadata(wheel)
    assert not {"License", "License-Expression", "License-File", "Project-URL", "Author"} & set(found.keys())
    assert "licence" in found.get_payload().lower()
    assert not list(ROOT.glob("LICEN[CS]E*"))


def test_dagster_and_pandas_are_extras(wheel: Path) -> None:
    needed = [each for each in metadata(wheel).get_all("Requires-Dist") if "extra ==" not in each]
    names = {re.match(r"[\w-]+", each)[0] for each in needed}
    assert {"duckdb", "httpx", "pyarrow"} <= names
    assert not {"dagster", "dagster-webserver", "pandas"} & names


def pins(lock: str) -> dict[tuple[str, str], str]:
    """The versions of a lock file by name and marker."""
    found = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)(?: ; (.+?))? \\$", (ROOT / lock).read_text(), re.MULTILINE)
    return {(name, marker): version for name, version, marker in found}


def test_what_is_deployed_is_what_is_tested() -> None:
    tested = pins("requirements.lock")
    for lock in ("deploy/requirements-cli.lock", "deploy/requirements-dagster.lock"):
        deployed = pins(lock)
        assert len(deployed) > 40
        assert {key: tested[key] for key in deployed if key in tested} == {
            key: version for key, version in deployed.items() if key in tested
        }
    assert not {"dagster", "pandas", "numpy"} & {name for name, _ in pins("deploy/requirements-cli.lock")}


def test_what_the_wheel_holds_works_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    installed, folder = tmp_path / "installed", tmp_path / "empty"
    zipfile.ZipFile(wheel).extractall(installed)
    folder.mkdir()
    variables = {**os.environ, "PYTHONPATH": str(installed), "DAGSTER_HOME": str(tmp_path)}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-c", "from pulltasks.cli.main import command; command()", *arguments]
        ended = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    where = "import pulltasks.sql_files as it, pulltasks_dagster as too; print(it.sql_folder(), too.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert found.stdout.split() == [str(installed / "pulltasks/sql"), str(installed / "pulltasks_dagster/__init__.py")]
    assert run("--version") == "pulltasks 0.2.0\n"
    with serving(Sandbox((BEIJING,))) as url:
        write_config(folder, url, BEIJING)
        assert "beijing" in run("doctor")
        assert "1 of 1 target complete" in run("snapshot")
    query = "select count(*) > 200 as is_there from dim_pull_tasks"
    assert run("query", query, "--format", "csv").split() == ["is_there", "true"]
    load = "from pulltasks_dagster.definitions import build_defs; print(build_defs().resolve_job_def('daily_snapshot').name)"
    loaded = subprocess.run(
        [sys.executable, "-c", load], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert loaded.stdout == "daily_snapshot\n", loaded.stderr
