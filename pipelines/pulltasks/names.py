"""The names of targets, regions and lakes.

Lives here: the form of the names of regions and lakes, the name of a target in messages and in lists.
Does not live here: the targets themselves (settings).
"""

from __future__ import annotations

import re

# As Huawei Cloud names its regions: cn-north-4, ap-southeast-3, my-kualalumpur-1.
REGION_PATTERN = r"[a-z]{2}(-[a-z0-9]+)+-[0-9]+"
_ID = rf"[0-9a-f]{{28}}(?P<end>[0-9a-f]{{4}})/(?P<region>{REGION_PATTERN})"


def lake_name(text: str) -> str:
    """Return a lake's name, or raise ValueError; file systems may not tell capital letters from small ones."""
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,40}", text):
        raise ValueError(
            f"{text!r} cannot be a lake's name: small letters, digits, - and _, a letter first, at most 41"
        )
    return text


def target_label(project_id: str, region: str, name: str | None) -> str:
    """Return the name of a target in messages: `name (project_id/region)`, or `project_id/region` without a name."""
    target_id = f"{project_id}/{region}"
    return f"{name} ({target_id})" if name else target_id


def short_id(project_id: str, region: str, characters: int = 4) -> str:
    """Return an id for lists: `…b550 · cn-east-3`, with the last characters of the project's id."""
    return f"…{project_id[-characters:]} · {region}"


def without_ids(message: str) -> str:
    """Return a message in which a target has its name alone, or its short id where it has no name."""
    return re.sub(_ID, r"…\g<end> · \g<region>", re.sub(rf" \({_ID}\)", "", message))
