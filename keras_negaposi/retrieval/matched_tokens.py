"""Which tokens of A and B a head has matched: a reason for its score that a reader can see.

Of ``maxsim`` these are the pairs of tokens with the highest cosines, each token of A with the most similar one of B. Of
``dot``, where all of A is one query, they are the tokens of B with the highest attention weights.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from keras_negaposi.config.heads import LATE_INTERACTION
from keras_negaposi.index_files.segment import Rows
from keras_negaposi.modeling.heads.tensor_names import KEYS, MASK, QUERY

if TYPE_CHECKING:
    from keras_negaposi.retrieval.cached_encoder import CachedScorer

TOKEN_HEADS = (LATE_INTERACTION, "dot")
MOST_MATCHES = 5
TEXTS_KEPT = 256


class TokenMatch(NamedTuple):
    """A token of A, empty where A is one query; a token of B; and their cosine, or the attention weight."""

    a: str
    b: str
    weight: float


class TokenMatcher:
    """Finds the matched tokens of pairs of texts.

    Args:
        scorer: of a run with one of the `TOKEN_HEADS`.
    """

    def __init__(self, scorer: CachedScorer) -> None:
        from keras_negaposi.input_pipeline.packing import SeparatePreprocessor  # with TensorFlow
        from keras_negaposi.serving.by_ids import run_preprocessor

        preprocessor = run_preprocessor(scorer.run)
        assert isinstance(preprocessor, SeparatePreprocessor)
        self._scorer, self._preprocessor, tokenizer = scorer, preprocessor, preprocessor.tokenizer
        self._pieces = {token: piece for piece, token in tokenizer.vocabulary.items()}
        self._special = {tokenizer.cls_id, tokenizer.sep_id}
        self._side = functools.lru_cache(TEXTS_KEPT)(self._encoded)

    def matches(self, text_a: str, text_b: str) -> list[TokenMatch]:
        """Returns the strongest matches, the strongest first; tokens without a letter or digit are left out."""
        (names_a, a), (names_b, b) = self._side("a", text_a), self._side("b", text_b)
        if self._scorer.head == LATE_INTERACTION:
            found = _nearest(names_a, names_b, a[KEYS][0] @ b[KEYS][0].T)
        else:
            weights = _attention(a[QUERY][0], b[KEYS][0], b[MASK][0])
            found = (TokenMatch("", name, float(w)) for name, w in zip(names_b, weights, strict=False) if name)
        best: dict[tuple[str, str], TokenMatch] = {}
        for match in sorted(found, key=lambda match: -match.weight):
            best.setdefault((match.a, match.b), match)
        return list(best.values())[:MOST_MATCHES]

    def _encoded(self, side: str, text: str) -> tuple[list[str], Rows]:
        """Returns the token at each position of a text as it is shown, empty if it is not, and the head's tensors."""
        import tensorflow as tf

        packed = self._preprocessor.side(side, tf.constant([text]))
        ids = packed["input_word_ids"][0, : int(tf.reduce_sum(packed["input_mask"]))].numpy().tolist()
        before = 1 + len(self._preprocessor.prefixes[side])
        shown = [self._shown(token) if place >= before else "" for place, token in enumerate(ids)]
        return shown, self._scorer.encode(side, [text])

    def _shown(self, token: int) -> str:
        if token in self._special:
            return ""
        piece = self._pieces.get(token, "").removeprefix("##").replace("▁", "")
        return piece if any(map(str.isalnum, piece)) else ""


def _nearest(names_a: Sequence[str], names_b: Sequence[str], cosines: np.ndarray) -> Iterator[TokenMatch]:
    """Yields each token of A that is shown, with the most similar token of B that is shown.

    Args:
        names_a: the token at each position of A, empty if it is not shown.
        names_b: the same of B.
        cosines: of all positions, which may be more than there are names: ``float32 [positions of A, of B]``.
    """
    shown = [place for place, name in enumerate(names_b) if name]
    for row, name in enumerate(names_a):
        if name and shown:
            best = shown[int(np.argmax(cosines[row, shown]))]
            yield TokenMatch(name, names_b[best], float(cosines[row, best]))


def _attention(query: np.ndarray, keys: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns the weights with which a query, ``float32 [size]``, attends to tokens; see `DotAttention`."""
    scores = np.where(mask > 0, keys @ query * len(query) ** -0.5, -np.inf)
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()
