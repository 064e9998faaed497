"""What lies in deploy/, read for its tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parent.parent / "deploy"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def manifests() -> list[dict[str, Any]]:
    """Every object of Kubernetes, as it is written."""
    files = sorted((DEPLOY / "kubernetes").glob("*/*.yaml"))
    found = [each for file in files for each in documents(str(file.relative_to(DEPLOY)))]
    return [each for each in found if each["kind"] != "Kustomization"]


def pod_of(manifest: dict[str, Any]) -> dict[str, Any] | None:
    """The template of the pods that an object makes, with its `metadata` and `spec`; None for any other object."""
    spec = manifest.get("spec", {})
    return spec.get("jobTemplate", {}).get("spec", spec).get("template")


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object that makes pods, by name, with the template of its pods."""
    for each in manifests():
        if template := pod_of(each):
            yield each["metadata"]["name"], template


def arguments(unit: str) -> list[str]:
    """What a unit gives to pulltasks."""
    text = (DEPLOY / "systemd" / unit).read_text(encoding="utf-8")
    return re.findall(r"^ExecStart=/srv/pulltasks/.venv/bin/pulltasks (.+)$", text, re.MULTILINE)[0].split()
