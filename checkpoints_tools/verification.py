"""Compares the outputs of two BERTs layer by layer and looks for the cause of a difference."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from checkpoints_tools import name_map
from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.encoder import assign_encoder, build_encoder
from checkpoints_tools.source import Source

TOLERANCE = 1e-5
SEED = 0
_ROWS = 4
_SHORT, _LONGEST = 8, 2048
_SHOWN = 3
_SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size", "type_vocab_size")
_SAME_SHAPES = ("num_attention_heads", "gelu_approximate", "layer_norm_eps")
"""Fields in which two configs can differ while all shapes agree."""

Inputs = dict[str, np.ndarray]
Outputs = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Difference:
    """The largest difference of one output over all inputs.

    Attributes:
        output: the output's name.
        absolute: the largest absolute difference.
        relative: ``absolute`` divided by the output's largest absolute value.
    """

    output: str
    absolute: float
    relative: float


@dataclasses.dataclass(frozen=True)
class Verification:
    """The result of `verify`.

    Attributes:
        differences: of the embeddings, each layer and the pooled output, in this order.
        tolerance: the largest absolute difference that counts as equal.
        likely_causes: sentences; empty if the outputs are equal.
    """

    differences: list[Difference]
    tolerance: float
    likely_causes: list[str]

    @property
    def first_difference(self) -> Difference | None:
        """The first output that differs by more than the tolerance."""
        return next((d for d in self.differences if not d.absolute <= self.tolerance), None)

    def describe(self) -> str:
        """Returns a table of the differences, and the likely causes."""
        lines = [f"{'output':<18}{'max abs':>10}{'relative':>10}"]
        lines += [f"{d.output:<18}{d.absolute:>10.1e}{d.relative:>10.1e}" for d in self.differences]
        if self.first_difference is None:
            return "\n".join([*lines, f"equal within {self.tolerance:g}"])
        lines.append(f"NOT equal within {self.tolerance:g}; the first difference is in: {self.first_difference.output}")
        return "\n".join([*lines, *(f"likely cause: {cause}" for cause in self.likely_causes)])


def verify(a: Source, b: Source, tolerance: float = TOLERANCE) -> Verification:
    """Runs both encoders on the same inputs and compares the outputs of every layer.

    The seeded inputs cover short and full length, masks with gaps and both token types.

    Args:
        a: the reference.
        b: the checkpoint to check.
        tolerance: the largest absolute difference of any output that counts as equal.

    Raises:
        InputError: the sizes of the two differ, or the tolerance is negative or not finite.
    """
    if not 0.0 <= tolerance < math.inf:
        raise InputError(f"--tolerance {tolerance}: must be at least 0 and finite")
    for name in _SIZES:
        ours, theirs = getattr(a.config, name), getattr(b.config, name)
        if ours != theirs:
            raise InputError(f"{a.path} and {b.path}: {name} is {ours} and {theirs}; give two checkpoints of one BERT")
    longest = min(_LONGEST, *(source.config.max_position_embeddings for source in (a, b)))
    inputs = list(make_inputs(a.config, longest))
    reference = _outputs(a, a.config, inputs)
    differences = compare(reference, _outputs(b, b.config, inputs))
    verification = Verification(differences, tolerance, [])
    if verification.first_difference is None:
        return verification
    return dataclasses.replace(verification, likely_causes=list(_causes(a, b, inputs, reference, verification)))


def make_inputs(config: BertConfig, longest: int) -> Iterator[Inputs]:
    """Yields seeded inputs: dicts of ``int32 [4, seq]``, with a length of at most 8 and of ``longest``."""
    rng = np.random.default_rng(SEED)
    for length in sorted({min(_SHORT, longest), longest}):
        shape = (_ROWS, length)
        with_gaps = rng.integers(0, 2, shape)
        with_gaps[:, 0] = 1
        is_second = np.arange(length) >= rng.integers(0, length, (_ROWS, 1))  # token type 0, then 1
        types = np.minimum(is_second, config.type_vocab_size - 1)
        for mask in (np.ones(shape), with_gaps):
            yield {
                "input_word_ids": rng.integers(0, config.vocab_size, shape).astype(np.int32),
                "input_mask": mask.astype(np.int32),
                "input_type_ids": types.astype(np.int32),
            }


def compare(ours: list[Outputs], theirs: list[Outputs]) -> list[Difference]:
    """Returns the largest difference of each output over all inputs."""
    differences = []
    for name in ours[0]:
        absolute = max(np.abs(a[name] - b[name]).max() for a, b in zip(ours, theirs, strict=True))
        largest = max(np.abs(a[name]).max() for a in ours)
        differences.append(Difference(name, float(absolute), float(absolute / largest) if largest else 0.0))
    return differences


def _outputs(source: Source, config: BertConfig, inputs: list[Inputs]) -> list[Outputs]:
    """Returns, for each batch of inputs, the embeddings, the output of each layer and the pooled output."""
    import tf_keras

    encoder = build_encoder(config)
    assign_encoder(encoder, source.weights, config)
    embeddings = tf_keras.Model(encoder.inputs, encoder.get_layer("embeddings/layer_norm").output)
    results = []
    for batch in inputs:
        outputs = encoder(batch, training=False)
        layers = {f"layer {number}": value.numpy() for number, value in enumerate(outputs["encoder_outputs"])}
        embedded = embeddings(batch, training=False).numpy()
        results.append({"embeddings": embedded} | layers | {"pooled output": outputs["pooled_output"].numpy()})
    return results


def _causes(
    a: Source, b: Source, inputs: list[Inputs], reference: list[Outputs], verification: Verification
) -> Iterator[str]:
    """Yields the likely causes of a difference; each field of the config is tried with A's value first."""
    # A missing pooler explains a difference of the pooled output alone.
    lacking = [source.path for source in (a, b) if not source.weights.has_pooler]
    first = verification.first_difference
    if first and first.output == "pooled output" and lacking:
        yield f"{' and '.join(lacking)} has no pooler; a randomly initialised one was compared"
        return
    # Then the values of the weights.
    differing, transposed = _differing_weights(a, b)
    if transposed:
        yield f"transposed kernels: {_some(transposed)}"
    other = [name for name in differing if name not in transposed]
    if other:
        yield f"different values in {len(other)} of {len(a.weights)} variables: {_some(other)}"
    # Equal weights leave the config: run B again with A's value of each field.
    if not differing:
        for name in _SAME_SHAPES:
            ours, theirs = getattr(a.config, name), getattr(b.config, name)
            if ours != theirs:
                tried = dataclasses.replace(b.config, **{name: ours})
                differences = compare(reference, _outputs(b, tried, inputs))
                explained = all(d.absolute <= verification.tolerance for d in differences)
                yield f"{_DESCRIPTIONS[name]}: {ours} and {theirs}{'' if explained else ', but not alone'}"


_DESCRIPTIONS = {
    "num_attention_heads": "number of attention heads",
    "gelu_approximate": "gelu, tanh approximation (True) or exact (False)",
    "layer_norm_eps": "LayerNorm epsilon",
}


def _differing_weights(a: Source, b: Source) -> tuple[list[str], list[str]]:
    """Returns the encoder variables whose values differ, and those of them that are transposes of each other."""
    differing, transposed = [], []
    for entry in name_map.entries(a.config):
        if entry.tf1 not in a.weights or entry.tf1 not in b.weights:
            continue
        ours, theirs = a.weights[entry.tf1], b.weights[entry.tf1]
        if not np.array_equal(ours, theirs):
            differing.append(entry.tf1)
            if ours.ndim == 2 and ours.shape == theirs.T.shape and np.array_equal(ours, theirs.T):
                transposed.append(entry.tf1)
    return differing, transposed


def _some(names: list[str]) -> str:
    """Returns the first names, and how many more there are."""
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
