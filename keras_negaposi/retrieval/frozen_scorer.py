"""Compares texts by the vectors of a pre-trained encoder that nobody has fine-tuned.

A text's vector is the mean of its last hidden states. All vectors of an encoder have a large component in common, which
would make every cosine high, so the mean of all pages' vectors is subtracted before vectors are compared (Mu &
Viswanath 2018, arXiv 1702.01417). An index stores the vectors as they are, because that mean changes with the pages.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import PretrainedConfig
from keras_negaposi.config.heads import BI_ENCODER
from keras_negaposi.data.texts import text_key
from keras_negaposi.index_files.page_density import PageDensity
from keras_negaposi.index_files.segment import Rows
from keras_negaposi.index_files.vectors import Vectors, unit
from keras_negaposi.modeling.heads.tensor_names import DENSITY, VECTOR
from keras_negaposi.retrieval.self_labelled import CosineLogit
from keras_negaposi.serving.signatures import split_rows, stack_known

if TYPE_CHECKING:
    from keras_negaposi.modeling.frozen_encoder import FrozenEncoder

PRECISION = "float32"


class FrozenScorer:
    """Encodes texts and scores vectors, as `CachedScorer` does for a run.

    Args:
        config: the pre-trained BERT, which is loaded when it is first needed.
        expected: fingerprint of the BERT that made the index; ``None`` while it is being made.
        load: of another scorer with the same BERT, which then loads it for both.
        precision: arithmetic of the encoder. ``auto`` is faster for many texts; for one at a time, as in queries, the
            conversion of all weights would take longer than bfloat16 saves.
    """

    head = BI_ENCODER

    def __init__(
        self,
        config: PretrainedConfig,
        expected: str | None = None,
        load: Callable[[], FrozenEncoder] | None = None,
        precision: str = PRECISION,
    ) -> None:
        self.load = load or functools.cache(lambda: _loaded(config, expected, precision))
        self._center: np.ndarray | float = 0.0
        self._known: Vectors | None = None
        self._density: PageDensity | None = None
        self._cosine: CosineLogit | None = None

    def attach(self, known: Vectors, cosine: CosineLogit | None) -> None:
        """Prepares for queries.

        Args:
            known: centred vectors of the pages, perhaps with densities; these texts need not be encoded again.
            cosine: how cosines become probabilities; ``None`` if nothing was fitted.
        """
        self._known, self._cosine = known, cosine
        self._density = PageDensity(known) if known.has_densities else None
        self._center = 0.0 if known.center is None else known.center

    @property
    def _encoder(self) -> FrozenEncoder:
        return self.load()

    def prepare_for(self, keys: Collection[str]) -> str:
        """Loads the encoder to encode texts, and returns the arithmetic that an index names, whichever it is.

        Raises:
            InputError: it cannot be loaded.
        """
        _ = self._encoder
        return PRECISION

    def count_known(self, keys: Iterable[str]) -> int:
        """Returns 0: of texts that an index does not contain yet, none is encoded."""
        return 0

    def fingerprint(self, dtype: str, precision: str = PRECISION) -> dict[str, str]:
        """Returns everything on which the vectors in an index depend, by the name to print where it differs.

        The encoder's precision is left out: an index that a machine with bfloat16 has built is used on any other.
        """
        return {"BERT": self._encoder.fingerprint(PRECISION), "dtype": dtype, "precision": precision}

    def encode(self, side: str, texts: Sequence[str]) -> Rows:
        """Returns the vectors ``float32 [texts, hidden]``: as B to be stored, as A to be compared with stored ones."""
        if side == "b":
            return {VECTOR: self._encode(texts)}
        keys = {text: text_key(text) for text in texts}
        known: dict[str, Rows] = {}
        if (pages := self._known) is not None:
            rows = {text: pages.row(key) for text, key in keys.items() if key in pages}
            known = split_rows(list(rows), pages.tensors(np.array(list(rows.values()), np.int64)))

        def centred(new: list[str]) -> Rows:
            vectors = unit(self._encode(new) - self._center)
            densities = {DENSITY: self._density.of(vectors)[:, np.newaxis]} if self._density else {}
            return {VECTOR: vectors} | densities

        return stack_known(texts, known, centred)

    def encode_candidates(self, texts: Sequence[str]) -> Rows:
        """Returns the vectors of texts as B that `score` takes: centred, and of length 1."""
        return self.encode("a", texts)

    def score(self, a: Rows, b: Rows) -> np.ndarray:
        """Returns the probability that B comes next, ``float32 [rows of b]``.

        Without a fit it is no probability, but a number from 0 to 1 that increases with the cosine.
        """
        cosines = b[VECTOR].astype(np.float32) @ a[VECTOR][0]
        if not self._cosine:
            return (1 + cosines) / 2
        densities = a[DENSITY][0] + b[DENSITY][:, 0] if DENSITY in b else 0.0
        return self._cosine.probabilities(cosines, densities)

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        from keras_negaposi.modeling.frozen_encoder import POOLINGS

        return self._encoder.encode(texts, len(texts))[:, POOLINGS.index("mean")]


def _loaded(config: PretrainedConfig, expected: str | None, precision: str) -> FrozenEncoder:
    """Loads a BERT; raises an `InputError` if it cannot be loaded, or is not the one that is expected."""
    from keras_negaposi.modeling.frozen_encoder import FrozenEncoder  # with TensorFlow
    from keras_negaposi.modeling.pretrained import read_pretrained

    encoder = FrozenEncoder(read_pretrained(config), config.max_seq_length, precision)
    if expected not in (None, encoder.fingerprint(PRECISION)):
        raise InputError(
            f"{config.init_checkpoint}: not the BERT that made the index; build the index again with another --output"
        )
    return encoder
