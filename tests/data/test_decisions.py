"""Decisions about suggested links: what is written is read back, the last one counts, a bad line is named."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.decisions import Decision, last_decisions, read_decisions, write_decisions
from tests.helpers.properties import bounded, json_mutations, succeeds_or_explains

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
LINE = {"a": "庭,000", "b": "池,001", "decision": "accept", "at": "2026-11-28T12:00:00Z"}


def decided(decision, minutes=0, **more):
    return Decision("庭,000", "池,001", decision, NOON + timedelta(minutes=minutes), **more)


def test_what_is_written_is_read_back(tmp_path):
    path = str(tmp_path / "d.jsonl")
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    decisions = [decided("accept"), dataclasses.replace(decided("reject", text_a="一\n二\u2028三"), at=tokyo)]
    write_decisions(path, decisions)
    assert read_decisions(path) == decisions
    with open(path, encoding="utf-8") as file:
        first, second = map(json.loads, file)
    assert first == LINE
    assert second["at"] == LINE["at"] and second["text_a"] == "一\n二\u2028三" and "text_b" not in second


def test_the_last_decision_in_time_counts_whatever_the_order_of_the_lines():
    accept, reject, undo = decided("accept"), decided("reject", 1), decided("undo", 2)
    pair = accept.pair
    assert last_decisions([reject, accept]) == {pair: reject}
    assert last_decisions([accept, decided("reject")]) == {pair: decided("reject")}
    assert last_decisions([undo, accept, reject]) == {}
    other = dataclasses.replace(accept, b="石,000")
    assert last_decisions([undo, accept, other]) == {other.pair: other}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"a": "x"', "line 3: not JSON at column"),
        ("[1]", "line 3: expected object, got array"),
        (json.dumps(LINE | {"decision": "maybe"}), "line 3: decision: invalid enum value 'maybe'"),
        (json.dumps(LINE | {"at": "2026-11-28T12:00:00"}), "line 3: at: expected datetime with a timezone"),
        (json.dumps(LINE | {"at": "yesterday"}), "line 3: at: invalid RFC3339 encoded datetime"),
        (json.dumps(LINE | {"a": ""}), "line 3: a: expected str of length >= 1"),
        (json.dumps({"b": "x"}), "line 3: object missing required field a"),
    ],
)
def test_a_bad_line_is_named_with_the_fix(tmp_path, line, words):
    path = tmp_path / "d.jsonl"
    path.write_text(f"{json.dumps(LINE)}\n\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_decisions(str(path))
    assert str(error.value).startswith(f"{path}: {words}")
    assert "\n" not in str(error.value)


def test_a_file_without_decisions_is_refused(tmp_path):
    (tmp_path / "d.jsonl").write_text("\n")
    with pytest.raises(InputError, match="contains no decisions; export them from the suggestions page"):
        read_decisions(str(tmp_path / "d.jsonl"))


@bounded
@given(data=st.data())
def test_property_a_damaged_file_is_read_or_explained(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("decisions") / "d.jsonl"
    path.write_text(json.dumps(data.draw(json_mutations(LINE))), encoding="utf-8")
    succeeds_or_explains(lambda: [decision.to_line() for decision in read_decisions(str(path))])
