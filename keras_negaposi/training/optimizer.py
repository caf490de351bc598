"""The optimizer and learning-rate schedule of google-research/bert (``optimization.py`` there)."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tf_keras
from official.nlp.optimization import WarmUp

from keras_negaposi.config import TrainConfig
from keras_negaposi.config.heads import is_cacheable
from keras_negaposi.modeling.common import encoder_of
from keras_negaposi.modeling.heads.layers import Projection

WEIGHT_DECAY = 0.01
CLIP_NORM = 1.0
NOT_DECAYED = ("LayerNorm", "layer_norm", "bias")
"""Variables whose names contain one of these get no weight decay."""
CACHEABLE_HEAD_LEARNING_RATE = 1e-3
"""Default for the randomly initialized variables of heads that encode A and B separately: they have few steps to learn
in."""
PROJECTION_SHARE = 0.1
"""Share of that rate for the projections: they start from the encoder's own similarity and would lose it within a dozen
steps at the full rate."""


@tf_keras.utils.register_keras_serializable(package="keras_negaposi")
class BertAdam(tf_keras.optimizers.Optimizer):
    """Adam with decoupled weight decay, with or without bias correction.

    ``m = b1 m + (1 - b1) g``, ``v = b2 v + (1 - b2) g^2``, ``w -= lr (c m / (sqrt(v) + epsilon) + decay w)``.

    In the original, c is 1. So m and v, which start at 0, are too small at first, v for a thousand steps, and the steps
    are up to 6.6 times as long as those of AdamW (Zhang et al. 2020, arXiv 2006.05987, on what this does to short
    fine-tuning). With ``bias_correction``, c is ``sqrt(1 - b2^t) / (1 - b1^t)`` in step t, as in section 2 of Kingma &
    Ba 2014 (arXiv 1412.6980).

    As in the original, every step updates all rows of an embedding table, including those that were not looked up. The
    base class applies the weight decay, and clips the global norm after the gradients of all replicas are summed.

    Args:
        learning_rate: a number or a schedule.
        beta_1: decay rate of the first moment (mean).
        beta_2: decay rate of the second moment (mean square).
        epsilon: added to the square root.
        weight_decay: for all variables except `NOT_DECAYED`.
        global_clipnorm: maximum norm of the gradients of all variables together.
        faster: factors of the learning rate, by variable name; all other variables have factor 1.
        bias_correction: whether to correct the bias of the moments.
        name: of the optimizer.
        **kwargs: passed to the base class.
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
        bias_correction: bool = False,
        name: str = "BertAdam",
        **kwargs: object,
    ) -> None:
        super().__init__(name, weight_decay=weight_decay, global_clipnorm=global_clipnorm, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.faster = dict(faster or {})
        self.bias_correction = bias_correction
        self._learning_rate = self._build_learning_rate(learning_rate)
        self.exclude_from_weight_decay(var_names=list(NOT_DECAYED))

    def build(self, var_list: list[tf.Variable]) -> None:
        """Creates the two moments of each variable."""
        super().build(var_list)
        if getattr(self, "_moments", None):
            return
        self._moments = [
            tuple(self.add_variable_from_reference(variable, name) for name in ("m", "v")) for variable in var_list
        ]

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Updates one variable and its moments."""
        m, v = self._moments[self._index_dict[self._var_key(variable)]]
        gradient = tf.convert_to_tensor(gradient)
        m.assign_add((gradient - m) * (1 - self.beta_1))
        v.assign_add((tf.square(gradient) - v) * (1 - self.beta_2))
        learning_rate = tf.cast(self.learning_rate, variable.dtype) * self.faster.get(variable.name, 1.0)
        if self.bias_correction:
            step = tf.cast(self.iterations + 1, variable.dtype)
            learning_rate *= tf.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        variable.assign_sub(learning_rate * m / (tf.sqrt(v) + self.epsilon))

    def get_config(self) -> dict[str, object]:
        """Returns the constructor's arguments."""
        return super().get_config() | {
            "learning_rate": self._serialize_hyperparameter(self._learning_rate),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "faster": self.faster,
            "bias_correction": self.bias_correction,
        }


def choose_optimizer(config: TrainConfig, model: tf_keras.Model, total_steps: int) -> BertAdam:
    """Returns the optimizer of a training run, with its schedule and the learning rates of the model's variables."""
    schedule = warmup_then_linear(config.learning_rate, total_steps, config.warmup_proportion)
    return BertAdam(schedule, faster=learning_rate_factors(config, model), bias_correction=config.adam_bias_correction)


def warmup_then_linear(
    learning_rate: float, train_steps: int, warmup_proportion: float
) -> tf_keras.optimizers.schedules.LearningRateSchedule:
    """Rises linearly from 0 for ``int(train_steps * warmup_proportion)`` steps, then falls linearly to 0 at the end.

    As in the original, the decay is computed from step 0, so the peak is slightly below ``learning_rate``.
    """
    decay = tf_keras.optimizers.schedules.PolynomialDecay(learning_rate, train_steps, end_learning_rate=0.0)
    warmup_steps = int(train_steps * warmup_proportion)
    return WarmUp(learning_rate, decay, warmup_steps) if warmup_steps else decay


def learning_rate_factors(config: TrainConfig, model: tf_keras.Model) -> dict[str, float]:
    """Returns factors of the learning rate, by name, for the variables that are not in the checkpoint."""
    default = CACHEABLE_HEAD_LEARNING_RATE if is_cacheable(config.head) else config.learning_rate
    factor = (config.head_learning_rate or default) / config.learning_rate
    from_checkpoint = {variable.ref() for variable in encoder_of(model).variables}
    new = [variable.name for variable in model.trainable_variables if variable.ref() not in from_checkpoint]
    projected = {v.name for layer in model.submodules if isinstance(layer, Projection) for v in layer.variables}
    factors = {name: factor * (PROJECTION_SHARE if name in projected else 1.0) for name in new}
    return {name: value for name, value in factors.items() if value != 1.0}
