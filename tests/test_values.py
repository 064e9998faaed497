"""Values of settings: how each kind is written, and what is wrong with one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pulltasks import values


def read(kind: object, value: object) -> object:
    return TypeAdapter(kind).validate_python(value)


@given(st.integers(0, 10_000), st.sampled_from(["minutes", "hours", "days"]))
def test_a_duration_is_what_people_write(count: int, unit: str) -> None:
    assert values.duration(f"{count}{unit[0]}") == timedelta(**{unit: count})


@pytest.mark.parametrize(
    "root",
    [
        "$HOME/lake",
        "${HOME}/lake",
        "/data/$LAKE",
        "$(pwd)/lake",
        "`pwd`/lake",
        "%HOME%/lake",
        "~nobody-of-this-name/lake",
        "data/~/lake",
        "s3://bucket/lake",
        "file:///data/lake",
    ],
)
def test_a_root_that_only_a_shell_would_expand_is_a_mistake(root: str) -> None:
    with pytest.raises(ValidationError, match=r"is not expanded here|is an address"):
        read(values.Root, root)


@pytest.mark.parametrize("root", ["lake", "/data/lake~", "a~b/c", "50%/lake", "~/lake", "~"])
def test_other_roots_are_taken_as_they_are(root: str) -> None:
    assert read(values.Root, root) == Path(root)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (values.Endpoint, ["https://live.{region}.example.com", "http://127.0.0.1:9"], ["https://h:x", "http://h", "https://h?q"]),
        (values.StoreEndpoint, ["https://obs.example.com", "http://s3.localhost:9"], ["http://h", "https://u@h", "https://h/x"]),
        (values.PlaceUrl, ["s3://bucket/a/b", "/folder", "folder"], ["s3://b", "s3://Bucket", "https://h", " "]),
        (values.Remote, ["name:", "my remote:path/x"], ["name", ":path", "name:a\nb"]),
        (values.Memory, ["800MB", "2 GB"], ["0MB", "2", "2TB"]),
        (values.ProjectId, ["0" * 32], ["0" * 31, "G" * 32, "0" * 32 + "\n"]),
        (values.Region, ["cn-north-4", "my-kualalumpur-1"], ["Beijing", "cn", "cn-north-4\n"]),
        (values.Zone, ["UTC", "Asia/Shanghai"], ["Mars/Base", "../UTC", ""]),
    ],
)  # fmt: skip
def test_each_kind_takes_its_form_and_no_other(kind: object, good: list[str], bad: list[str]) -> None:
    assert [read(kind, each) for each in good] == good
    for each in bad:
        with pytest.raises(ValidationError):
            read(kind, each)
