"""Decisions about suggested links, as people make them on the suggestions page: JSON lines, one decision each.

::

    {"a": "title", "b": "title", "decision": "accept", "at": "2026-11-28T18:40:11Z"}

``text_a`` and ``text_b`` may follow: the texts as they were then. A file is a log: the last decision about a pair
counts, and ``"undo"`` takes the one before it back.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import Meta

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_text, write_text
from checkpoints_tools.common.json_text import parse_json
from checkpoints_tools.common.schema import checked

ACCEPT, REJECT, UNDO = "accept", "reject", "undo"
FIX = 'a decision is {"a": title, "b": title, "decision": "accept" or "reject", "at": time}'


@dataclasses.dataclass(frozen=True)
class Decision:
    """What somebody decided about the link from A to B.

    Attributes:
        a: title of the page A.
        b: title of the page B.
        decision: ``accept``, ``reject``, or ``undo``, which takes the earlier decision back.
        at: when, with its time zone.
        text_a: text of A; ``None`` if it was not kept.
        text_b: text of B; ``None`` if it was not kept.
    """

    a: Annotated[str, Meta(min_length=1)]
    b: Annotated[str, Meta(min_length=1)]
    decision: Literal["accept", "reject", "undo"]
    at: Annotated[datetime, Meta(tz=True)]
    text_a: str | None = None
    text_b: str | None = None

    @property
    def pair(self) -> tuple[str, str]:
        """The titles of A and B."""
        return self.a, self.b

    def to_line(self) -> str:
        """Returns the decision as one line of JSON, without the line break; the time is in UTC."""
        values = {name: value for name, value in vars(self).items() if value is not None}
        values["at"] = self.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return json.dumps(values, ensure_ascii=False)


def parse_decision(line: str, place: str) -> Decision:
    """Parses a line of `Decision.to_line`.

    Args:
        line: JSON.
        place: names the line in error messages.

    Raises:
        InputError: the line is not a decision.
    """
    return checked_decision(parse_json(line, place, one_line=True), place)


def checked_decision(value: object, place: str) -> Decision:
    """Converts parsed JSON to a decision.

    Raises:
        InputError: it is not one; the message begins with ``place``.
    """
    return checked(Decision, value, place, FIX)


def read_decisions(path: str) -> list[Decision]:
    """Reads a file of decisions, in the order of its lines; empty lines do not count.

    Raises:
        InputError: the file cannot be read, or a line is not a decision; the message names the line.
    """
    lines = enumerate(read_text(path).split("\n"), 1)
    decisions = [parse_decision(line, f"{path}: line {number}") for number, line in lines if line.strip()]
    if not decisions:
        raise InputError(f"{path}: contains no decisions; export them from the suggestions page")
    return decisions


def write_decisions(path: str, decisions: Iterable[Decision]) -> None:
    """Writes a file of decisions."""
    write_text(path, to_lines(decisions))


def to_lines(decisions: Iterable[Decision]) -> str:
    """Returns the content of a file of decisions."""
    return "".join(f"{decision.to_line()}\n" for decision in decisions)


def last_decisions(decisions: Iterable[Decision]) -> dict[tuple[str, str], Decision]:
    """Returns the decision that counts for each pair: the last in time and, at the same time, the last in order.

    Pairs whose last decision is ``undo`` are left out.
    """
    last: dict[tuple[str, str], Decision] = {}
    for decision in sorted(decisions, key=lambda decision: decision.at):
        last[decision.pair] = decision
    return {pair: decision for pair, decision in last.items() if decision.decision != UNDO}
