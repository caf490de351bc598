"""Cacheable heads: a cached B gives the score of the whole pair, and each attention agrees with its formula."""

import numpy as np
import pytest
import tensorflow as tf

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.encoder import assign_encoder
from keras_negaposi.config import HeadConfig, TrainConfig
from keras_negaposi.index_files.store import Store
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, side_of
from keras_negaposi.input_pipeline.packing import SeparatePreprocessor
from keras_negaposi.modeling.heads import HEADS, build, is_cacheable
from keras_negaposi.modeling.heads.layers import CosineLogits
from keras_negaposi.tokenizers.sentencepiece import Tokenizer
from keras_negaposi.training.optimizer import learning_rate_factors
from tests.helpers.heads import make, softmax
from tests.helpers.numpy_bert import bert
from tests.helpers.tiny_bert import random_tf1_variables

CACHEABLE = [head for head in HEADS if is_cacheable(head)]


def arrays(side):
    return {name: value.numpy() for name, value in side.items()}


def kept(model, sides, folder, dtype, size):
    """Writes B's side of every text to an index and reads it, ``size`` rows at a time."""
    rows = {name: value if name == "mask" else value.astype(dtype) for name, value in arrays(sides).items()}
    Store(str(folder)).begin({}, {}, {})
    Store(str(folder)).add([str(i) for i in range(len(next(iter(rows.values()))))], [rows])
    yield from Store(str(folder)).chunks(size)


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("float16", 1e-2)])
@pytest.mark.parametrize("head", CACHEABLE)
def test_a_cached_b_scores_as_the_pair_does(tiny, preprocessor, texts, tmp_path, head, dtype, tolerance):
    check_cached(make(tiny, head), preprocessor, texts, tmp_path, dtype, tolerance)


@pytest.fixture(scope="module")
def real(shared):
    """A real checkpoint, what packs texts for it, and the texts of a few pairs."""
    from checkpoints_tools.source import open_source
    from keras_negaposi.data.pairs import read_pairs

    files = shared / "checkpoints/ja-e5-small-l4"
    preprocessor = SeparatePreprocessor(Tokenizer(str(files / "wiki-ja.model"), str(files / "wiki-ja.vocab")), 128)
    data = read_pairs(str(shared / "data/slides/honbun_data.json"), str(shared / "data/slides/negaposi.json"))
    texts = [data.texts[title] for pair in data.pairs[:6] for title in (pair.a, pair.b)]
    return open_source(str(files), None, None), preprocessor, texts


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("head", CACHEABLE)
def test_a_cached_b_scores_as_the_pair_does_on_real_pairs(real, tmp_path, head):
    source, preprocessor, texts = real
    model = build(HeadConfig(head=head), source.config)
    assign_encoder(model.encoder, source.weights, source.config)
    check_cached(model, preprocessor, texts, tmp_path / "32", "float32", 1e-5)
    check_cached(model, preprocessor, texts, tmp_path / "16", "float16", 1e-2)


def check_cached(model, preprocessor, texts, folder, dtype, tolerance):
    """Compares the scores of one A and cached Bs, in another order and other batches, with those of whole pairs."""
    packed = preprocessor(tf.constant([texts[0]] * len(texts)), tf.constant(texts))
    whole = model(packed).numpy()
    order = np.random.default_rng(0).permutation(len(texts))
    a = model.encode_a(preprocessor.side("a", tf.constant(texts[:1])))
    b = model.encode_b(preprocessor.side("b", tf.constant([texts[i] for i in order])))
    for size in (1, 5, len(texts)):
        for keys, rows in kept(model, b, folder / str(size), dtype, size):
            scores = model.score(a, rows).numpy()
            expected = whole[[order[int(key)] for key in keys]]
            np.testing.assert_allclose(scores, expected, atol=tolerance)
    assert np.ptp(whole[:, 1]) > 0  # otherwise the test could not fail


@pytest.mark.parametrize("head", CACHEABLE)
def test_padding_changes_nothing(tiny, preprocessor, texts, head):
    model = make(tiny, head)
    packed = preprocessor(tf.constant(texts), tf.constant(texts[::-1]))
    longer = {name: tf.pad(packed[name], [[0, 0], [0, 7]], constant_values=0) for name in preprocessor.layout.inputs}
    garbage = dict(longer)
    for side in "ab":  # ids at padded positions must have no effect
        padding = 1 - longer[f"{side}_input_mask"]
        garbage[f"{side}_input_word_ids"] += padding * 3
    np.testing.assert_allclose(model(garbage).numpy(), model(packed).numpy(), atol=1e-5)


@pytest.mark.parametrize("head", CACHEABLE)
def test_a_and_b_play_different_roles_unless_tied(tiny, preprocessor, texts, head):
    model = make(tiny, head)
    there, back = (model(preprocessor(tf.constant(x), tf.constant(x[::-1]))).numpy() for x in (texts, texts[::-1]))
    assert np.abs(there - back).max() > 1e-3


def test_a_tied_vector_is_symmetric_but_for_the_token_types(tiny, preprocessor, texts):
    model = make(tiny, "vector", tie_projections=True)
    assert model.query_projection is model.key_projection
    sides = arrays(preprocessor.side("a", tf.constant(texts)))
    a, b = model.encode_a(sides), model.encode_b(sides)
    np.testing.assert_array_equal(a["vector"].numpy(), b["vector"].numpy())


def orthogonal(size, tokens):
    """Returns a query and orthogonal keys; the second key has the direction of the query."""
    keys = np.eye(size, dtype=np.float32)[None, :tokens] * 4.0
    return 2.0 * keys[:, 1], keys, np.ones((1, tokens), np.int32)


@pytest.mark.parametrize("head", ["dot", "lowrank"])
def test_dot_product_attention_by_hand(tiny, head):
    model = make(tiny, head, head_size=4)
    query, keys, mask = orthogonal(4, 3)
    weights = model.weights_of(query, keys, mask).numpy()
    np.testing.assert_allclose(weights, softmax(np.array([[0.0, 2 * 16 / np.sqrt(4), 0.0]])), atol=1e-6)
    assert weights[0, 1] > 0.99
    mask[0, 1] = 0
    np.testing.assert_allclose(model.weights_of(query, keys, mask).numpy(), [[0.5, 0.0, 0.5]], atol=1e-6)


def test_additive_attention_by_hand(tiny):
    model = make(tiny, "additive", head_size=4)
    query, keys, mask = orthogonal(4, 3)
    energy = np.array([[0.5], [-1.0], [2.0], [0.25]], np.float32)
    model.energy.kernel.assign(energy)
    expected = softmax((np.tanh(query[:, None] + keys) @ energy)[..., 0])
    np.testing.assert_allclose(model.weights_of(query, keys, mask).numpy(), expected, atol=1e-6)
    assert np.ptp(expected) > 0.1


def test_reduced_attention_applies_one_mask_to_query_and_keys(tiny):
    rng = np.random.default_rng(1)
    query, keys = rng.normal(size=(2, 6)).astype(np.float32), rng.normal(size=(2, 3, 6)).astype(np.float32)
    mask = np.ones((2, 3), np.int32)
    averaged, plain = (make(tiny, "reduced", head_size=6, inference_masks=masks) for masks in (4, 0))
    plain.set_weights(averaged.get_weights())
    assert len(averaged.fixed_masks) == 4 and len({m.tobytes() for m in averaged.fixed_masks}) > 1
    expected = []
    for kept_dimensions in averaged.fixed_masks:
        assert set(np.unique(kept_dimensions)) <= {0.0, np.float32(1 / 0.7)}
        q, k = query * kept_dimensions, keys * kept_dimensions
        attended = np.einsum("bs,bsd->bd", softmax(np.einsum("bd,bsd->bs", q, k) / np.sqrt(6)), k)
        expected.append(by_hand(averaged, q, attended))
    found = averaged.probabilities({"query": query}, {"keys": keys, "mask": mask}).numpy()
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-5)
    attended = np.einsum("bs,bsd->bd", softmax(np.einsum("bd,bsd->bs", query, keys) / np.sqrt(6)), keys)
    found = plain.probabilities({"query": query}, {"keys": keys, "mask": mask}).numpy()
    np.testing.assert_allclose(found, by_hand(plain, query, attended), atol=1e-5)


def by_hand(model, query, attended):
    """Classifies query, attended value, product and difference, and their cosine, in NumPy."""
    x = np.concatenate([query, attended, query * attended, query - attended], axis=1)
    x = standardized(model.standardize, x)
    x = x * model.standardize.gamma.numpy() + model.standardize.beta.numpy()
    lengths = np.linalg.norm(query, axis=1) * np.linalg.norm(attended, axis=1)
    cosines = standardized(model.cosine_logits.standardize, ((query * attended).sum(axis=1) / lengths)[:, None])
    parts = (model.comparison, x), (model.cosine_logits.classifier, cosines)
    return softmax(sum(value @ layer.kernel.numpy() + layer.bias.numpy() for layer, value in parts))


def standardized(layer, x):
    return (x - layer.moving_mean.numpy()) / np.sqrt(layer.moving_variance.numpy() + layer.epsilon)


def test_reduced_attention_has_a_new_mask_per_pair_in_training(tiny):
    model = make(tiny, "reduced", head_size=6)
    seen = []
    model.classify = lambda query, keys, mask: seen.append((query.numpy(), keys.numpy())) or query[:, :2]
    ones = {"query": tf.ones([50, 6])}, {"keys": tf.ones([50, 3, 6]), "mask": tf.ones([50, 3], tf.int32)}
    model.probabilities(*ones, training=True)
    (query, keys), *_ = seen
    assert np.array_equal(np.repeat(query[:, None], 3, axis=1), keys)  # one mask for both
    assert len(np.unique(query, axis=0)) > 10  # a different one for each pair
    assert 0.6 < (query > 0).mean() < 0.8


def test_vector_is_the_cosine_standardized(tiny):
    model = make(tiny, "vector")
    logits = model.cosine_logits
    logits.classifier.kernel.assign([[-2.0, 2.0]])
    logits.standardize.moving_mean.assign([0.5])
    logits.standardize.moving_variance.assign([0.25])
    a, b = np.eye(12, dtype=np.float32)[:3], np.eye(12, dtype=np.float32)[[0, 2, 2]]
    found = model.probabilities({"vector": a}, {"vector": b}).numpy()[:, 1]
    np.testing.assert_allclose(found, 1 / (1 + np.exp([-4.0, 4.0, -4.0])), atol=1e-5)


def test_the_threshold_is_between_the_classes_before_any_gradient():
    cosines = np.r_[np.full(50, 0.92), np.full(50, 0.94)] + np.random.default_rng(0).normal(0, 0.003, 100)
    logits = CosineLogits()
    for _ in range(100):
        logits(tf.constant(cosines, tf.float32), training=True)
    found = np.argmax(logits(tf.constant(cosines, tf.float32)).numpy(), axis=1)
    assert (found == np.repeat([0, 1], 50)).all()


@pytest.mark.parametrize("head", ["dot", "additive"])
def test_keys_are_centred_like_queries(tiny, preprocessor, texts, head):
    model = make(tiny, head, head_size=12)
    one_token = {
        name: value[:1, :1] for name, value in preprocessor.side("a", tf.constant(texts[:1])).items() if "input" in name
    }
    a, b = model.encode_a(one_token), model.encode_b(one_token)
    np.testing.assert_allclose(a["query"].numpy(), b["keys"].numpy()[:, 0], atol=1e-5)


def test_midfusion_is_the_encoder_where_b_is_hidden(tiny, preprocessor, texts):
    model = make(tiny, "midfusion", head_size=None)
    config = BertConfig(**tiny.config)
    a = preprocessor.side("a", tf.constant(texts[:3]))
    side_b = model.encode_b(preprocessor.side("b", tf.constant(texts[3:6])))
    fused = model.fused(model.encode_a(a), side_b | {"mask": tf.zeros_like(side_b["mask"])})
    inputs = [a[name].numpy() for name in ENCODER_INPUTS]
    states, _ = bert(random_tf1_variables(config), config, *inputs)
    mask = inputs[1][:, :, None]
    expected = (states[-1] * mask).sum(axis=1) / mask.sum(axis=1)
    np.testing.assert_allclose(fused.numpy(), expected, atol=1e-5)


def test_midfusion_attends_to_b(tiny, preprocessor, texts):
    model = make(tiny, "midfusion")
    packed = preprocessor(tf.constant([texts[0]] * 2), tf.constant(texts[1:3]))
    a, b = (getattr(model, f"encode_{side}")(side_of(packed, side)) for side in "ab")
    first, second = model.fused(a, b).numpy()
    assert np.abs(first - second).max() > 1e-3  # the same A with different Bs


def test_midfusion_adds_to_the_logits_of_vector(tiny, preprocessor, texts):
    vector, midfusion = make(tiny, "vector"), make(tiny, "midfusion")
    packed = preprocessor(tf.constant(texts[:4]), tf.constant(texts[4:8]))
    assert np.abs(midfusion(packed).numpy() - vector(packed).numpy()).max() > 1e-3
    midfusion.comparison.kernel.assign(tf.zeros_like(midfusion.comparison.kernel))
    np.testing.assert_allclose(midfusion(packed).numpy(), vector(packed).numpy(), atol=1e-6)


def test_midfusion_needs_a_layer_to_fuse_in(tiny):
    with pytest.raises(InputError, match="--separate_layers 2: this BERT has 2 layers; give at most 1"):
        build(HeadConfig(head="midfusion", separate_layers=2), BertConfig(**tiny.config))


TWO_PROJECTIONS = [head for head in CACHEABLE if head != "maxsim"]


@pytest.mark.parametrize("head", TWO_PROJECTIONS)
def test_query_and_key_projections_start_equal(tiny, head):
    model = make(tiny, head)
    np.testing.assert_array_equal(model.query_projection.kernel.numpy(), model.key_projection.kernel.numpy())
    assert model.query_projection is not model.key_projection


def test_layers_that_the_checkpoint_lacks_learn_faster(tiny):
    def factors(head, **options):
        config = TrainConfig(head=head, learning_rate=1e-5, **options)
        return {name: round(value) for name, value in learning_rate_factors(config, make(tiny, head)).items()}

    found = factors("vector")
    assert found["vector/query/kernel:0"] == found["vector/key/bias:0"] == 10
    assert {value for name, value in found.items() if "query" not in name and "key" not in name} == {100}
    assert factors("vector", head_learning_rate=2e-5)["vector/cosine_logits/classifier/kernel:0"] == 2
    names = {variable.name for variable in make(tiny, "vector").encoder.variables}
    assert not names & found.keys()
    parts = {"tokens": 10, "classifier": 100}
    assert factors("maxsim") == {f"maxsim/{n}/{w}:0": f for n, f in parts.items() for w in ("kernel", "bias")}
