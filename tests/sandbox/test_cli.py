"""`pulltasks sandbox`: faults as they are written on the command line."""

from __future__ import annotations

import pytest

from pulltasks.errors import UsageError
from pulltasks.sandbox.cli import project_id_of, read_fault, serve


def test_a_fault_for_a_project_that_is_not_served_is_refused() -> None:
    with pytest.raises(UsageError, match=f"--fault nobody: the sandbox has no such project; it has {project_id_of(1)}"):
        serve(0, 1, 2, 5, ["nobody=forbidden"])


@pytest.mark.parametrize("text", ["x", "x=nothing", "=forbidden", "x@soon=forbidden"])
def test_a_fault_that_cannot_be_read_is_no_mistake_in_a_configuration(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_fault(text)
    assert "configuration" not in str(caught.value)
