"""Cutting long lines into pages: no text is lost, and the time is linear in the length of the text."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_negaposi.pair_generation.chunking import cut_document
from keras_negaposi.readers.document import Document, Line, Link
from tests.helpers.properties import bounded, cpu_seconds


def pages(text, length, measure=len, links=()):
    return cut_document(Document("話", [[Line(text, tuple(links))]]), length, measure)


def pieces(text):
    """Imitates a tokenizer: a character counts 0, 1 or 3, and a text at least 1."""
    return max(1, sum({"重": 3, "軽": 0}.get(character, 1) for character in text))


LONG = {
    "no sentence ends": "あ",
    "every character ends a sentence": "。",
    "short sentences": "庭に石。",
    "words": "stone water. ",
    "heavy": "重",
    "weightless": "軽",
}


@pytest.mark.parametrize("measure", [len, pieces])
@pytest.mark.parametrize("case", LONG)
def test_the_time_is_linear_in_the_length_of_a_line(case, measure):
    seconds = []
    for size in (20_000, 80_000):
        text = LONG[case] * (size // len(LONG[case]))
        links = [Link(start, start + 1, "x") for start in range(0, size - 20, 10)]
        length = size // 3 if case == "short sentences" else 100
        seconds.append(cpu_seconds(lambda: pages(text, length, measure, links)))  # noqa: B023 - called at once
        found = pages(text, length, measure, links)
        assert "".join(page.text for page in found).replace(" ", "") == text.replace(" ", "")
    assert seconds[1] < 8 * seconds[0] + 0.05


@bounded
@given(seed=st.integers(0, 2**32), length=st.integers(10, 60), measure=st.sampled_from([len, pieces]))
def test_property_pages_contain_all_text_and_fit(seed, length, measure):
    rng = random.Random(seed)
    text = " ".join("".join(rng.choices("庭石重軽a。！?」. ", k=rng.randrange(300))).split())
    links = [Link(start, start + 2, f"{start}") for start in range(0, len(text) - 1, 7)]
    links = [link for link in links if " " not in text[link.start : link.end]]
    found = pages(text, length, measure, links) if text else []
    assert "".join(page.text for page in found).replace(" ", "") == text.replace(" ", "")
    for page in found:
        assert measure(page.text.replace(" ", "")) <= length and page.text == page.text.strip() != ""
        for link in page.links:
            start = int(link.target)
            assert page.text[link.start : link.end] == text[start : start + 2]
