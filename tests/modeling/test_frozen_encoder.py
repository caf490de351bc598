"""Tests of the frozen encoder."""

import itertools

import numpy as np

from keras_negaposi.config import BaselineConfig
from keras_negaposi.modeling.frozen_encoder import FrozenEncoder
from keras_negaposi.modeling.pretrained import read_pretrained

LENGTH = 24


def test_embeddings_are_in_the_order_of_the_texts_whatever_the_batch(tiny, corpus):
    pretrained = read_pretrained(BaselineConfig(**tiny.flags, max_seq_length=LENGTH))
    encoder = FrozenEncoder(pretrained, LENGTH, "float32")
    texts = ["りんごを買う" * 9, "", "山", *list(corpus.values())[:10], "山"]
    done = []
    together = encoder.encode(texts, 4, done.append)
    assert together.dtype == np.float32 and together.shape == (len(texts), *encoder.embedding_shape)
    assert done == [4, 8, 12, len(texts)]
    alone = [encoder.encode([text], 1)[0] for text in texts]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert encoder.encode([], 4).shape == (0, *encoder.embedding_shape)


def test_a_fingerprint_tells_whatever_changes_embeddings(tiny, tmp_path):
    (tmp_path / "other.vocab").write_text(open(tiny.flags["vocab_file"], encoding="utf-8").read() + "\n")
    flags = [{}, {"do_lower_case": False}, {"vocab_file": str(tmp_path / "other.vocab")}]
    models = [read_pretrained(BaselineConfig(**tiny.flags | changed, max_seq_length=LENGTH)) for changed in flags]
    options = itertools.product((LENGTH, LENGTH - 1), ("float32", "bfloat16"))
    encoders = [FrozenEncoder(model, *option) for model, option in itertools.product(models, options)]
    assert len({encoder.fingerprint() for encoder in encoders}) == len(encoders)
    assert encoders[0].fingerprint() == FrozenEncoder(models[0], LENGTH, "float32").fingerprint()
