"""Whether two BERTs compute the same, where they part, and the likeliest reason."""

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
"""What two configurations may differ in while all shapes are the same."""

Inputs = dict[str, np.ndarray]
Outputs = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Difference:
    """Of one output over all inputs: the largest absolute difference, and that over the output's largest value."""

    output: str
    absolute: float
    relative: float


@dataclasses.dataclass(frozen=True)
class Verification:
    """What `verify` found, embeddings first, then layer by layer, then the pooled output."""

    differences: list[Difference]
    tolerance: float
    culprits: list[str]

    @property
    def departs(self) -> Difference | None:
        """The first output past the tolerance."""
        return next((d for d in self.differences if not d.absolute <= self.tolerance), None)

    def describe(self) -> str:
        """Lines for a person."""
        lines = [f"{'output':<18}{'max abs':>10}{'relative':>10}"]
        lines += [f"{d.output:<18}{d.absolute:>10.1e}{d.relative:>10.1e}" for d in self.differences]
        if self.departs is None:
            return "\n".join([*lines, f"the same within {self.tolerance:g}"])
        lines.append(f"NOT the same within {self.tolerance:g}: they part at {self.departs.output}")
        return "\n".join([*lines, *(f"likely: {culprit}" for culprit in self.culprits)])


def verify(a: Source, b: Source, tolerance: float = TOLERANCE) -> Verification:
    """Feeds both the same inputs and compares every layer.

    The inputs are seeded: full length, short, masked with holes, and either segment.

    Args:
        a: the one to go by.
        b: the one in question.
        tolerance: largest absolute difference of any output that counts as the same.

    Raises:
        InputError: their sizes differ, so that there is nothing to compare, or the tolerance is no such number.
    """
    if not 0.0 <= tolerance < math.inf:
        raise InputError(f"--tolerance {tolerance}: must be at least 0 and finite")
    for name in _SIZES:
        ours, theirs = getattr(a.config, name), getattr(b.config, name)
        if ours != theirs:
            raise InputError(f"{a.path} and {b.path}: {name} is {ours} in one and {theirs} in the other; not one BERT")
    longest = min(_LONGEST, *(source.config.max_position_embeddings for source in (a, b)))
    inputs = list(make_inputs(a.config, longest))
    reference = _outputs(a, a.config, inputs)
    differences = compare(reference, _outputs(b, b.config, inputs))
    verification = Verification(differences, tolerance, [])
    if verification.departs is None:
        return verification
    return dataclasses.replace(verification, culprits=list(_culprits(a, b, inputs, reference, verification)))


def make_inputs(config: BertConfig, longest: int) -> Iterator[Inputs]:
    """Seeded inputs: each a dict of ``int32 [4, seq]``."""
    rng = np.random.default_rng(SEED)
    for length in sorted({min(_SHORT, longest), longest}):
        shape = (_ROWS, length)
        holes = rng.integers(0, 2, shape)
        holes[:, 0] = 1
        rising = np.arange(length) >= rng.integers(0, length, (_ROWS, 1))  # first segment, then the second
        types = np.minimum(rising, config.type_vocab_size - 1)
        for mask in (np.ones(shape), holes):
            yield {
                "input_word_ids": rng.integers(0, config.vocab_size, shape).astype(np.int32),
                "input_mask": mask.astype(np.int32),
                "input_type_ids": types.astype(np.int32),
            }


def compare(ours: list[Outputs], theirs: list[Outputs]) -> list[Difference]:
    """The largest difference of each output over all inputs."""
    differences = []
    for name in ours[0]:
        absolute = max(np.abs(a[name] - b[name]).max() for a, b in zip(ours, theirs, strict=True))
        largest = max(np.abs(a[name]).max() for a in ours)
        differences.append(Difference(name, float(absolute), float(absolute / largest) if largest else 0.0))
    return differences


def _outputs(source: Source, config: BertConfig, inputs: list[Inputs]) -> list[Outputs]:
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


def _culprits(
    a: Source, b: Source, inputs: list[Inputs], reference: list[Outputs], found: Verification
) -> Iterator[str]:
    """Reasons in words; one that lies in the configuration is tried out before it is named."""
    lacking = [source.path for source in (a, b) if not source.weights.has_pooler]
    if found.departs and found.departs.output == "pooled output" and lacking:
        yield f"{' and '.join(lacking)} has no pooler: a freshly initialised one was compared"
        return
    differing, transposed = _differing_weights(a, b)
    if transposed:
        yield f"transposed kernels: {_some(transposed)}"
    other = [name for name in differing if name not in transposed]
    if other:
        yield f"other values in {len(other)} of {len(a.weights)} variables: {_some(other)}"
    if not differing:
        for name in _SAME_SHAPES:
            ours, theirs = getattr(a.config, name), getattr(b.config, name)
            if ours != theirs:
                tried = dataclasses.replace(b.config, **{name: ours})
                differences = compare(reference, _outputs(b, tried, inputs))
                cured = all(d.absolute <= found.tolerance for d in differences)
                yield f"{_IN_WORDS[name]}: {ours} and {theirs}{'' if cured else ', but not that alone'}"


_IN_WORDS = {
    "num_attention_heads": "number of attention heads",
    "gelu_approximate": "gelu, tanh approximation (True) or exact (False)",
    "layer_norm_eps": "LayerNorm epsilon",
}


def _differing_weights(a: Source, b: Source) -> tuple[list[str], list[str]]:
    """Variables of the encoder whose values differ, and those among them that are each other's transpose."""
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
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
