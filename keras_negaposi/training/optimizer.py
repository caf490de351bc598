"""google-research/bert's optimizer and learning-rate schedule (``optimization.py`` there)."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tf_keras
from official.nlp.optimization import WarmUp

WEIGHT_DECAY = 0.01
CLIP_NORM = 1.0
NOT_DECAYED = ("LayerNorm", "layer_norm", "bias")
"""Parts of the names of variables that are left without weight decay."""


@tf_keras.utils.register_keras_serializable(package="keras_negaposi")
class BertAdam(tf_keras.optimizers.Optimizer):
    """Adam with decoupled weight decay and without bias correction.

    ``m = b1 m + (1 - b1) g``, ``v = b2 v + (1 - b2) g^2``, ``w -= lr (m / (sqrt(v) + epsilon) + decay w)``.

    Unlike AdamW (and tf-models' ``AdamWeightDecay``), m and v are not divided by ``1 - b^t``. Every row of an
    embedding moves in every step, whether it was looked up or not, as in the original. The global norm is clipped
    after the replicas' gradients are added up; the base class applies decay and clipping.

    Args:
        learning_rate: or its schedule.
        beta_1: of the mean.
        beta_2: of the mean square.
        epsilon: added to the root.
        weight_decay: of all but `NOT_DECAYED`.
        global_clipnorm: of the gradients of all variables together.
        faster: factor of the learning rate by variable's name, for those that differ.
        name: of the optimizer.
        **kwargs: the base class's.
    """

    def __init__(
        self,
        learning_rate: float | tf_keras.optimizers.schedules.LearningRateSchedule,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        weight_decay: float = WEIGHT_DECAY,
        global_clipnorm: float = CLIP_NORM,
        faster: Mapping[str, float] | None = None,
        name: str = "BertAdam",
        **kwargs: object,
    ) -> None:
        super().__init__(name, weight_decay=weight_decay, global_clipnorm=global_clipnorm, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.faster = dict(faster or {})
        self._learning_rate = self._build_learning_rate(learning_rate)
        self.exclude_from_weight_decay(var_names=list(NOT_DECAYED))

    def build(self, var_list: list[tf.Variable]) -> None:
        """Makes the two moments of each variable."""
        super().build(var_list)
        if getattr(self, "_moments", None):
            return
        self._moments = [
            tuple(self.add_variable_from_reference(variable, name) for name in ("m", "v")) for variable in var_list
        ]

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Moves one variable."""
        m, v = self._moments[self._index_dict[self._var_key(variable)]]
        gradient = tf.convert_to_tensor(gradient)
        m.assign_add((gradient - m) * (1 - self.beta_1))
        v.assign_add((tf.square(gradient) - v) * (1 - self.beta_2))
        learning_rate = tf.cast(self.learning_rate, variable.dtype) * self.faster.get(variable.name, 1.0)
        variable.assign_sub(learning_rate * m / (tf.sqrt(v) + self.epsilon))

    def get_config(self) -> dict[str, object]:
        """Constructor arguments."""
        return super().get_config() | {
            "learning_rate": self._serialize_hyperparameter(self._learning_rate),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "faster": self.faster,
        }


def warmup_then_linear(
    learning_rate: float, train_steps: int, warmup_proportion: float
) -> tf_keras.optimizers.schedules.LearningRateSchedule:
    """Rises linearly from 0 over ``int(train_steps * warmup_proportion)`` steps, then falls linearly to 0 at the end.

    As in the original the fall is counted from step 0, so the peak is a little below ``learning_rate``.
    """
    decay = tf_keras.optimizers.schedules.PolynomialDecay(learning_rate, train_steps, end_learning_rate=0.0)
    warmup_steps = int(train_steps * warmup_proportion)
    return WarmUp(learning_rate, decay, warmup_steps) if warmup_steps else decay
