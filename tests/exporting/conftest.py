"""One tiny run of each head that other libraries can load."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401 - the SavedModel needs its op

from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.hybrid import logits_of
from keras_negaposi.serving.signatures import join_sides
from tests.helpers.runs import HYBRID


@pytest.fixture(scope="session")
def runs(finished_run, tmp_path_factory):
    """Head -> a finished run, which is never changed by the tests."""
    folder = tmp_path_factory.mktemp("runs")
    return {head: finished_run(folder / head, **HYBRID, head=head) for head in ("pair", "vector")}


@pytest.fixture(scope="session")
def cosine_alone(runs):
    """Returns a function: encoded sides of pairs -> probabilities by their cosine alone, without densities."""

    def probabilities(sides):
        score = tf.saved_model.load(str(runs["vector"] / "saved_model")).signatures["score"]
        together = score(**join_sides(sides))["probabilities"].numpy()[:, 1]
        calibration = saved_calibration(RunFolder(str(runs["vector"])))
        weights, densities = calibration.density, sum(side["density"].numpy()[:, 0] for side in sides.values())
        logits = (logits_of(together) - weights.density * densities - weights.bias) / weights.logit
        return 1 / (1 + np.exp(-logits / calibration.temperature))

    return probabilities


@pytest.fixture(scope="session")
def pairs(corpus):
    """Two texts per pair: a quarter are short, others are cut."""
    texts = [text * (1 + number % 3) if number % 4 else text[:9] for number, text in enumerate(corpus.values())]
    return texts[:40], texts[40:80]
