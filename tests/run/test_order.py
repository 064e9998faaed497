"""Which steps a run has, and whether another attempt may help."""

from __future__ import annotations

import pytest

from desk import BEIJING
from pulltasks.capture.day import CaptureResult
from pulltasks.run.order import may_try_again
from pulltasks.settings import Target


@pytest.mark.parametrize(
    ("reasons", "may_try"),
    [
        ((), False),
        (("forbidden", "raw_not_written"), False),
        (("throttled", "forbidden"), True),
        (("pages_not_joined",), True),
        (("throttled", "credential_refused"), False),
    ],
)
def test_another_attempt_is_made_for_what_may_pass_and_never_beside_a_refused_credential(
    reasons: tuple[str, ...], may_try: bool
) -> None:
    target = Target(project_id=BEIJING.project_id, region=BEIJING.region)
    captures = [CaptureResult(target, "failed", reason, None, 0, 1) for reason in reasons]
    stands = CaptureResult(target, "complete", None, None, 5, 0, is_new=False)
    assert may_try_again([*captures, stands]) == may_try
