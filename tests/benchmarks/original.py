"""The original's own code on TensorFlow 2: bert-japanese, and in its submodule google-research/bert."""

import importlib
import sys
import types


def load(checkout, *names):
    """Modules of a checkout of github.com/yoheikikuta/bert-japanese with its submodule, as TensorFlow 1 would run them.

    Of ``tf.contrib``, which is gone, there is what fine-tuning needs.
    """
    import tensorflow as tf

    v1 = tf.compat.v1
    v1.logging.set_verbosity(v1.logging.ERROR)
    v1.contrib = types.SimpleNamespace(
        layers=types.SimpleNamespace(layer_norm=_layer_norm),
        data=types.SimpleNamespace(map_and_batch=tf.data.experimental.map_and_batch),
    )
    sys.path[:0] = [str(checkout / "src"), str(checkout / "bert")]
    sys.modules["tensorflow"] = v1
    modules = [importlib.import_module(name) for name in names]
    sys.modules["tensorflow"] = tf
    return modules


def make_tokenizer(module, bert):
    """Makes the tokenizer of the module ``tokenization_sentencepiece``."""
    return module.FullTokenizer(
        model_file=str(bert / "wiki-ja.model"), vocab_file=str(bert / "wiki-ja.vocab"), do_lower_case=True
    )


def make_examples(run_classifier, texts, rows):
    """Makes the original's examples from rows of titles and labels."""
    return [
        run_classifier.InputExample(guid=str(i), text_a=texts[a], text_b=texts[b], label=str(label))
        for i, (a, b, label) in enumerate(rows)
    ]


def _layer_norm(inputs, begin_norm_axis, begin_params_axis, scope):
    import tensorflow.compat.v1 as tf

    assert begin_norm_axis == begin_params_axis == -1
    size = inputs.shape[-1:]
    with tf.variable_scope(scope, "LayerNorm"):
        offset = tf.get_variable("beta", size, initializer=tf.zeros_initializer())
        scale = tf.get_variable("gamma", size, initializer=tf.ones_initializer())
    mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
    return tf.nn.batch_normalization(inputs, mean, variance, offset, scale, 1e-12)
