"""Writes the SavedModel: a signature that takes texts and contains the tokenizer, and one that takes token ids.

A bi-encoder's SavedModel has further signatures that encode A and B separately and score encoded sides.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace

import tensorflow as tf
import tf_keras

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.files import staged_tree
from keras_negaposi.config.heads import SIDES
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, Features, side_of
from keras_negaposi.input_pipeline.packing import PairPreprocessor, SeparatePreprocessor, trim
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.lexical.scoring_ops import LexicalScorer
from keras_negaposi.modeling.heads.bi_encoder_base import CacheableModel, Side
from keras_negaposi.modeling.heads.tensor_names import DENSITY, VECTOR
from keras_negaposi.runtime.tf_functions import traced
from keras_negaposi.serving.calibration import Calibration
from keras_negaposi.serving.density import Density
from keras_negaposi.serving.hybrid import SMALLEST, Hybrid
from keras_negaposi.serving.partner import Partner
from keras_negaposi.serving.signatures import (
    ENCODE_IDS,
    ENCODE_TEXTS,
    LABEL,
    PAIR_OF_TEXTS,
    PROBABILITIES,
    SCORE_IDS,
    SCORE_SIDES,
    SCORE_SIDES_HALF,
    SCORE_TEXTS,
    TEXT,
    join_sides,
    split_sides,
)


class PairScorer(tf.Module):
    """A pair model with its tokenizer and calibration, ready for export.

    Only the signatures and the variables that they use are saved. A Keras model as an attribute would be saved with the
    functions of every layer, which doubles the time for writing and loading.
    """

    def __init__(
        self,
        model: tf_keras.Model,
        preprocessor: PairPreprocessor,
        calibration: Calibration,
        lexical: LexicalModel | None = None,
        partner: Partner | None = None,
    ) -> None:
        super().__init__()
        self._untracked = SimpleNamespace(model=model)
        self.weights = list(model.variables)
        self._preprocessor = preprocessor
        self._calibration = calibration
        self._lexical = LexicalScorer(lexical) if lexical else None
        self._partner = partner
        self._takes_texts = preprocessor.tokenizer.in_graph
        # The attributes are named as the signatures are.
        self.ids = traced(self._score_ids, [preprocessor.layout.signature()])
        if self._takes_texts:
            texts = [tf.TensorSpec([None], tf.string, name) for name in PAIR_OF_TEXTS]
            self.serving_default = traced(self._score_texts, texts)

    @property
    def model(self) -> tf_keras.Model:
        """The model that computes the probabilities."""
        return self._untracked.model

    def signatures(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """Returns the functions by the names of their signatures."""
        return self._named(SCORE_IDS, of_texts=[SCORE_TEXTS])

    def _named(self, *names: str, of_texts: Iterable[str]) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """Returns the functions of these names, and of those that take texts if there are any."""
        return {name: getattr(self, name) for name in (*names, *(of_texts if self._takes_texts else []))}

    def _score_texts(self, text_a: tf.Tensor, text_b: tf.Tensor) -> Features:
        names = self._preprocessor.layout.inputs

        def tokenize() -> tuple[tf.Tensor, ...]:
            packed = trim(self._preprocessor(text_a, text_b))
            return tuple(packed[name] for name in names)

        # TensorFlow resolves the operations in a branch only when the branch runs. This branch always runs, but being
        # a branch it lets a program without tensorflow_text, such as saved_model_cli, load the SavedModel and run the
        # signature for token ids.
        packed = tf.switch_case(tf.rank(text_a) - 1, [tokenize])
        scored = self.ids(dict(zip(names, packed, strict=True)))
        hybrid = self._calibration.combination
        if hybrid is None or self._lexical is None:
            return scored
        partner = self._partner(text_a, text_b) if self._partner else None
        return self._combined(hybrid, scored[PROBABILITIES], self._lexical(text_a, text_b), partner)

    def _combined(
        self, hybrid: Hybrid, probabilities: tf.Tensor, lexical_logits: tf.Tensor, partner: tf.Tensor | None
    ) -> Features:
        """Combines probabilities, ``float32 [batch, 2]`` each, with lexical logits, as `Hybrid.combine` does."""
        logits = hybrid.neural * _logits_of(probabilities) + hybrid.lexical * lexical_logits + hybrid.bias
        if partner is not None:
            logits += hybrid.partner * _logits_of(partner)
        combined = tf.cast(tf.sigmoid(logits), tf.float32)
        label = tf.cast(combined > self._calibration.decision_threshold, tf.int32)
        return {PROBABILITIES: tf.stack([1 - combined, combined], 1), LABEL: label}

    def _score_ids(self, inputs: Features) -> Features:
        return self._calibrated(self.model(inputs, training=False))

    def _calibrated(self, probabilities: tf.Tensor, densities: tf.Tensor | None = None) -> Features:
        """Applies the calibration to the model's probabilities, as `Calibration.apply` does.

        Args:
            probabilities: ``float32 [batch, 2]``.
            densities: of A and B together, ``float32 [batch, 1]``, if they are known.
        """
        weights = self._calibration.density
        logits = tf.math.log(tf.maximum(probabilities, SMALLEST))  # in float32, as int8 models need it
        if weights and densities is not None:
            logit = weights.logit * (logits[:, 1] - logits[:, 0]) + weights.density * densities[:, 0] + weights.bias
            probabilities = tf.stack([tf.sigmoid(-logit), tf.sigmoid(logit)], 1)
        elif self._calibration.temperature != 1.0:
            probabilities = tf.nn.softmax(logits / self._calibration.temperature)
        label = tf.cast(probabilities[:, 1] > self._calibration.threshold_alone, tf.int32)
        return {PROBABILITIES: probabilities, LABEL: label}


class CacheableScorer(PairScorer):
    """A bi-encoder with its tokenizer and calibration: it also encodes the sides separately and scores them."""

    def __init__(
        self,
        model: CacheableModel,
        preprocessor: SeparatePreprocessor,
        calibration: Calibration,
        lexical: LexicalModel | None = None,
        partner: Partner | None = None,
        density: Density | None = None,
    ) -> None:
        self._density = density
        super().__init__(model, preprocessor, calibration, lexical, partner)
        self._pack_side = preprocessor.side

        # Encode one side, from token ids or from texts.
        ids = [{name: tf.TensorSpec([None, None], tf.int32, name) for name in ENCODER_INPUTS}]
        self.encode_a_ids = traced(lambda inputs: self._side("a", inputs), ids)
        self.encode_b_ids = traced(lambda inputs: self._side("b", inputs), ids)
        if self._takes_texts:
            text = tf.TensorSpec([None], tf.string, TEXT)
            self.encode_a = traced(lambda text: self._encode("a", text), [text])
            self.encode_b = traced(lambda text: self._encode("b", text), [text])

        # Score two encoded sides. Their tensors depend on the head, so their shapes are read from the functions above.
        encoded = {side: getattr(self, ENCODE_IDS[side]).get_concrete_function().structured_outputs for side in SIDES}
        specs = {
            name: tf.TensorSpec([None, *spec.shape[1:]], spec.dtype, name) for name, spec in join_sides(encoded).items()
        }
        half = {name: _half(spec) if name.startswith("b_") else spec for name, spec in specs.items()}
        self.score = traced(self._score, [specs])
        self.score_half = traced(self._score, [half])

    def signatures(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """Returns the functions by the names of their signatures."""
        of_sides = self._named(SCORE_SIDES, SCORE_SIDES_HALF, *ENCODE_IDS.values(), of_texts=ENCODE_TEXTS.values())
        return super().signatures() | of_sides

    def _encode(self, side: str, text: tf.Tensor) -> Side:
        def tokenize() -> tuple[tf.Tensor, ...]:
            packed = trim(self._pack_side(side, text))
            return tuple(packed[name] for name in ENCODER_INPUTS)

        packed = tf.switch_case(tf.rank(text) - 1, [tokenize])  # a branch for the reason given in `_score_texts`
        return getattr(self, ENCODE_IDS[side])(dict(zip(ENCODER_INPUTS, packed, strict=True)))

    def _side(self, side: str, inputs: Features) -> Side:
        """Encodes one side from its token ids, ``int32 [batch, seq]`` each."""
        tensors = self.model.encode_a(inputs) if side == "a" else self.model.encode_b(inputs)
        return tensors | {DENSITY: self._density(tensors[VECTOR])} if self._density else tensors

    def _score_ids(self, inputs: Features) -> Features:
        if not self._density:
            return super()._score_ids(inputs)
        return self._score(join_sides({side: self._side(side, side_of(inputs, side)) for side in SIDES}))

    def _score(self, tensors: Features) -> Features:
        sides = split_sides(tensors)
        densities = None
        if self._density:
            a, b = (tf.cast(sides[side].pop(DENSITY), tf.float32) for side in SIDES)
            densities = a + b  # one A has as many rows as B, or a single one
        return self._calibrated(self.model.score(sides["a"], sides["b"]), densities)


def make_scorer(
    model: tf_keras.Model,
    preprocessor: PairPreprocessor,
    calibration: Calibration,
    lexical: LexicalModel | None = None,
    partner: Partner | None = None,
    density: Density | None = None,
) -> PairScorer:
    """Returns the model with the functions that `export` writes."""
    if not isinstance(model, CacheableModel):
        return PairScorer(model, preprocessor, calibration, lexical, partner)
    if not isinstance(preprocessor, SeparatePreprocessor):
        raise TypeError(f"a bi-encoder needs a {SeparatePreprocessor.__name__}")
    return CacheableScorer(model, preprocessor, calibration, lexical, partner, density)


def _logits_of(probabilities: tf.Tensor) -> tf.Tensor:
    """Returns the logits of "B comes next", ``float64 [batch]``, as `hybrid.logits_of` does."""
    p = tf.clip_by_value(tf.cast(probabilities[:, 1], tf.float64), SMALLEST, 1 - SMALLEST)
    return tf.math.log(p) - tf.math.log1p(-p)


def _half(spec: tf.TensorSpec) -> tf.TensorSpec:
    return tf.TensorSpec(spec.shape, tf.float16, spec.name) if spec.dtype.is_floating else spec


def export(
    model: tf_keras.Model,
    preprocessor: PairPreprocessor,
    calibration: Calibration,
    path: str,
    lexical: LexicalModel | None = None,
    partner: Partner | None = None,
    density: Density | None = None,
) -> None:
    """Writes a SavedModel with these signatures.

    - ``serving_default`` takes ``text_a`` and ``text_b``, ``string [batch]`` each. A program that loads the SavedModel
      must import tensorflow_text.
    - ``ids`` takes the inputs of the preprocessor's layout, ``int32 [batch, seq]`` each.

    Both return ``probabilities``, ``float32 [batch, 2]``, and ``label``, ``int32 [batch]``. With a ``lexical`` model,
    ``serving_default`` returns the hybrid's probabilities, which also take a ``partner`` into account. ``ids`` and the
    signatures below see no characters, so theirs are always purely neural. Those of a bi-encoder with a ``density``
    compare vectors with those of the pages that it knows.

    A bi-encoder has six more:

    - ``encode_a`` and ``encode_b`` take ``text``, ``string [batch]``, and return that side's tensors.
    - ``encode_a_ids`` and ``encode_b_ids`` do the same for `feature_spec.ENCODER_INPUTS`, ``int32 [batch, seq]`` each.
    - ``score`` takes the tensors of both sides, with ``a_`` and ``b_`` before their names, and returns the same as
      ``serving_default``. A single row of A is compared with every row of B.
    - ``score_half`` is ``score`` with B's side in float16.

    Those that take texts are left out where the tokenizer is no TensorFlow op.
    """
    if not preprocessor.tokenizer.in_graph:
        say(f"{path}: takes token ids only, because MeCab cannot be part of a SavedModel; predict and index tokenize")
    scorer = make_scorer(model, preprocessor, calibration, lexical, partner, density)
    with staged_tree(path) as staging:
        tf.saved_model.save(scorer, staging, signatures=scorer.signatures())
