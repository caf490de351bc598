"""The in-batch loss: equal to its definition, no page of the pair's own documents as a negative, similar batches."""

import dataclasses
import itertools
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from keras_negaposi.config import TrainConfig
from keras_negaposi.input_pipeline.datasets import BatchOptions, train_dataset
from keras_negaposi.input_pipeline.feature_spec import DOCUMENTS, LABEL, side_of
from keras_negaposi.input_pipeline.prepared_data import read_inputs
from keras_negaposi.input_pipeline.tfrecords import prepare
from keras_negaposi.modeling.heads import build
from keras_negaposi.modeling.heads.in_batch_loss import in_batch_loss
from keras_negaposi.modeling.pretrained import read_pretrained
from keras_negaposi.tokenizers.opening import open_tokenizer
from keras_negaposi.training.fit import build_for_training
from keras_negaposi.training.similar_batches import choose_batches, similar_batches

FLAGS = {"max_seq_length": 20, "train_batch_size": 8, "num_train_epochs": 0.3, "precision": "float32", "loss": "both"}


def expected_loss(odds, labels, documents):
    """The definition, pair by pair, in both directions."""
    losses = []
    for scores, side in ((odds, 1), (odds.T, 0)):
        for row in np.flatnonzero(labels):
            candidates = [
                other
                for other in range(len(labels))
                if other == row or documents[other][side] not in (documents[row][0], documents[row][1])
            ]
            losses.append(np.log(np.exp(scores[row, candidates] - scores[row, row]).sum()))
    return np.sum(losses) / 2 / max(1, labels.sum())


@pytest.mark.parametrize("labels", [[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
def test_it_is_the_cross_entropy_among_the_candidates(labels):
    rng = np.random.default_rng(0)
    labels, odds = np.array(labels), rng.normal(0, 2, (5, 5))
    documents = np.array([[0, 0], [1, 2], [1, 1], [3, 4], [4, 0]])
    features = {LABEL: tf.constant(labels, tf.int32)}
    features |= {name: tf.constant(documents[:, side], tf.int32) for side, name in enumerate(DOCUMENTS)}
    loss = in_batch_loss(lambda a, b: tf.constant(odds, tf.float32), {}, {}, features)
    assert loss.numpy() == pytest.approx(expected_loss(odds, labels, documents), abs=1e-5)


def test_pages_of_the_pairs_documents_are_never_negatives():
    odds = np.zeros((3, 3), np.float32)
    odds[0, 1] = odds[1, 0] = 50.0  # the second pair's pages would win if they were candidates
    features = {LABEL: tf.constant([1, 1, 1])}
    features |= dict(zip(DOCUMENTS, (tf.constant([7, 7, 8]), tf.constant([7, 7, 8])), strict=True))
    loss = in_batch_loss(lambda a, b: tf.constant(odds), {}, {}, features).numpy()
    assert loss == pytest.approx((2 * np.log(2) + np.log(3)) / 3, abs=1e-5)


@pytest.mark.parametrize("batch_size", [1, 5, 8, 32, 300])
def test_every_pass_has_each_row_once(batch_size):
    rng = np.random.default_rng(1)
    documents = [f"d{number}" for number in rng.integers(0, 12, 100)]
    near = {name: [f"d{(int(name[1:]) + step) % 12}" for step in (1, 2, 3)] for name in set(documents)}
    batches = similar_batches(documents, near, batch_size, 0)
    rows = list(itertools.islice(itertools.chain.from_iterable(batches), 300))
    assert [sorted(rows[start : start + 100]) for start in (0, 100, 200)] == [list(range(100))] * 3
    assert rows[:100] != rows[100:200]
    again = itertools.chain.from_iterable(similar_batches(documents, near, batch_size, 0))
    assert list(itertools.islice(again, 300)) == rows


def test_a_batch_has_pairs_of_similar_documents():
    documents = [f"{subject}{number}" for subject in "ab" for number in range(10) for _ in range(8)]
    near = {name: [f"{name[0]}{(int(name[1]) + step) % 10}" for step in range(1, 10)] for name in documents}
    batches = list(itertools.islice(similar_batches(documents, near, 32, 3), 5))
    subjects = [{documents[row][0] for row in batch} for batch in batches]
    assert [len(found) for found in subjects].count(1) >= 4  # the last batch of a pass takes what is left
    assert all(len({documents[row] for row in batch}) >= 8 for batch in batches[:2])


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    config = TrainConfig(**tiny.flags | FLAGS | {"head": "vector", "output_dir": "unused"})
    inputs = read_inputs(config, open_tokenizer(config), config.layout)
    return config, inputs, prepare(inputs, str(tmp_path_factory.mktemp("records")))


def test_batches_are_those_chosen_from_any_step_on(made):
    config, inputs, records = made
    chosen = choose_batches(inputs, config, 9)
    pairs = inputs.split.parts["train"]
    endless = train_dataset(records, BatchOptions(8, length_buckets=3), chosen=chosen)
    batches = list(endless.take(9).as_numpy_iterator())
    for (features, labels), rows in zip(batches, chosen.rows, strict=True):
        assert labels.tolist() == features[LABEL].tolist() == [pairs[row].label for row in rows]
        texts = [inputs.data.texts[pairs[row].a] for row in rows]
        packed = inputs.preprocessor.side("a", tf.constant(texts))["input_word_ids"].numpy()
        ids = features["a_input_word_ids"]
        np.testing.assert_array_equal(ids, packed[:, : ids.shape[1]])
        assert not packed[:, ids.shape[1] :].any()
        for side, name in enumerate(DOCUMENTS):
            of_rows = [((pair := pairs[row]).a, pair.b)[side].rsplit(",", 1)[0] for row in rows]
            same = np.equal.outer(features[name], features[name])
            np.testing.assert_array_equal(same, np.equal.outer(np.array(of_rows), np.array(of_rows)))
    rest = list(train_dataset(records, BatchOptions(8, skip_steps=6), chosen=chosen).take(3).as_numpy_iterator())
    assert [labels.tolist() for _, labels in rest] == [labels.tolist() for _, labels in batches[6:]]


@pytest.mark.parametrize("head", ["vector", "maxsim"])
def test_the_log_odds_of_every_pair_are_those_of_the_pairs_alone(tiny, made, head):
    config = TrainConfig(**tiny.flags | FLAGS | {"head": head, "output_dir": "unused"})
    model = build(config, read_pretrained(config).bert_config)
    _, inputs, records = made
    features, _ = next(iter(train_dataset(records, BatchOptions(8))))
    side_a, side_b = model.encode_a(side_of(features, "a")), model.encode_b(side_of(features, "b"))
    odds = model.compare_all(side_a, side_b).numpy()
    for row in range(8):
        one = {name: value[row : row + 1] for name, value in side_a.items()}
        scored = model.score(one, side_b).numpy()
        np.testing.assert_allclose(odds[row], np.log(scored[:, 1] / scored[:, 0]), atol=1e-4)


@pytest.mark.parametrize("loss", ["both", "contrastive"])
@pytest.mark.parametrize("head", ["vector", "maxsim"])
def test_training_lowers_it_and_reports_the_labels_loss_apart(tiny, made, head, loss):
    more = {"head": head, "loss": loss, "learning_rate": 1e-3, "output_dir": "unused"}
    config = TrainConfig(**tiny.flags | FLAGS | more)
    pretrained = read_pretrained(config)
    build_model = partial(build, config, pretrained.bert_config)
    model = build_for_training(config, pretrained, 40, build_model, tf.distribute.get_strategy())
    _, inputs, records = made
    chosen = choose_batches(inputs, config, 1)
    again = dataclasses.replace(chosen, rows=np.repeat(chosen.rows, 40, axis=0))
    batches = train_dataset(records, BatchOptions(8), chosen=again)
    losses = model.fit(batches, epochs=2, steps_per_epoch=20, verbose=0).history
    in_batch = np.subtract(losses["loss"], losses["pair_loss"]) if loss == "both" else losses["loss"]
    assert 0 < in_batch[1] < in_batch[0] - 0.1
    assert losses["pair_loss"][0] < (1.0 if loss == "both" else 5.0)


def test_labels_do_not_count_in_the_contrastive_loss(tiny, made):
    """Without a positive pair in the batch there is nothing to learn, whatever the labels' loss."""
    config = TrainConfig(**tiny.flags | FLAGS | {"head": "vector", "loss": "contrastive", "output_dir": "unused"})
    pretrained = read_pretrained(config)
    build_model = partial(build, config, pretrained.bert_config)
    model = build_for_training(config, pretrained, 2, build_model, tf.distribute.get_strategy())
    _, inputs, records = made
    features, labels = next(iter(train_dataset(records, BatchOptions(8), chosen=choose_batches(inputs, config, 1))))
    without = tf.zeros_like(labels)
    result = model.train_on_batch(features | {LABEL: without}, without, return_dict=True)
    assert result["loss"] == 0 < result["pair_loss"]
