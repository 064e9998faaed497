"""The names of targets and regions.

Lives here: the form of a region's name, the name of a target in messages.
Does not live here: the targets themselves (settings).
"""

from __future__ import annotations

# As Huawei Cloud names its regions: cn-north-4, ap-southeast-3, my-kualalumpur-1.
REGION_PATTERN = r"[a-z]{2}(-[a-z0-9]+)+-[0-9]+"


def target_label(project_id: str, region: str, name: str | None) -> str:
    """Return the name of a target in messages: `name (project_id/region)`, or `project_id/region` without a name."""
    target_id = f"{project_id}/{region}"
    return f"{name} ({target_id})" if name else target_id
