"""The pages that a run has encoded as B for its densities, so that an index need not encode them again.

The SavedModel of a bi-encoder contains their vectors, and the run's folder the keys of their texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists
from checkpoints_tools.common.schema import read_as
from keras_negaposi.data.texts import text_key
from keras_negaposi.modeling.heads.tensor_names import DENSITY, VECTOR
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.by_ids import Outputs
from keras_negaposi.serving.density import density_of
from keras_negaposi.serving.signatures import split_rows

_FIX = "remove it: an index then encodes all pages"


class KnownPages:
    """Tensors of pages as B, by their texts.

    Args:
        run: folder of a finished run.
        loaded: its SavedModel.

    Raises:
        InputError: the keys are damaged or belong to another SavedModel.
    """

    def __init__(self, run: str, loaded: tf.Module) -> None:
        path = RunFolder(run).reference_pages
        self._rows: dict[str, int] = {}
        if not exists(path) or (density := density_of(loaded)) is None:
            return
        self._density = density
        keys, count = read_as(list[str], path, _FIX), self._density.pages.shape[0]
        if len(keys) != count:
            raise InputError(f"{path}: {len(keys):,} keys of the SavedModel's {count:,} pages; {_FIX}")
        self._rows = {key: row for row, key in enumerate(keys)}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def count(self, keys: Iterable[str]) -> int:
        """Returns how many of the texts with these keys are known."""
        return sum(key in self._rows for key in keys)

    def of(self, texts: Sequence[str]) -> dict[str, Outputs]:
        """Returns the tensors of those texts that are known: a vector, ``float32 [size]``, and a density."""
        rows = {text: row for text in texts if (row := self._rows.get(text_key(text))) is not None}
        if not rows:
            return {}
        vectors = tf.gather(self._density.pages, list(rows.values())).numpy().astype(np.float32)
        return split_rows(list(rows), {VECTOR: vectors, DENSITY: self._density.of(vectors)[:, np.newaxis]})
