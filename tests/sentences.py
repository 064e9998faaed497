"""What is wrong with a sentence, whatever it is about; no test by itself."""

from __future__ import annotations

import re

NOUN = (
    "alarm|column|day|error|file|gap|hour|kind|lake|minute|mistake|page|request|response|row|source|target|task|trouble"
)
NUMBER = r"(?<![\w.,:/+-])(?P<number>\d[\d,]*)(?![\w.:/-])"
# "1 other task", "2 more tasks"; "1 of 3 targets" is about 3
COUNTED = re.compile(
    rf"{NUMBER} (?:(?:more|other|raw|whole) )?(?:{NOUN})(?P<many>s?)\b(?: (?P<verb>is|are|has|have|was|were|\w+es)\b)?"
)
ALONE = re.compile(rf"{NUMBER} (?:are|have|were)\b")
UNKNOWN = re.compile(r"\b(?:None(?![.] |[.]?$| among| of)|nan|NaN|null(?! in a list)|undefined|NaT)\b|\{\w*\}|\(\)|: ;")
# what a reader's query or a field of the service may say
QUOTED = re.compile(r"`[^`]*`|\ba 200 response\b|\bfrom \w+ as task where .*")
FULL_WIDTH = re.compile(
    "[\N{IDEOGRAPHIC COMMA}\N{IDEOGRAPHIC FULL STOP}\N{FULLWIDTH EXCLAMATION MARK}-\N{FULLWIDTH TILDE}]"
)
HAN = "\u4e00-\u9fff"
# a sign of a sentence beside a Chinese character; one within a name, an address or a number is none
HALF_WIDTH = re.compile(
    rf"[{HAN}}}] ?[,.;:!?()]|[,;:!?()] ?[{HAN}]|[\N{{IDEOGRAPHIC FULL STOP}}\N{{FULLWIDTH COMMA}}] "
)


def faults_of(text: str) -> list[str]:
    """Return what is wrong in an English text: one and many, and values that are not known."""
    words = QUOTED.sub("it", text)
    found = [each[0] for each in UNKNOWN.finditer(words)]
    for each in COUNTED.finditer(words):
        is_one = each["number"] == "1"
        verb = each["verb"]
        fits = verb is None or (verb in {"is", "has", "was"} or verb.endswith("es")) == is_one
        if is_one == bool(each["many"]) or not fits:
            found.append(each[0])
    return found + [each[0] for each in ALONE.finditer(words) if each["number"] == "1"]


def faults_of_punctuation(text: str, language: str) -> list[str]:
    """Return the signs that belong to another language."""
    return (FULL_WIDTH if language == "en" else HALF_WIDTH).findall(QUOTED.sub("", text))
