"""Lists of targets for people: those that need somebody, by cause and the worst first; the others are counted.

Lives here: names in lists, causes with their remedy, lines that fit a terminal; pure functions.
Does not live here: printing (cli.output), the state of targets (warehouse.read.status), reasons (reasons).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from pulltasks.names import short_id
from pulltasks.outside_text import visible
from pulltasks.reasons import advice_on
from pulltasks.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pulltasks.warehouse.read.status import TargetStatus

# Targets that are named before the rest is counted, and different messages of one cause.
MOST_NAMED = 10
MOST_MESSAGES = 3
# Characters of a project's id: the next number where so many do not tell two targets apart.
_ID_CHARACTERS = (4, 8, 16, 32)
# The id of a request differs each time, so it is removed before sentences are compared.
_REQUEST = re.compile(r", request [^;]*;")
# A blank at which no line is broken.
_FIRM = "\N{NO-BREAK SPACE}"


class Shown(NamedTuple):
    """A target in a list, with its name there and the day of its state; None if no earlier day is known."""

    name: str
    target: TargetStatus
    day: date | None


def as_shown(targets: Sequence[TargetStatus], day: date | None, lake: str | None = None) -> list[Shown]:
    """Return the targets of a lake with short names that tell them apart; of several lakes, after the lake's name."""
    names: dict[tuple[str, str], str] = {}
    left = list(targets)
    for characters in _ID_CHARACTERS:
        known = [(each, _short_name(each, characters)) for each in left]
        counts = Counter(name for _, name in known)
        names |= {each.key: name for each, name in known}
        left = [each for each, name in known if counts[name] > 1]
    prefix = f"{lake}/" if lake else ""
    return [Shown(visible(prefix + names[each.key]), each, day) for each in targets]


def _short_name(target: TargetStatus, characters: int) -> str:
    if target.name and characters == _ID_CHARACTERS[0]:
        return target.name
    project = short_id(*target.key, characters)
    return f"{target.name} ({project})" if target.name else project


def lines_of(shown: Sequence[Shown], width: int, hint: str, *, every: bool = False) -> list[str]:
    """Return the targets as lines of at most `width` columns.

    Args:
        shown: the targets.
        width: columns of the terminal.
        hint: how to list all targets; it stands behind the number of complete ones.
        every: whether to give a line to each target as well.
    """
    ordered = sorted(shown, key=_worst_first)
    causes: defaultdict[tuple[str, str | None], list[Shown]] = defaultdict(list)
    for each in ordered:
        if not each.target.is_complete:
            causes[each.target.coverage, each.target.reason].append(each)
    lines = []
    for (coverage, reason), found in sorted(causes.items(), key=lambda cause: (_last(cause[1][0]), -len(cause[1]))):
        heading = f"{coverage} ({reason})" if reason else coverage
        text, details = _words_of(found, advice_on(reason), is_all=MOST_NAMED < len(found) == len(shown))
        lines += wrapped(f"{heading}{_since(found)}: {text}", width, 2)
        lines += [line for detail in details for line in wrapped(detail, width, 4)]
    if every:
        return [*lines, *_table(ordered, width)]
    if causes and (complete := len(shown) - sum(map(len, causes.values()))):
        lines += wrapped(f"{counted(complete, 'target')} complete ({hint})", width)
    return lines


def _worst_first(shown: Shown) -> tuple[bool, date, str]:
    return (shown.target.is_complete, _last(shown), shown.name)


def _last(shown: Shown) -> date:
    return shown.target.last_complete_date or date.min


def _words_of(found: Sequence[Shown], advice: str, *, is_all: bool) -> tuple[str, list[str]]:
    """Return the sentence on targets with the same cause, and lines with their names.

    If their messages differ, the sentence is the advice, and the lines have what differs.
    """
    messages: defaultdict[str, list[Shown]] = defaultdict(list)
    for each in found:
        text = (each.target.message or advice).replace(f"{each.target.label}: ", "", 1)
        messages[_REQUEST.sub(";", text)].append(each)
    if len(messages) == 1:
        own = (found[0].target.message or advice).removeprefix(f"{found[0].target.label}: ")
        names = f"all {counted(len(found), 'target')}" if is_all else named([each.name for each in found])
        return own if len(found) == 1 else next(iter(messages)), [names]
    largest = sorted(messages.items(), key=lambda message: -len(message[1]))[:MOST_MESSAGES]
    # without the advice, or the advice for this target alone: that is the sentence already
    lines = [
        f"{named([each.name for each in group])}: {text.removesuffix(advice).partition('. ')[0].rstrip('; ')}"
        for text, group in largest
    ]
    rest = len(found) - sum(len(group) for _, group in largest)
    return advice, [*lines, f"and {rest:,} more"] if rest else lines


def _since(found: Sequence[Shown]) -> str:
    """Return since when these targets are not complete, as a part of a sentence; empty if since the day itself."""
    days = [each.day for each in found if each.day]
    if not days:
        return ""
    dates = {each.target.last_complete_date for each in found}
    if None in dates:
        return ", some never complete" if len(dates) > 1 else ", never complete"
    first = _last(found[0]) + timedelta(days=1)
    if all(first >= day for day in days):
        return ""
    return f", not complete since {first}{' or later' if len(dates) > 1 else ''}"


def named(names: Sequence[str]) -> str:
    """Return names separated by commas, in which no line is broken; of very many the first, and a count of the rest."""
    rest = len(names) - MOST_NAMED
    text = ", ".join(name.replace(" ", _FIRM) for name in names[:MOST_NAMED])
    return f"{text} and {rest:,} more" if rest > 0 else text


def _table(ordered: Iterable[Shown], width: int) -> list[str]:
    """Return a line for each target: coverage, reason, number of tasks or last complete date, name."""
    rows = []
    for name, target, _ in ordered:
        last = f"last {target.last_complete_date}" if target.last_complete_date else "never complete"
        count = target.task_count
        known = last if count is None else counted(count, "task")
        rows.append((target.coverage, target.reason or "", known, name))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:3]
    return [
        line
        for row in rows
        for line in wrapped(
            "  ".join([*(f"{cell:{its}}" for cell, its in zip(row, widths, strict=False)), row[3]]), width
        )
    ]


def wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    """Return a text as lines of at most `width` columns, broken between words; wide characters count two.

    Only a word that is longer than a line is broken.
    """
    from rich.cells import cell_len, chop_cells

    room = width - indent
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}"
        if cell_len(longer) - 1 <= room:
            lines[-1] = longer
        else:
            lines += [f" {piece}" for piece in chop_cells(word, room)]
    return [" " * indent + line[1:].replace(_FIRM, " ").rstrip() for line in lines if line]
