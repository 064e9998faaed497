"""The page as one file: the template, the style, the script, the words and the contents, under a strict policy.

Lives here: assembling them; nothing else is loaded, and only the script whose hash is in the policy runs.
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

from pulltasks.dashboard.verdict import verdict_of
from pulltasks.words import read_words, say

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("words.js", "table.js", "numbers.js", "marks.js", "lives.js", "overview.js", "page.js")
# The views that the contents lead to; the life of a task or a target is reached from these.
VIEWS = ("overview", "tasks", "changes", "conflicts", "schedule", "coverage")


def render(contents: dict[str, Any]) -> bytes:
    """Return the page as UTF-8, from the result of `read_contents`."""
    scripts = "\n".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = _inline(f'"use strict";\n{scripts}')
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
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(style),  # noqa: S704 - the project's own file
        script=Markup(script),  # noqa: S704 - the project's own files
        packed=base64.b64encode(packed).decode(),
        verdict=verdict_of(contents),
        views=VIEWS,
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


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
