"""`pulltasks doctor`, the part that looks at the lake's mirror: whether it can be written, how it keeps its promises.

Lives here: what to look at, and one line of advice for each trouble; a probe is put and removed, nothing else changed.
Does not live here: reading all of it (mirror.verify), printing (cli.output).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulltasks.doctor.targets import Finding, Report
from pulltasks.errors import ConfigError, LakeError
from pulltasks.lake.lake import Lake
from pulltasks.mirror.heads import newest_seq, read_head
from pulltasks.mirror.state import read_state
from pulltasks.mirror.store import Store
from pulltasks.mirror.verify import reads_conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from pulltasks.settings import Settings


def examine_mirror(settings: Settings, now: Callable[[], datetime], probe: str) -> Report:
    """Look at the mirror; no secret is in the report.

    Args:
        settings: where it is.
        now: the time.
        probe: a name that nobody else has, for the object that is put and removed.
    """
    findings: list[Finding] = []
    try:
        findings += _findings(settings, now, probe)
    except (LakeError, ConfigError) as error:
        findings.append(Finding("mirror", "cannot be used", str(error)))
    return Report("mirror", tuple(findings))


def _findings(settings: Settings, now: Callable[[], datetime], probe: str) -> Iterator[Finding]:
    mirror, lake = settings.lake.mirror, Lake(settings.lake.root)
    assert mirror.url  # noqa: S101 - the caller asks only where there is one
    store = Store(mirror.url, settings, now)
    newest, state = newest_seq(store), read_state(lake)
    if not newest:
        yield Finding("version", f"none yet in {mirror.url}; the next run puts the first one")
    else:
        head = read_head(store, newest)
        made = f", made {head.made_at:%Y-%m-%d %H:%M} UTC" if head.made_at else ""
        is_ours = state is not None and (state.lake_id, state.seq) == (head.lake_id, newest)
        advice = None if is_ours else "restore into an empty root (pulltasks lake restore), or name another prefix"
        yield Finding("version", f"{newest}{made}" + ("" if is_ours else "; this lake does not stand on it"), advice)
    if reads_conditions(store, probe):
        yield Finding("one writer", "the store refuses a second object of one name")
    else:
        advice = "let one scheduler run this lake, and no second one"
        yield Finding("one writer", "the store ignores If-None-Match: two runs may put one version", advice)
    if mirror.with_key:
        yield Finding("redaction key", "in the mirror as well (lake.mirror.with_key): whoever reads it knows the key")
    else:
        yield Finding("redaction key", f"not in the mirror: keep a copy of {lake.redaction_key} somewhere else too")
