"""The split into train, dev and test."""

import random

import pytest

from checkpoints_tools import InputError
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.splits import split_pairs

PATTERN = r"^(.*),"


def make_pairs(documents=60, pages=6, seed=0, spread=3):
    """Next-page pairs within documents, and as many negatives, each to one of the next ``spread`` documents."""
    rng = random.Random(seed)
    pairs = []
    for document in range(documents):
        for page in range(pages - 1):
            pairs.append(Pair(f"d{document},x,{page}", f"d{document},x,{page + 1}", 1))
            other = (document + rng.randrange(1, spread + 1)) % documents
            pairs.append(Pair(f"d{document},x,{page}", f"d{other},x,{page + 1}", 0))
    return pairs


def split(pairs, method="random", test=0.25, dev=0.0, pattern=PATTERN, seed=0):
    return split_pairs(pairs, method, test, dev, pattern, seed)


@pytest.mark.parametrize("method", ["random", "grouped"])
@pytest.mark.parametrize("dev", [0.0, 0.2])
def test_parts_are_disjoint_and_dropped_pairs_are_counted(method, dev):
    pairs = make_pairs()
    result = split(pairs, method, dev=dev)
    kept = [pair for part in result.parts.values() for pair in part]
    assert len(kept) == len(set(kept)) == len(pairs) - result.crossing - result.downsampled
    assert set(kept) <= set(pairs)
    assert result.parts.keys() == ({"train", "test", "dev"} if dev else {"train", "test"})


@pytest.mark.parametrize("method", ["random", "grouped"])
def test_a_seed_fixes_the_split(method):
    pairs = make_pairs()
    assert split(pairs, method, seed=3) == split(pairs, method, seed=3)
    assert split(pairs, method, seed=3) != split(pairs, method, seed=4)


def test_the_sizes_of_the_original_experiment():
    pairs = [Pair(f"a{i}", f"b{i}", i % 2) for i in range(8940)]
    parts = split(pairs).parts
    assert (len(parts["train"]), len(parts["test"])) == (6705, 2235)
    assert abs(sum(pair.label for pair in parts["test"]) - 2235 / 2) < 1


@pytest.mark.parametrize("dev", [0.0, 0.2])
def test_grouped_shares_no_document(dev):
    document = Documents(PATTERN)
    parts = split(make_pairs(), "grouped", dev=dev).parts
    seen = [{document(title) for pair in part for title in (pair.a, pair.b)} for part in parts.values()]
    assert all(not one & other for i, one in enumerate(seen) for other in seen[:i])


def test_grouped_keeps_the_classes_balanced_and_the_test_share():
    result = split(make_pairs(), "grouped")
    for part in result.parts.values():
        positive = sum(pair.label for pair in part)
        assert abs(positive - (len(part) - positive)) <= 1
    share = len(result.parts["test"]) / sum(map(len, result.parts.values()))
    assert 0.18 < share < 0.32
    assert result.crossing > 0 and "pairs that cross the split" in result.describe()


def test_grouped_keeps_an_uneven_share_of_classes():
    pairs = [pair for i, pair in enumerate(make_pairs(documents=200)) if pair.label == 0 or i % 3 == 0]
    positive = sum(pair.label for pair in pairs) / len(pairs)
    for part in split(pairs, "grouped").parts.values():
        assert sum(pair.label for pair in part) / len(part) == pytest.approx(positive, abs=0.02)


def test_grouped_chooses_the_split_that_keeps_most_pairs():
    """Negatives stay within blocks of ten documents, so a good split separates blocks and cuts few pairs."""
    rng = random.Random(0)
    pairs = []
    for document in range(80):
        block = document // 10 * 10
        for page in range(5):
            pairs.append(Pair(f"d{document},{page}", f"d{document},{page + 1}", 1))
            other = rng.choice([d for d in range(block, block + 10) if d != document])
            pairs.append(Pair(f"d{document},{page}", f"d{other},{page + 1}", 0))
    assert split(pairs, "grouped").crossing <= 3  # a random choice of documents would cross about 150


def test_group_pattern():
    assert Documents(PATTERN)("a,b,003") == "a,b"
    assert Documents(PATTERN)("no comma") == "no comma"
    assert Documents(r"^(\w+)/")("wiki/page") == "wiki"


def test_one_document_cannot_be_split():
    pairs = [Pair(f"d,{i}", f"d,{i + 1}", i % 2) for i in range(40)]
    with pytest.raises(InputError, match="--split grouped"):
        split(pairs, "grouped")


@pytest.mark.shared
def test_the_real_data_keeps_most_pairs(shared):
    from keras_negaposi.data.pairs import read_pairs

    data = read_pairs(*(str(shared / "data/slides" / name) for name in ("honbun_data.json", "negaposi.json")))
    result = split(data.pairs, "grouped")
    assert sum(map(len, result.parts.values())) > 0.9 * len(data.pairs)
