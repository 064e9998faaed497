"""Colours are told apart by everybody, in the light and in the dark."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from pulltasks.dashboard.render import PAGE

STYLE = (PAGE / "page.css").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^:root(?:\[data-theme=\"dark\"\])? \{(.*?)^\}", STYLE, re.MULTILINE | re.DOTALL)
LIGHT = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", BLOCKS[0]))
SCHEMES = {"light": LIGHT, "dark": LIGHT | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", BLOCKS[1]))}
STATUSES = ("enable", "wait", "suspend", "finish")
WORDS = (*STATUSES, *(f"other-{n}" for n in range(1, 7)), "rest", "none")
# Linear light of somebody without one kind of cones (Machado, Oliveira and Fernandes, 2009).
BLINDNESS = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}


def linear(colour: str) -> list[float]:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as the rules of accessibility count it."""
    light, dark = sorted(
        (sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True)) for colour in (one, other)),
        reverse=True,
    )
    return (light + 0.05) / (dark + 0.05)


def seen(colour: str, blindness: str) -> tuple[float, float, float]:
    """Return a colour in Oklab, as somebody sees it."""
    rgb = [max(0.0, sum(m * c for m, c in zip(row, linear(colour), strict=True))) for row in BLINDNESS[blindness]]
    to_cones = (
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    )
    cones = [sum(m * c for m, c in zip(row, rgb, strict=True)) ** (1 / 3) for row in to_cones]
    to_lab = (
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    )
    light, a, b = (sum(m * c for m, c in zip(row, cones, strict=True)) for row in to_lab)
    return light, a, b


@pytest.mark.parametrize("scheme", SCHEMES)
def test_texts_can_be_read(scheme: str) -> None:
    colours = SCHEMES[scheme]
    pairs = [(text, ground) for text in ("ink", "soft", "accent", "bad") for ground in ("ground", "card")]
    pairs += [(tone, f"{tone}-ground") for tone in ("good", "late", "bad")]
    pairs += [("ink", "heat"), *(("on-mark", mark) for mark in ("complete", "partly", "failed", "missing"))]
    assert {pair: ratio for pair in pairs if (ratio := contrast(*(colours[name] for name in pair))) < 4.5} == {}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_marks_stand_out_from_the_ground(scheme: str) -> None:
    colours = SCHEMES[scheme]
    assert {word: ratio for word in WORDS if (ratio := contrast(colours[word], colours["ground"])) < 3} == {}


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_known_statuses_are_told_apart_whatever_colours_somebody_sees(scheme: str, blindness: str) -> None:
    shown = {status: seen(SCHEMES[scheme][status], blindness) for status in STATUSES}
    for one, other in combinations(STATUSES, 2):
        distance = sum((a - b) ** 2 for a, b in zip(shown[one], shown[other], strict=True)) ** 0.5
        assert distance > 0.1, (one, other, distance)
