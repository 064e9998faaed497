"""What several verbs share."""

from __future__ import annotations

import pytest

from desk import Desk


@pytest.mark.parametrize("text", ["26", "h", "-1h", "1w", "1.5h"])
def test_an_age_that_is_none_is_refused(desk: Desk, command, text: str) -> None:
    code, _, err = command("status", "--config", desk.config_file, "--max-age", text)
    assert (code, f"{text!r} is not a valid duration" in err) == (2, True)
