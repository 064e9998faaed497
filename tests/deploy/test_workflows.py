"""The workflows call what the Makefile has, on the Pythons that the package names."""

from __future__ import annotations

import re
import tomllib

import yaml

from deployed import DEPLOY

ROOT = DEPLOY.parent
WORKFLOWS = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml")}
MADE = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_each_target_that_a_workflow_calls_exists() -> None:
    matrix = yaml.safe_load(WORKFLOWS["test"])["jobs"]["test"]["strategy"]["matrix"]
    called = {*matrix["target"], *(each["target"] for each in matrix["include"])}
    for text in WORKFLOWS.values():
        called |= {
            name for line in re.findall(r"(?:run:|^ +)\s*make ([a-z -]+)", text, re.MULTILINE) for name in line.split()
        }
    assert called >= {"test", "test-browser", "test-compat", "test-deploy", "image", "test-image", "wheel"}
    assert called <= MADE


def test_the_pythons_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {found[1] for each in project["classifiers"] if (found := re.fullmatch(r".*Python :: (3\.\d+)", each))}
    assert set(yaml.safe_load(WORKFLOWS["test"])["jobs"]["test"]["strategy"]["matrix"]["python"]) == named


def test_an_action_of_somebody_else_is_pinned_by_its_hash() -> None:
    for text in WORKFLOWS.values():
        for used in re.findall(r"uses: (?!\./)(\S+)", text):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", used)
