"""Gives the wheel its long description and its addresses, when it is built with PULLTASKS_URL.

An index of packages shows the README without this repository, so each link in it must lead to the repository's address.
That is known where the wheel is released (.github/workflows/release.yml) and written nowhere else.
"""

import os
import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

# A link or a picture of Markdown whose target is a file of this repository.
RELATIVE = re.compile(r"(!?)(\[[^\]]*\])\((?!\w+:|#)([^)]+)\)")


class Addresses(MetadataHookInterface):
    """Fills what pyproject.toml calls dynamic."""

    def update(self, metadata: dict) -> None:
        """Add `readme` and, with an address, `urls`."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        if address := os.environ.get("PULLTASKS_URL", "").rstrip("/"):
            tag = f"v{metadata['version']}"
            places = {"": f"{address}/blob/{tag}/", "!": f"{address}/raw/{tag}/"}
            text = RELATIVE.sub(lambda found: f"{found[1]}{found[2]}({places[found[1]]}{found[3]})", text)
            metadata["urls"] = {
                "Homepage": address,
                "Documentation": f"{address}/tree/{tag}/docs",
                "Changelog": f"{address}/blob/{tag}/CHANGELOG.md",
                "Issues": f"{address}/issues",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
