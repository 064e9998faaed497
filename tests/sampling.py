"""Cases of one law: some in every run of the tests, all of them in `make test-all`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def sampled(cases: Iterable[Any], *always: int) -> list[Any]:
    """The cases, of which only those at the places `always` run in `make test`."""
    return [
        case
        if place in always
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
        for place, case in enumerate(cases)
    ]
