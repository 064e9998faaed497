"""How targets and regions are called.

Lives here: the form of a region's name, the name of a target in messages.
Does not live here: which targets there are (settings).
"""

from __future__ import annotations

# As Huawei Cloud names its regions: cn-north-4, ap-southeast-3, my-kualalumpur-1.
REGION_PATTERN = r"[a-z]{2}(-[a-z0-9]+)+-[0-9]+"


def target_label(project_id: str, region: str, name: str | None) -> str:
    """`project_id/region`, with the name where there is one: how messages call a target."""
    place = f"{project_id}/{region}"
    return f"{name} ({place})" if name else place
