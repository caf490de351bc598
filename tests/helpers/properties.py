"""Property tests: any input with one mutation gives success, or one line that names what is wrong, in bounded time.

``KERAS_NEGAPOSI_EXAMPLES=2000 pytest -k property`` tries more examples than the suite does.
"""

import copy
import gc
import os
import time

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from checkpoints_tools.common.errors import LONGEST_MESSAGE, InputError

EXAMPLES = int(os.environ.get("KERAS_NEGAPOSI_EXAMPLES", "30"))
BOUND_S = 5.0

bounded = settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
"""The decorator of every property test: always the same examples, as many as the environment says."""

FRAGMENTS = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in (
        *"\0\"'\\[]{}(),;:\t\n\r\v\f `#*|<>&%$-_~^!?=+/.〓、。",
        *("\x85", "\u2028", "\u2029", "\ufeff", "\u3000", "\u200b", "\u202e", "\ud800", "か\u3099", "が", "𠮷"),
        *("null", "true", "NaN", "Infinity", "1e999", "-0", "9" * 30, "9" * 5000, "0.5", "1", "\\ud800", "\\u0000"),
        *("[" * 300, "{" * 300, '{"a":' * 300, "((" * 300, "。" * 300, "---\n", "\r\n", "../", "/etc/passwd", "%00"),
    )
) + (b"\xff", b"\xfe\xff", b"\x80", b"\x1f\x8b", b"PK\x03\x04")
"""What parsers stumble over."""

JSON_VALUES = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2**40,
        0.5,
        -1e300,
        "",
        "x",
        "0",
        "../x",
        "\u2028",
        "a" * 5000,
        [],
        {},
        [[]],
        [None],
    ),
)


@st.composite
def mutations(draw, good: bytes, fragments=()):
    """``good`` with one mutation: a part cut out, repeated, moved or overwritten, or a fragment put in.

    Args:
        good: a valid file.
        fragments: of this format (``bytes``), besides `FRAGMENTS`.
    """
    start, stop = sorted(draw(st.tuples(*2 * [st.integers(0, len(good))])))
    kind = draw(st.sampled_from(("cut", "truncate", "repeat", "insert", "overwrite", "flip", "swap")))
    fragment = draw(st.sampled_from((*FRAGMENTS, *fragments)))
    if kind == "cut":
        return good[:start] + good[stop:]
    if kind == "truncate":
        return good[:start]
    if kind == "repeat":
        return good[:stop] + good[start:stop] + good[stop:]
    if kind == "insert":
        return good[:start] + fragment + good[start:]
    if kind == "overwrite":
        return good[:start] + fragment + good[start + len(fragment) :]
    if kind == "flip":
        flipped = bytes(byte ^ draw(st.integers(1, 255)) for byte in good[start : start + 1])
        return good[:start] + flipped + good[start + 1 :]
    middle = (start + stop) // 2
    return good[:start] + good[middle:stop] + good[start:middle] + good[stop:]


@st.composite
def json_mutations(draw, good):
    """A JSON value with one mutation: a key dropped or renamed, an item dropped or repeated, a value replaced."""
    changed = copy.deepcopy(good)
    places = [(parent, key) for parent, key in _places(changed)]
    if not places:
        return draw(st.sampled_from(JSON_VALUES))
    parent, key = draw(st.sampled_from(places))
    kind = draw(st.sampled_from(("drop", "replace", "replace", "repeat")))
    if kind == "drop":
        del parent[key]
    elif kind == "replace":
        parent[key] = draw(st.sampled_from(JSON_VALUES))
    elif isinstance(parent, list):
        parent.insert(key, copy.deepcopy(parent[key]))
    else:
        parent[f"{key}x"] = parent.pop(key)
    return changed


def _places(value):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield value, key
        yield from _places(item)


def succeeds_or_explains(call, bound_s=BOUND_S):
    """Calls; gives the result, or the `InputError`, which must be a short line. Anything else fails the test."""
    started = time.perf_counter()
    try:
        result = call()
    except InputError as error:
        result = error
        line = " ".join(str(error).split())
        assert line and len(line) <= LONGEST_MESSAGE + 200, f"{len(line)} characters: {line[:300]}"
    seconds = time.perf_counter() - started
    assert seconds < bound_s, f"{seconds:.1f} s"
    return result


def cpu_seconds(call, tries=2):
    """The least CPU time of some calls, in seconds; collecting the garbage of other tests does not count."""
    least = float("inf")
    for _ in range(tries):
        gc.collect()
        gc.disable()
        started = time.process_time()
        try:
            call()
        finally:
            gc.enable()
        least = min(least, time.process_time() - started)
    return least
