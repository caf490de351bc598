"""The lexical features as TensorFlow ops on strings, so that a SavedModel computes them itself.

`LexicalFeatures` returns what `features.lexical_features` returns, up to rounding. The hashes are the same to the bit,
because uint64 arithmetic wraps around in both. What is computed several times is a function of its own in the graph: a
smaller graph is traced, saved and loaded in less time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_negaposi.lexical.code_points import BMP, SPACE, spelling_table
from keras_negaposi.lexical.features import (
    ENDS,
    LONG_GRAMS,
    MIDDLE,
    RARE,
    RAREST,
    SCRIPTS,
    SENTENCE_ENDS,
    STYLES,
)
from keras_negaposi.lexical.neighbour_ops import NeighbourColumns
from keras_negaposi.lexical.neighbours import Neighbours
from keras_negaposi.lexical.ngrams import BUCKET_BITS, BUCKETS, FACTOR, LONGEST_RUN, MIX_SHIFT, POWERS
from keras_negaposi.lexical.vocabulary import GRAMS, KINDS, SCRIPT_RANGES, SHORTEST_RUNS, PageFrequencies


class _Characters(NamedTuple):
    """The normalised characters of a batch of texts, one text after the other.

    Attributes:
        points: code points, ``int64 [characters]``.
        texts: index of the text of each character, ``int64 [characters]``.
        positions: position of each character in its text, ``int64 [characters]``.
        lengths: characters of each text, ``int64 [texts]``.
        scripts: script of each character, ``int64 [characters]``.
    """

    points: tf.Tensor
    texts: tf.Tensor
    positions: tf.Tensor
    lengths: tf.Tensor
    scripts: tf.Tensor

    def count(self, chosen: tf.Tensor) -> tf.Tensor:
        """Counts the chosen characters (``bool [characters]``) in each text, ``float64 [texts]``."""
        return tf.math.unsorted_segment_sum(tf.cast(chosen, tf.float64), self.texts, tf.size(self.lengths))


class _Terms(NamedTuple):
    """The n-grams or words of a batch of texts; the fields mean what they mean in `ngrams.Terms`."""

    texts: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    buckets: tf.Tensor
    lengths: tf.Tensor

    def head(self, size: int) -> _Terms:
        """Keeps the terms within the first ``size`` characters of their text."""
        return self.where(self.ends <= size)

    def tail(self, size: int) -> _Terms:
        """Keeps the terms within the last ``size`` characters of their text."""
        return self.where(self.starts >= tf.gather(self.lengths, self.texts) - size)

    def where(self, kept: tf.Tensor) -> _Terms:
        """Keeps some of the terms, ``bool [terms]``."""
        owners, starts, ends, buckets = _chosen(kept, self.texts, self.starts, self.ends, self.buckets)
        return _Terms(owners, starts, ends, buckets, self.lengths)


class _Vectors(NamedTuple):
    """Sparse vectors of texts.

    Attributes:
        texts: index of the text of each value, ``int64 [values]``.
        buckets: bucket of each value, ``int64 [values]``; distinct within a text.
        values: ``float32 [values]``.
    """

    texts: tf.Tensor
    buckets: tf.Tensor
    values: tf.Tensor

    def of_pairs(self, first: int, pairs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the keys (pair and bucket in one ``int64``) and values of ``pairs`` texts from ``first`` * pairs."""
        keys = (self.texts - first * pairs) * BUCKETS + self.buckets
        keys, values = _chosen(self.texts // pairs == first, keys, self.values)
        return keys, values


class LexicalFeatures(tf.Module):
    """Computes the lexical features of pairs of strings.

    Args:
        frequencies: page frequencies of the corpus. They become variables, which a SavedModel stores.
        neighbours: pages of the corpus, which become variables too; ``None`` as in `lexical_features`.
    """

    def __init__(self, frequencies: PageFrequencies, neighbours: Neighbours | None = None) -> None:
        super().__init__()
        self._neighbours = {
            kind: NeighbourColumns(pages, kind) for kind, pages in (neighbours.by_kind if neighbours else {}).items()
        }
        self._pages = frequencies.pages
        self._counts = {
            kind: tf.Variable(counts, trainable=False, name=f"page_frequencies_{kind.replace(' ', '_')}")
            for kind, counts in frequencies.counts.items()
        }

    def __call__(self, text_a: tf.Tensor, text_b: tf.Tensor) -> tf.Tensor:
        """Maps ``string [batch]`` twice to ``float32 [batch, features]``, in the order of `lexical_features`."""
        pairs = tf.size(text_a, tf.int64)
        characters = _normalise(tf.concat([text_a, text_b], 0))
        terms = {kind: _extract(characters, about.sizes, about.scripts) for kind, about in KINDS.items()}
        vectors = {kind: self._tfidf(kind, some) for kind, some in terms.items()}
        columns = [
            *self._cosines(terms, vectors, pairs),
            *self._rarity(terms[LONG_GRAMS], pairs),
            *_style(characters, pairs),
        ]
        are_pages = []
        for kind, compare in self._neighbours.items():
            compared, both_are_pages = compare(*vectors[kind], pairs)
            columns += compared
            are_pages.append(both_are_pages)
        columns += are_pages[:1]
        return tf.stack([tf.cast(column, tf.float32) for column in columns], 1)

    def _cosines(self, terms: dict[str, _Terms], vectors: dict[str, _Vectors], pairs: tf.Tensor) -> list[tf.Tensor]:
        """Returns the cosines of A and B, whole and in part."""
        whole, grams = vectors[GRAMS], terms[GRAMS]
        heads = {size: self._tfidf(GRAMS, grams.head(size)) for size in ENDS}
        tails = {size: self._tfidf(GRAMS, grams.tail(size)) for size in ENDS}
        head, tail = heads[MIDDLE], tails[MIDDLE]
        compared = [
            *((some, some) for some in vectors.values()),
            *((tails[size], heads[size]) for size in ENDS),
            *((tail, whole), (whole, head), (head, head), (tail, tail)),
        ]
        return [_dot(left, right, pairs) for left, right in compared]

    def _tfidf(self, kind: str, terms: _Terms) -> _Vectors:
        """Returns TF-IDF vectors of length 1; the formula is `PageFrequencies.tfidf`'s."""
        keys, _, counts = tf.unique_with_counts(terms.texts * BUCKETS + terms.buckets)
        texts, buckets = keys // BUCKETS, keys % BUCKETS
        pages = tf.cast(tf.gather(self._counts[kind], buckets), tf.float64)
        idf = tf.math.log((1.0 + self._pages) / (1.0 + pages)) + 1.0
        values = (1.0 + tf.math.log(tf.cast(counts, tf.float64))) * idf
        lengths = tf.sqrt(tf.math.unsorted_segment_sum(values * values, texts, tf.size(terms.lengths)))
        return _Vectors(texts, buckets, tf.cast(values / tf.gather(lengths, texts), tf.float32))

    def _rarity(self, terms: _Terms, pairs: tf.Tensor) -> list[tf.Tensor]:
        """Returns how rare the n-grams are that A and B share."""
        keys, _ = tf.unique(terms.texts * BUCKETS + terms.buckets)
        present = _Vectors(keys // BUCKETS, keys % BUCKETS, tf.ones_like(keys, tf.float32))
        owners, buckets, a, b = _aligned(present, present, pairs)
        shared = (a > 0) & (b > 0)
        owners, buckets = _chosen(shared, owners, buckets)
        pages = tf.cast(tf.gather(self._counts[LONG_GRAMS], buckets), tf.float64)
        rarity = tf.where(pages < 2, tf.zeros_like(pages), tf.math.log(self._pages / tf.maximum(pages, 1.0)))

        def total(values: tf.Tensor) -> tf.Tensor:
            return tf.math.log1p(tf.math.unsorted_segment_sum(tf.cast(values, tf.float64), owners, pairs))

        # The five largest of each pair: one row per pair, padded with zeros.
        order = tf.argsort(owners, stable=True)
        rows = tf.RaggedTensor.from_value_rowids(tf.gather(rarity, order), tf.gather(owners, order), pairs)
        largest = tf.math.top_k(tf.pad(rows.to_tensor(), [[0, 0], [0, RAREST]]), RAREST).values
        rare = [total((pages > 1) & (pages <= most)) for most in RARE]
        return [tf.reduce_sum(largest, 1) / RAREST, total(rarity), *rare]


def _normalise(texts: tf.Tensor) -> _Characters:
    """Decodes texts, ``string [texts]``, and normalises them as `code_points` does."""
    decoded = tf.strings.unicode_decode(texts, "UTF-8").with_row_splits_dtype(tf.int64)
    raw, owners = tf.cast(decoded.flat_values, tf.int64), decoded.value_rowids()
    table = tf.constant(spelling_table(), tf.int64)
    points = tf.where(raw < BMP, tf.gather(table, tf.minimum(raw, BMP - 1)), raw)
    # Runs of spaces count once, and none at the start of a text.
    space = points == SPACE
    before = tf.concat([tf.ones_like(space[:1]), space[:-1] | (owners[1:] != owners[:-1])], 0)
    kept = ~(space & before)
    points, owners = _chosen(kept, points, owners)
    lengths = tf.math.unsorted_segment_sum(tf.ones_like(owners), owners, tf.size(texts))
    starts = tf.cumsum(lengths, exclusive=True)
    positions = tf.range(tf.size(points, tf.int64)) - tf.gather(starts, owners)
    scripts = tf.zeros_like(points)
    for first, last, script in SCRIPT_RANGES:
        scripts = tf.where((points >= first) & (points <= last), tf.constant(script, tf.int64), scripts)
    return _Characters(points, owners, positions, lengths, scripts)


def _extract(characters: _Characters, sizes: Sequence[int], scripts: Sequence[int]) -> _Terms:
    """Extracts the terms of a `TermKind`."""
    member = _is_in(characters.scripts, scripts)
    return _ngrams(characters, sizes, member if scripts else None) if sizes else _words(characters, member)


def _ngrams(characters: _Characters, sizes: Sequence[int], allowed: tf.Tensor | None) -> _Terms:
    """Extracts n-grams, as `ngrams.ngrams`."""
    points = tf.cast(characters.points, tf.uint64) + tf.constant(1, tf.uint64)
    total = tf.size(points)
    columns = []
    for size in sizes:
        count = tf.maximum(total - size + 1, 0)
        owners = characters.texts[:count]
        within = owners == characters.texts[total - count :]
        hashed = tf.zeros_like(points[:count])
        for offset in range(size):
            hashed = _mix(hashed + points[offset : offset + count])
            if allowed is not None:
                within = within & allowed[offset : offset + count]
        starts = characters.positions[:count]
        columns.append(_chosen(within, owners, starts, starts + size, _bucket(hashed)))
    owners, starts, ends, buckets = (tf.concat(column, 0) for column in zip(*columns, strict=True))
    return _Terms(owners, starts, ends, buckets, characters.lengths)


@tf.function(autograph=False)
def _words(characters: _Characters, member: tf.Tensor) -> _Terms:
    """Extracts runs of one script, as `ngrams.runs`; ``member`` says which characters may be in one."""
    scripts = tf.where(member, characters.scripts, tf.zeros_like(characters.scripts))
    changes = (scripts[1:] != scripts[:-1]) | (characters.texts[1:] != characters.texts[:-1])
    is_start = tf.concat([tf.ones_like(member[:1]), changes], 0)
    runs = tf.cumsum(tf.cast(is_start, tf.int64)) - 1
    starts = tf.reshape(tf.where(is_start), [-1])
    lengths = tf.math.unsorted_segment_sum(tf.ones_like(runs), runs, tf.size(starts))
    # Hash each run with a polynomial over its characters, so that their order counts.
    places = tf.minimum(tf.range(tf.size(runs, tf.int64)) - tf.gather(starts, runs), LONGEST_RUN - 1)
    points = _mix(tf.cast(characters.points, tf.uint64) + tf.constant(1, tf.uint64))
    hashed = tf.math.unsorted_segment_sum(points * tf.gather(tf.constant(POWERS), places), runs, tf.size(starts))
    script = tf.gather(scripts, starts)
    long_enough = lengths >= tf.gather(tf.constant(SHORTEST_RUNS, tf.int64), script)
    first = tf.gather(characters.positions, starts)
    words = _Terms(
        tf.gather(characters.texts, starts), first, first + lengths, _bucket(_mix(hashed)), characters.lengths
    )
    return words.where((script > 0) & long_enough)


def _chosen(kept: tf.Tensor, *columns: tf.Tensor) -> list[tf.Tensor]:
    """Returns of each column, ``[values]``, what ``kept`` says, ``bool [values]``."""
    places = tf.squeeze(tf.where(kept), 1)
    return [tf.gather(column, places) for column in columns]


def _mix(values: tf.Tensor) -> tf.Tensor:
    values = values * tf.constant(FACTOR)
    return tf.bitwise.bitwise_xor(values, tf.bitwise.right_shift(values, tf.constant(MIX_SHIFT)))


def _bucket(hashed: tf.Tensor) -> tf.Tensor:
    shift = tf.constant(np.uint64(64 - BUCKET_BITS))
    return tf.cast(tf.bitwise.right_shift(hashed * tf.constant(FACTOR), shift), tf.int64)


def _aligned(left: _Vectors, right: _Vectors, pairs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Aligns A's vectors of ``left`` with B's of ``right``.

    Returns:
        Pair, bucket, A's value and B's value (0 where it is missing), each ``[distinct keys]``.
    """
    (keys_a, a), (keys_b, b) = left.of_pairs(0, pairs), right.of_pairs(1, pairs)
    keys, index = tf.unique(tf.concat([keys_a, keys_b], 0))
    count = tf.size(keys)
    values_a = tf.math.unsorted_segment_sum(a, index[: tf.size(a)], count)
    values_b = tf.math.unsorted_segment_sum(b, index[tf.size(a) :], count)
    return keys // BUCKETS, keys % BUCKETS, values_a, values_b


@tf.function(autograph=False)
def _dot(left: _Vectors, right: _Vectors, pairs: tf.Tensor) -> tf.Tensor:
    """Returns the dot products of A's vectors in ``left`` with B's in ``right``, ``float32 [pairs]``."""
    owners, _, a, b = _aligned(left, right, pairs)
    return tf.math.unsorted_segment_sum(a * b, owners, pairs)


def _style(characters: _Characters, pairs: tf.Tensor) -> list[tf.Tensor]:
    """Returns how similar the styles of both texts are, and how long they are, as `features._style`."""
    lengths = tf.cast(tf.maximum(characters.lengths, 1), tf.float64)
    shares = [_occurrences(characters, patterns) / lengths for patterns in STYLES.values()]
    shares += [characters.count(_is_in(characters.scripts, members)) / lengths for members in SCRIPTS.values()]
    columns = []
    for share in shares:
        a, b = share[:pairs], share[pairs:]
        columns += [tf.abs(a - b), tf.sqrt(a * b)]
    own = tf.cast(characters.lengths, tf.float64)
    for side in (own[:pairs], own[pairs:]):
        columns += [side, tf.math.log1p(side)]
    is_last = characters.positions == tf.gather(characters.lengths, characters.texts) - 1
    ends = characters.count(is_last & _is_in(characters.points, [ord(mark) for mark in SENTENCE_ENDS]))
    return [*columns, ends[:pairs]]


def _occurrences(characters: _Characters, patterns: Sequence[str]) -> tf.Tensor:
    """Counts the occurrences of any of the patterns in each text, ``float64 [texts]``."""
    single = [ord(pattern) for pattern in patterns if len(pattern) == 1]
    total = characters.count(_is_in(characters.points, single))
    for pattern in (pattern for pattern in patterns if len(pattern) > 1):
        total += _sequences(characters, tf.constant([ord(character) for character in pattern], tf.int64))
    return total


@tf.function(autograph=False)
def _sequences(characters: _Characters, pattern: tf.Tensor) -> tf.Tensor:
    """Counts in each text the occurrences of characters in a row, ``int64 [2 or more]``: ``float64 [texts]``."""
    (length,) = pattern.shape
    size = tf.size(characters.points)
    count = tf.maximum(size - length + 1, 0)
    owners = characters.texts[:count]
    found = owners == characters.texts[size - count :]
    for offset in range(length):
        found = found & (characters.points[offset : offset + count] == pattern[offset])
    return tf.math.unsorted_segment_sum(tf.cast(found, tf.float64), owners, tf.size(characters.lengths))


def _is_in(values: tf.Tensor, members: Sequence[int]) -> tf.Tensor:
    """Tells which values are among a few, ``bool``."""
    return tf.reduce_any(values[:, tf.newaxis] == tf.constant(members, values.dtype, [len(members)]), 1)
