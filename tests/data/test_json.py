"""Untrusted JSON: every reader returns what the strict parser returns, or rejects the file quickly and in one line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.json_text import parse_json
from keras_negaposi.data import json_stream
from keras_negaposi.data.json_stream import LONGEST_VALUE, first_character, stream_items, stream_kinds, stream_members
from keras_negaposi.data.pair_files import read_rows
from keras_negaposi.data.pairs import read_links, read_pairs
from keras_negaposi.data.texts import read_texts
from keras_negaposi.readers import READERS, detect
from tests.helpers.properties import bounded, json_mutations, mutations, succeeds_or_explains

READS = {
    "members": stream_members,
    "items": lambda path: stream_items(path, "item"),
    "pages": lambda path: stream_items(path, "pages.item"),
    "kinds": stream_kinds,
    "pairs": read_rows,
    "links": read_links,
    "texts": read_texts,
    "source": lambda path: READERS[detect(path)](path, str),
}


def write(folder, content):
    path = folder / "a.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


KEYS = ",".join(f'"k{number}":"x"' for number in range(60_000))
HOSTILE = {  # content, and what the line has where the reader is for lists or for objects, as the file is
    "a large number": ('{"a": %s}' % ("9" * 5000), "is too large"),
    "a large number in a list": ("[[%s, 1, 1]]" % ("9" * 5000), "is too large"),
    "a very large number": ("[" + "9" * (4 << 20), "is too large"),
    "a large real number": ('{"a": 1e999}', "is too large"),
    "no number": ("[NaN]", "NaN is not JSON"),
    "lists in lists": ("[" * 100_000, "nested too deeply"),
    "objects in objects": ('{"a":' * 100_000, "nested too deeply"),
    "both": ('[{"a":' * 20_000, "nested too deeply"),
    "both in pages": ('{"pages": [' + '[{"a":' * 20_000, "nested too deeply"),
    "a key twice among many": ("{" + KEYS + ',"k5":"y"}', 'key "k5" appears twice'),
    "a key twice inside": ('{"pages": [{' + KEYS + ',"k5":"y"}]}', 'key "k5" appears twice'),
    "a list twice": ('{"pages": [1], "pages": [2]}', 'key "pages" appears twice'),
    "a string without end": ('{"a": "' + "x" * 3_000_000, "line 1, column 7: Unterminated string"),
    "garbage at the end": ('{"a": "b"}\n x', "line 2, column 2: Extra data"),
    "a bracket at the end": ('["a"]]', "line 1, column 6: Extra data"),
    "cut off": ('{"a": "b"', "line 1, column 10: Expecting ',' delimiter"),
    "a comma at the end": ('["a",]', "line 1, column 6: Expecting value"),
    "no value": ('{"a": ', "line 1, column 7: Expecting value"),
    "no colon": ('{"a" "b"}', "line 1, column 6: Expecting ':' delimiter"),
    "a NUL character": ('{"a": "b\0"}', "line 1, column 9: Invalid control character"),
    "a NUL character first": ("\0[]", "line 1, column 1: Expecting value"),
    "cut off UTF-8": ('{"a": "日本'.encode()[:-1], "not UTF-8 at byte 10"),
    "UTF-16": ('{"a": "b"}'.encode("utf-16"), "not UTF-8 at byte 0"),
    "UTF-16 without its mark": ('{"a": "b"}'.encode("utf-16-le"), "line 1, column 2"),
    "Shift-JIS": ('{"a": "日本"}'.encode("cp932"), "not UTF-8 at byte 7"),
    "half a surrogate": (r'{"a": "x\ud800"}', "character 2 is half a surrogate pair"),
    "half a surrogate in a key": (r'{"\udc00": "x"}', "character 1 is half a surrogate pair"),
    "half a surrogate in a list": (r'[["\udbff", "b", 1]]', "character 1 is half a surrogate pair"),
    "half a surrogate in a page": (r'{"pages": [{"lines": ["\uDFFF"]}]}', 'value of "lines": character 1 is half'),
    "a surrogate as UTF-8 bytes": (b'{"a": "\xed\xa0\x80"}', "not UTF-8 at byte 7"),
    "nothing": ("", "the file is empty"),
    "white space": (" \n\t", "the file is empty"),
    "a mark alone": (b"\xef\xbb\xbf", "the file is empty"),
}
OF_LISTS, OF_OBJECTS = ("items", "pairs", "links"), ("members", "pages", "texts")


@pytest.mark.parametrize("name", HOSTILE)
def test_every_reader_rejects_hostile_json(name, tmp_path):
    content, message = HOSTILE[name]
    path = write(tmp_path, content)
    for reader, read in READS.items():
        found = succeeds_or_explains(lambda read=read: list(read(path)))
        assert isinstance(found, InputError) and str(found).startswith(path), reader
        of_lists = content[:1] in ("[", b"[")
        assert reader not in (OF_LISTS if of_lists else OF_OBJECTS) or message in str(found), (reader, str(found))


def test_valid_json_is_read(tmp_path):
    value = {"😀": "\0é", "n": [-(2**63), 2**63 - 1, 1.5e300, -0.0, True, None, {}], "e": "\\ud800"}
    path = write(tmp_path, b"\xef\xbb\xbf" + json.dumps(value).encode())
    assert dict(stream_members(path)) == value
    assert list(stream_kinds(path)) == [("😀", "string"), ("n", "start_array"), ("e", "string")]
    assert list(stream_items(path, "n.item")) == value["n"]


def test_a_value_that_would_fill_the_memory_is_rejected(tmp_path):
    path = write(tmp_path, b'{"a": "' + b"x" * (LONGEST_VALUE + (2 << 20)) + b'"}')
    assert "is this the file that you meant" in str(succeeds_or_explains(lambda: list(stream_members(path))))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('ab"\\é😀', max_size=3), inner, max_size=4),
    max_leaves=12,
)


@bounded
@given(value=JSON, ascii=st.booleans(), indent=st.sampled_from([None, 1]), block=st.integers(1, 40), data=st.data())
def test_property_streaming_equals_parsing(value, ascii, indent, block, data, tmp_path_factory):
    """The block size does not matter: streaming gives the same value or the same message as parsing the whole file."""
    content = json.dumps(value, ensure_ascii=ascii, indent=indent).encode()
    content = data.draw(st.just(content) | mutations(content))
    path = write(tmp_path_factory.getbasetemp(), content)

    def stream():
        begin = first_character(path)
        if begin == "[":
            return list(stream_items(path, "item", may_be_empty=True))
        return dict(stream_members(path)) if begin == "{" else json_stream.check_json(path)

    def whole():
        try:
            return parse_json(content.decode("utf-8-sig"), path)
        except UnicodeDecodeError:
            return InputError("not UTF-8")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "BLOCK", block)
        found, expected = succeeds_or_explains(stream), succeeds_or_explains(whole)
    if isinstance(expected, InputError):
        assert isinstance(found, InputError)
        assert str(found) == str(expected) or "UTF-8" in f"{found}{expected}" or "surrogate" in f"{found}{expected}"
    else:
        assert found == expected


TEXTS = {"庭,000": "石", "庭,001": "苔", "海,000": '波 "x"\n'}
GOOD = {
    "texts": TEXTS,
    "pairs": [["庭,000", "庭,001", 1], {"a": "庭,000", "b": "海,000", "label": "0"}],
    "classes": {"posi": [["庭,000", "庭,001"]], "nega": [["庭,000", "海,000"]]},
    "export": {"name": "p", "exported": 1, "pages": [{"title": "庭", "lines": ["庭", {"text": "[海]", "created": 1}]}]},
}


@pytest.mark.parametrize("name", GOOD)
@bounded
@given(data=st.data())
def test_property_json_files(name, data, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    texts = folder / "texts.json"
    texts.write_text(json.dumps(TEXTS))
    values = json_mutations(GOOD[name]).map(lambda value: json.dumps(value).encode())
    changed = data.draw(values | mutations(json.dumps(GOOD[name]).encode()))
    path = write(folder, changed)
    reads = [lambda: read_pairs(str(texts), path), lambda: read_links(path)] if name in ("pairs", "classes") else []
    for read in [*reads, lambda: read_texts(path), lambda: list(READERS[detect(path)](path, str))]:
        found = succeeds_or_explains(read)
        assert not isinstance(found, InputError) or "a.json" in str(found)
