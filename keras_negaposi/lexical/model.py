"""Logistic regression on the lexical features: fitted, stored with a run, and applied again."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_bytes, write_bytes
from keras_negaposi.data.pairs import Pair
from keras_negaposi.lexical.features import COSINE_FEATURE, feature_names, lexical_features
from keras_negaposi.lexical.neighbours import Neighbours
from keras_negaposi.lexical.ngrams import BUCKETS
from keras_negaposi.lexical.vocabulary import KINDS, PageFrequencies

INVERSE_REGULARIZATION = 0.1
"""``C`` of the logistic regression, chosen by cross-validation on training pairs."""
LINEAR = ("mean", "scale", "coefficients", "intercept")
"""Names in the file of a linear model's numbers; with `PLAIN` before them, those of `LexicalModel.plain`."""
PLAIN = "plain_"
FIX = "finish the run again with --resume"


@dataclasses.dataclass(frozen=True)
class LexicalModel:
    """A linear model on standardised lexical features.

    With neighbours there are two: one for pairs of pages of the corpus, and one for other texts, whose documents' pages
    may be missing in the corpus, so that a comparison with other pages would mislead.

    Attributes:
        frequencies: page frequencies of the corpus.
        mean: mean of each feature on the training pairs, ``float64 [features]``.
        scale: standard deviation of each feature, ``float64 [features]``.
        coefficients: weight of each standardised feature, ``float64 [features]``.
        intercept: logit where all features have their mean.
        neighbours: pages of the corpus, with which pairs are compared; ``None`` if no feature does that.
        plain: the model without neighbours, for texts that are no pages of the corpus.
        alone: whether it was fitted alone; otherwise together with what else is known of a pair (`fit_with`).
    """

    frequencies: PageFrequencies
    mean: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float
    neighbours: Neighbours | None = None
    plain: LexicalModel | None = None
    alone: bool = True

    @classmethod
    def fit(
        cls,
        texts: Mapping[str, str],
        train: Sequence[Pair],
        frequencies: PageFrequencies | None = None,
        neighbours: Neighbours | None = None,
    ) -> LexicalModel:
        """Fits the model to labelled pairs.

        Args:
            texts: title -> text of the whole corpus.
            train: the training pairs.
            frequencies: page frequencies of the corpus, which need no labels; ``None`` to count them.
            neighbours: pages of the corpus; ``None`` to compute their vectors.
        """
        frequencies = frequencies or PageFrequencies.of(texts.values())
        neighbours = neighbours or Neighbours.of(frequencies, texts.values())
        features = features_of_pairs(frequencies, texts, train, neighbours)
        return cls.fit_features(frequencies, features, [pair.label for pair in train], neighbours)

    @classmethod
    def fit_features(
        cls,
        frequencies: PageFrequencies,
        features: np.ndarray,
        labels: Sequence[int],
        neighbours: Neighbours | None = None,
    ) -> LexicalModel:
        """Fits the model to features that are computed already.

        Args:
            frequencies: page frequencies of the corpus, with which the features were computed.
            features: of the training pairs, ``float32 [pairs, features]``.
            labels: of the training pairs.
            neighbours: pages of the corpus, with which the features were computed.
        """
        linear = cls._fit_linear(features, labels)
        plain = cls.fit_features(frequencies, features[:, : len(feature_names())], labels) if neighbours else None
        return cls(frequencies, *linear, neighbours, plain)

    @classmethod
    def fit_with(
        cls, texts: Mapping[str, str], train: Sequence[Pair], others: np.ndarray
    ) -> tuple[LexicalModel, np.ndarray, float]:
        """Fits the model to labelled pairs, together with the weights of what else is known of the pairs.

        So the lexical features say what the others do not know. The logit of a pair is the sum of the model's logit, of
        the weighted others and of a constant.

        Args:
            texts: title -> text of the whole corpus.
            train: the training pairs.
            others: of the training pairs, ``float [pairs, others]``.

        Returns:
            The model, the weights, ``float64 [others]``, and the constant, with which the weighted others are 0 in the
            mean.
        """
        frequencies = PageFrequencies.of(texts.values())
        neighbours = Neighbours.of(frequencies, texts.values())
        features = features_of_pairs(frequencies, texts, train, neighbours)
        labels = [pair.label for pair in train]
        model, weights, constant = cls._fit_together(frequencies, features, labels, others, neighbours)
        # The model for other texts gets the same weighted others.
        known = (others @ weights + constant)[:, np.newaxis]
        plain, (weight,), _ = cls._fit_together(frequencies, features[:, : len(feature_names())], labels, known)
        plain = dataclasses.replace(plain, coefficients=plain.coefficients / weight, intercept=plain.intercept / weight)
        return dataclasses.replace(model, plain=plain), weights, constant

    @classmethod
    def _fit_together(
        cls,
        frequencies: PageFrequencies,
        features: np.ndarray,
        labels: Sequence[int],
        others: np.ndarray,
        neighbours: Neighbours | None = None,
    ) -> tuple[LexicalModel, np.ndarray, float]:
        """Returns a model without ``plain``, the weights of the others, and the constant; see `fit_with`."""
        mean, scale, coefficients, intercept = cls._fit_linear(np.hstack([features, others]), labels)
        count = features.shape[1]
        linear = mean[:count], scale[:count], coefficients[:count], intercept
        weights = coefficients[count:] / scale[count:]
        return cls(frequencies, *linear, neighbours, alone=False), weights, -float(mean[count:] @ weights)

    @staticmethod
    def _fit_linear(features: np.ndarray, labels: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Returns the numbers of a linear model, in the order of `LINEAR`."""
        from sklearn.linear_model import LogisticRegression  # slow to import, and only fitting needs it
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(features)
        regression = LogisticRegression(max_iter=2000, C=INVERSE_REGULARIZATION)
        regression.fit(scaler.transform(features), labels)
        return scaler.mean_, scaler.scale_, regression.coef_[0], float(regression.intercept_[0])

    @classmethod
    def of_cosine(cls, frequencies: PageFrequencies) -> LexicalModel:
        """Returns the model whose logit is the TF-IDF cosine, for a corpus without any labelled pair."""
        names = feature_names()
        coefficients = np.zeros(len(names))
        coefficients[names.index(COSINE_FEATURE)] = 1.0
        return cls(frequencies, np.zeros(len(names)), np.ones(len(names)), coefficients, 0.0)

    def logits(self, texts: Mapping[str, str], pairs: Sequence[Pair]) -> np.ndarray:
        """Scores pairs of titles, ``float64 [pairs]``; above 0, B is predicted to come next."""
        return self.logits_of_features(features_of_pairs(self.frequencies, texts, pairs, self.neighbours))

    def logits_of_texts(self, text_a: Sequence[str], text_b: Sequence[str]) -> np.ndarray:
        """Scores pairs of texts, ``float64 [pairs]``."""
        first, second = np.arange(len(text_a)), np.arange(len(text_a), 2 * len(text_a))
        return self.logits_of_rows([*text_a, *text_b], first, second)

    def logits_of_rows(self, texts: Sequence[str], a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Scores pairs of texts that are in several pairs, ``float64 [pairs]``.

        Args:
            texts: each text once.
            a: index of the text that is A, ``int [pairs]``.
            b: index of the text that is B, ``int [pairs]``.
        """
        return self.logits_of_features(lexical_features(self.frequencies, texts, a, b, self.neighbours)[1])

    def logits_of_features(self, features: np.ndarray) -> np.ndarray:
        """Scores pairs by their features, ``float32 [pairs, features]``; returns ``float64 [pairs]``."""
        logits = ((features - self.mean) / self.scale) @ self.coefficients + self.intercept
        if self.plain is None:
            return logits
        are_pages = features[:, -1] > 0
        return np.where(are_pages, logits, self.plain.logits_of_features(features[:, : len(feature_names())]))

    def with_pages(self, texts: Iterable[str]) -> LexicalModel:
        """Returns the model that compares pairs with these pages, if it compares them with any."""
        return dataclasses.replace(self, neighbours=Neighbours.of(self.frequencies, texts)) if self.neighbours else self

    def save(self, path: str) -> None:
        """Writes the model as a compressed ``.npz`` file; page frequencies are stored sparsely."""
        arrays: dict[str, np.ndarray] = {
            "features": np.array(feature_names(self.neighbours is not None)),
            "pages": np.array(self.frequencies.pages),
            "alone": np.array(self.alone),
            **self._linear(),
        }
        for number, kind in enumerate(KINDS):
            buckets = np.flatnonzero(self.frequencies.counts[kind])
            arrays[f"buckets_{number}"] = buckets.astype(np.int32)
            arrays[f"counts_{number}"] = self.frequencies.counts[kind][buckets]
        if self.neighbours and self.plain:
            arrays |= self.neighbours.arrays() | {PLAIN + name: array for name, array in self.plain._linear().items()}
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, **arrays)
        write_bytes(path, content.getvalue())

    def _linear(self) -> dict[str, np.ndarray]:
        """Returns the numbers of the linear model, by their names in the file."""
        intercept = np.array(self.intercept)
        return dict(zip(LINEAR, (self.mean, self.scale, self.coefficients, intercept), strict=True))

    @classmethod
    def load(cls, path: str) -> LexicalModel:
        """Reads what `save` has written.

        Raises:
            InputError: as `of_content`, or the file is missing.
        """
        return cls.of_content(read_bytes(path), path)

    @classmethod
    def of_content(cls, content: bytes, path: str, fix: str = FIX) -> LexicalModel:
        """Makes a model of the content of a file that `save` has written.

        Args:
            content: of the file.
            path: of the file, for messages.
            fix: what to do if it cannot be used, the end of the message.

        Raises:
            InputError: the content is damaged or another version's; the message names the file.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                arrays = dict(file)
            names = arrays["features"].tolist()
            has_neighbours = len(names) > len(feature_names())
            counts = {}
            for number, kind in enumerate(KINDS):
                counts[kind] = np.zeros(BUCKETS, np.float32)
                counts[kind][arrays[f"buckets_{number}"]] = arrays[f"counts_{number}"]
            frequencies = PageFrequencies(int(arrays["pages"]), counts)
            neighbours = Neighbours.from_arrays(arrays) if has_neighbours else None
            plain = cls(frequencies, *_linear_of(arrays, PLAIN)) if has_neighbours else None
            alone = bool(arrays.get("alone", True))  # older versions did not write it
            model = cls(frequencies, *_linear_of(arrays), neighbours, plain, alone)
        except Exception as error:  # a damaged .npz can raise anything
            raise InputError(f"{path}: damaged ({type(error).__name__}); {fix}") from None
        known = names == feature_names(has_neighbours)
        if not known or not model.has(len(names)) or (plain and not plain.has(len(feature_names()))):
            raise InputError(f"{path}: holds other lexical features than this version computes; {fix}")
        finite = all(np.isfinite(column).all() for column in counts.values())
        if not finite or frequencies.pages < 0 or not all(part.is_possible() for part in (model, plain) if part):
            raise InputError(f"{path}: holds values that no model has; {fix}")
        return model

    def has(self, features: int) -> bool:
        """Returns whether the linear model has so many features."""
        return all(len(column) == features for column in (self.mean, self.scale, self.coefficients))

    def is_possible(self) -> bool:
        """Returns whether the linear model's numbers are finite, and its scales positive."""
        return bool(all(np.isfinite(column).all() for column in self._linear().values()) and (self.scale > 0).all())


def _linear_of(arrays: Mapping[str, np.ndarray], prefix: str = "") -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Returns the numbers of a linear model from the arrays of a file."""
    mean, scale, coefficients, intercept = (arrays[prefix + name].astype(np.float64).reshape(-1) for name in LINEAR)
    return mean, scale, coefficients, float(intercept[0])


def features_of_pairs(
    frequencies: PageFrequencies,
    texts: Mapping[str, str],
    pairs: Sequence[Pair],
    neighbours: Neighbours | None = None,
) -> np.ndarray:
    """Computes the lexical features of pairs of titles, ``float32 [pairs, features]``; see `lexical_features`."""
    numbers = {title: number for number, title in enumerate(sorted({t for pair in pairs for t in (pair.a, pair.b)}))}
    ends = np.array([[numbers[pair.a], numbers[pair.b]] for pair in pairs], np.int64).reshape(-1, 2)
    a, b = ends.T
    return lexical_features(frequencies, [texts[title] for title in numbers], a, b, neighbours)[1]
