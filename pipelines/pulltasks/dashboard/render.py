"""The page as one file: the template, the style, the scripts, the words and the contents, under a strict policy.

Lives here: assembling them; nothing else is loaded, and only the two scripts whose hashes are in the policy run.
Does not live here: the data of the page (contents), its look and behaviour (page/).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pulltasks.words import read_words, say

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("words.js", "table.js", "charts.js", "days.js", "tonight.js", "lives.js", "brief.js", "page.js")
PARTS = ("now", "tasks", "changes", "conflicts", "tonight", "sources", "coverage", "quality")


def render(contents: dict[str, Any], chart_library: str) -> bytes:
    """Return the page as UTF-8.

    Args:
        contents: the result of `read_contents`.
        chart_library: a script that defines `vegaEmbed`.
    """
    script = "\n".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    texts = [_inline(text) for text in (chart_library, f'"use strict";\n{script}')]
    style = (PAGE / "page.css").read_text(encoding="utf-8")
    content = msgspec.json.encode({**contents, "words": read_words()})
    # Level 9 takes three times as long for 4 % less; without a time, equal contents give equal pages.
    packed = gzip.compress(content, 6, mtime=0)
    # StrictUndefined: a misspelt name in the template must be an error, not an empty place.
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["text"] = lambda key, **values: say("en", key, values)
    environment.globals["say"] = lambda key, **values: _translatable(key, values)
    environment.globals["reason"] = _reason
    page = environment.get_template("page.html.j2").render(
        policy=_policy(texts, style),
        style=Markup(style),  # noqa: S704 - the project's own file
        scripts=[Markup(text) for text in texts],  # noqa: S704 - the project's own files, and the library
        packed=base64.b64encode(packed).decode(),
        build=contents["build"],
        newest_complete=contents["newest_complete"],
        targets=[target for target in contents["targets"] if target["is_expected"]],
        tables=contents["tables"],
        parts=PARTS,
    )
    return page.encode()


def _translatable(key: str, values: dict[str, object]) -> Markup:
    """Return a text in English, with the key and values by which the page can translate it."""
    text = say("en", key, values)
    arguments = msgspec.json.encode(values).decode()
    return Markup('<span data-say="{}" data-values="{}">{}</span>').format(key, arguments, text)


def _reason(name: str) -> Markup | str:
    """Return the text of a reason, or its name if there is no text for it."""
    return _translatable(f"reason.{name}", {}) if f"reason.{name}" in read_words() else name


def _inline(script: str) -> str:
    """Return a script that may be inlined: nothing in it looks like its end or a comment of HTML."""
    return script.replace("\r\n", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _policy(scripts: list[str], style: str) -> str:
    hashes = " ".join(_hash(script) for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
