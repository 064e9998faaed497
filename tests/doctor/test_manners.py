"""What an answer proves is learnt; whatever else it may mean stays unknown, with the reason; no text of it is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mannered import TARGET, UNKNOWN_ID, Service, asked, listed, refused, said
from pulltasks.doctor.manners import HIDDEN, MAX_NAMES, Question, judge, later_queries
from pulltasks.doctor.probe import ProbedTarget, report_of
from pulltasks.doctor.targets import report_for_maintainers
from pulltasks.huawei.pull_tasks import MAX_ID_CHARACTERS
from pulltasks.lake.manners import MANNERS, Probed

SECRET = "S3CR3T"
TRANSIENT = refused(400, "LIVE.100011006")
GATEWAY = refused(404, "APIGW.0101")
NOT_JSON = (200, b"<html>sign in</html>")


@pytest.mark.parametrize("tasks", [20, 250])
def test_a_service_as_documented_leaves_nothing_unknown(tasks: int) -> None:
    found = asked(Service(tasks))
    assert not found.reasons
    assert (found.by_unknown_id, found.past_the_end, found.offset_unit) == ("404", "empty", "rows")
    assert (found.region_filters, found.total_with_filters, found.undocumented_fields) == ("yes", "follows", ())


@pytest.mark.parametrize("tasks", [6, 7, 99, 250])
@pytest.mark.parametrize(
    ("change", "manner", "value"),
    [
        ({"unknown_id": "empty"}, "by_unknown_id", "empty"),
        ({"unknown_id": "all"}, "by_unknown_id", "other"),
        ({"unknown_id": GATEWAY}, "by_unknown_id", "other"),
        ({"unknown_id": refused(400)}, "by_unknown_id", "other"),
        ({"unknown_id": refused(200, "LIVE.1")}, "by_unknown_id", "other"),
        ({"past_the_end": refused(400)}, "past_the_end", "refused"),
        ({"past_the_end": refused(404, "APIGW.0101")}, "past_the_end", "refused"),
        ({"past_the_end": "begins again"}, "past_the_end", "repeats"),
        ({"offset": "pages"}, "offset_unit", "pages"),
        ({"region": "ignored"}, "region_filters", "no"),
        ({"region": "others"}, "region_filters", "yes"),
        ({"total": "stays"}, "total_with_filters", "stays"),
    ],
)
def test_each_manner_is_learnt_and_the_others_are_not_touched(change, manner: str, value: str, tasks: int) -> None:
    usual, found = asked(Service(tasks)), asked(Service(tasks, **change))
    assert getattr(found, manner) == value
    assert manner not in found.reasons
    assert msgspec.structs.replace(found, **{manner: getattr(usual, manner)}) == usual


@pytest.mark.parametrize("tasks", [20, 250])
@pytest.mark.parametrize("answer", [TRANSIENT, refused(503), refused(403, "APIGW.0302"), refused(401), NOT_JSON])
@pytest.mark.parametrize(
    ("question", "manner"),
    [
        ("unknown_id", "by_unknown_id"),
        ("past_the_end", "past_the_end"),
        ("offset", "offset_unit"),
        ("region", "region_filters"),
        ("known_id", "total_with_filters"),
    ],
)
def test_an_answer_that_says_nothing_of_the_question_leaves_it_unknown(question, manner, answer, tasks: int) -> None:
    found = asked(Service(tasks, **{question: answer}))
    assert (getattr(found, manner), found.reasons.keys()) == ("unknown", {manner})
    assert ("not understood" if answer is NOT_JSON else f"HTTP {answer[0]}") in found.reasons[manner]


@pytest.mark.parametrize(
    ("service", "unknown"),
    [
        (Service(5), {"offset_unit"}),
        (Service(2), {"offset_unit"}),
        (Service(1), {"offset_unit", "total_with_filters"}),
        (Service(0), {*MANNERS} - {"by_unknown_id"}),
        (Service(0, unknown_id="empty"), {*MANNERS}),
        (Service(total="absent"), {"past_the_end", "total_with_filters"}),
        (Service(10_000), {"past_the_end"}),
        (Service(250, past_the_end="repeats"), {"past_the_end"}),
        (Service(offset="ignored"), {"offset_unit"}),
        (Service(offset=listed([], 20)), {"offset_unit"}),
        (Service(offset=listed(Service().list()[1:11], 21)), {"offset_unit"}),
        (Service(offset=listed(Service().list()[2:12], 20)), {"offset_unit"}),
        (Service(offset=listed(Service().list()[1:3], 20)), {"offset_unit"}),
        (Service(region=listed([{"task_id": "x", "region": "cn-north-4"}], 1)), {"region_filters"}),
        (Service(region=refused(403, "APIGW.0801")), {"region_filters"}),
        (Service(known_id="all"), {"total_with_filters"}),
        (Service(known_id=listed([], 0)), {"total_with_filters"}),
        (Service(total="odd"), {"total_with_filters"}),
        (Service(in_a_task={"task_id": "the same"}), {"offset_unit", "total_with_filters"}),
    ],
)
def test_what_two_explanations_fit_is_unknown(service: Service, unknown: set[str]) -> None:
    assert asked(service).reasons.keys() == unknown


def test_an_id_that_no_address_can_carry_is_not_asked_for() -> None:
    tasks = [{"task_id": "a"}, {"task_id": "x" * (MAX_ID_CHARACTERS + 1)}]
    first = said(listed(tasks, 2))
    assert isinstance(first, bytes)
    assert Question.KNOWN_ID not in later_queries(first, "cn-north-4", UNKNOWN_ID)
    assert "too long" in judge({Question.FIRST_PAGE: first}).reasons["total_with_filters"]


@pytest.mark.parametrize("answer", [NOT_JSON, (200, b"{}"), refused(401), refused(503), refused(403, "APIGW.0310")])
def test_a_first_page_that_is_no_list_leaves_all_unknown(answer) -> None:
    found = judge({Question.FIRST_PAGE: said(answer)})
    assert found.has_learnt_nothing
    assert len({*found.reasons.values()}) == 1


@pytest.mark.parametrize("largest", [10, 50])
def test_a_service_with_smaller_pages_is_understood_too(largest: int) -> None:
    assert not asked(Service(250, largest_page=largest)).reasons


def test_names_of_undocumented_fields_are_kept_and_nothing_of_their_values() -> None:
    found = asked(Service(beside={"has_more": SECRET, "pageInfo": {"x": SECRET}}, in_a_task={"update_time": SECRET}))
    assert found.undocumented_fields == ("(answer).has_more", "(answer).pageInfo", "update_time")


@pytest.mark.parametrize("name", [SECRET, f"rtmp://h/live/{SECRET}", "a b", "", "x" * 41, "\x1b[2J", "a1b2", "ключ"])
def test_a_name_that_does_not_look_like_words_is_only_counted(name: str) -> None:
    found = asked(Service(in_a_task={name: 1, "fine_name": 2}, beside={name: 3}))
    assert found.undocumented_fields == ("fine_name", HIDDEN)


def test_many_names_are_cut() -> None:
    names = {f"field_{chr(97 + n // 26)}{chr(97 + n % 26)}": n for n in range(200)}
    found = asked(Service(in_a_task=names))
    assert found.undocumented_fields == (*sorted(names)[:MAX_NAMES], HIDDEN)


texts = st.sampled_from(["t0", "t1", "t2", SECRET, f"rtmp://h/live/{SECRET}", f"token {SECRET}", "", "é\x00"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)
odd_tasks = st.dictionaries(st.sampled_from(["task_id", "region", "create_time", "status", "x"]) | texts, values)
good_tasks = st.builds(
    lambda n, more: {"task_id": f"t{n}", "source_urls": [f"rtmp://h/{SECRET}"], **more},
    st.integers(0, 12),
    st.dictionaries(texts.map(lambda name: f"x{name}"), values, max_size=2),
)
listings = st.builds(
    lambda tasks, total, more: (200, json.dumps({"request_id": "r", "task_infos": tasks, "total": total} | more)),
    st.lists(good_tasks, max_size=12) | st.lists(odd_tasks, max_size=3) | values,
    st.integers(0, 12) | values,
    st.dictionaries(texts, values, max_size=2),
)
refusals = st.builds(
    lambda status, code, message: (status, json.dumps({"error_code": code, "error_msg": message})),
    st.sampled_from([200, 301, 400, 401, 403, 404, 409, 416, 429, 500, 503, 599]),
    st.sampled_from(["LIVE.100011001", "LIVE.100011006", "APIGW.0310", SECRET, f"LIVE.{SECRET}"]),
    texts,
)
bodies = st.one_of(listings, refusals).map(lambda body: (body[0], body[1].encode())) | st.tuples(
    st.just(200), st.binary(max_size=40)
)


@given(st.dictionaries(st.sampled_from(Question), bodies))
def test_any_mixture_of_answers_gives_manners_and_no_secret_leaves_it(mixture) -> None:
    found = judge({question: said(body) for question, body in mixture.items()})
    unknown = {name for name in MANNERS if getattr(found, name) == "unknown"}
    assert found.reasons.keys() - {"undocumented_fields"} == unknown
    probed = Probed(probed_at=datetime(2026, 11, 22, tzinfo=UTC), manners=found)
    written = msgspec.json.encode({"a/b": probed})
    assert msgspec.json.decode(written, type=dict[str, Probed]) == {"a/b": probed}
    report = report_of(ProbedTarget(TARGET, probed, 6))
    said_of_it = written + str(report).encode() + report_for_maintainers([report], "0", [probed])
    assert SECRET.encode() not in said_of_it
