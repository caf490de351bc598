"""Scores pairs with a bi-encoder by the vectors of their texts, and compares these with the pages of the corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.reference_pages import NEAREST, evenly_spaced
from keras_negaposi.data.texts import text_key
from keras_negaposi.evaluation.metrics import Scores
from keras_negaposi.input_pipeline.packing import SeparatePreprocessor
from keras_negaposi.modeling.heads.bi_encoder import BiEncoder
from keras_negaposi.modeling.heads.tensor_names import VECTOR
from keras_negaposi.serving.density import Density
from keras_negaposi.training.text_vectors import TextVectors


class VectorScorer:
    """Scores pairs as the exported model does, or faster in the precision of the training.

    Args:
        model: the bi-encoder in float32.
        fast_model: the same in the precision of the training, for pages and training pairs.
        preprocessor: its tokenizer and input layout.
        texts: title -> text of the whole corpus.
        most: number of pages with which texts are compared, evenly spaced.
        batch_size: texts per step, and of the scores.

    Attributes:
        page_keys: of the texts of these pages.
        density: knows the vectors of these pages; ``None`` if there are too few.
    """

    def __init__(
        self,
        model: BiEncoder,
        fast_model: BiEncoder,
        preprocessor: SeparatePreprocessor,
        texts: Mapping[str, str],
        most: int,
        batch_size: int,
    ) -> None:
        self._model, self._texts, self._batch_size = model, texts, batch_size
        self._exact = TextVectors(model, preprocessor, batch_size)
        self._fast = self._exact if fast_model is model else TextVectors(fast_model, preprocessor, batch_size)
        pages = evenly_spaced(list(dict.fromkeys(texts.values())), most)
        self.page_keys = list(map(text_key, pages))
        self.density = Density(self._fast.of("b", pages)) if len(pages) > NEAREST else None

    def score(self, pairs: Sequence[Pair], exactly: bool = True) -> Scores:
        """Returns the scores of pairs before any calibration, with their densities.

        Args:
            pairs: pairs of titles.
            exactly: whether to encode the texts in float32.
        """
        vectors = self._exact if exactly else self._fast
        a = vectors.of("a", [self._texts[pair.a] for pair in pairs])
        b = vectors.of("b", [self._texts[pair.b] for pair in pairs])
        probabilities = self._model.probabilities({VECTOR: tf.constant(a)}, {VECTOR: tf.constant(b)}).numpy()[:, 1]
        densities = self.density.of(a) + self.density.of(b) if self.density else None
        labels = np.array([pair.label for pair in pairs])
        return Scores(labels, probabilities, batch_size=self._batch_size, densities=densities)
