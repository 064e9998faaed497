"""The page as one file: the template, the style, the scripts, the words and the contents, under a strict policy.

Lives here: putting them together; nothing else is loaded, no script runs but the two whose hashes are named.
Does not live here: what the page holds (contents), what it looks like and does (page/).
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
    """The page as UTF-8.

    Args:
        contents: what `read_contents` gave.
        chart_library: a script that defines `vegaEmbed`.
    """
    script = "\n".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    texts = [_inline(text) for text in (chart_library, f'"use strict";\n{script}')]
    style = (PAGE / "page.css").read_text(encoding="utf-8")
    content = msgspec.json.encode({**contents, "words": read_words()})
    packed = gzip.compress(content, 6, mtime=0)  # 9 takes three times the time for 4 % less
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["text"] = lambda key, **values: say("en", key, values)
    environment.globals["say"] = lambda key, **values: _said(key, values)
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


def _said(key: str, values: dict[str, object]) -> Markup:
    """A text in English that the page can say in another language."""
    text = say("en", key, values)
    arguments = msgspec.json.encode(values).decode()
    return Markup('<span data-say="{}" data-values="{}">{}</span>').format(key, arguments, text)


def _reason(name: str) -> Markup | str:
    """A reason in words where there are any for it."""
    return _said(f"reason.{name}", {}) if f"reason.{name}" in read_words() else name


def _inline(script: str) -> str:
    """A script as it may stand in a page, where nothing but its end may look like its end."""
    return script.replace("\r\n", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _policy(scripts: list[str], style: str) -> str:
    hashes = " ".join(_hash(script) for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
