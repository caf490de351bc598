"""Reads, converts and compares BERT checkpoints of TF1, TF2 and Hugging Face."""

import os

# tf-models requires Keras 2. Set before TensorFlow's first import, the variable also avoids loading Keras 3.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from checkpoints_tools.common.errors import InputError

__all__ = ["InputError", "load_encoder"]


def load_encoder(bert_config_file: str | None, init_checkpoint: str):  # noqa: ANN201 - TensorFlow is not imported yet
    """Builds the encoder of a BERT config and loads a checkpoint into it.

    Args:
        bert_config_file: ``bert_config.json``, bert-japanese's ``config.ini`` or Hugging Face's ``config.json``.
            ``None`` searches the checkpoint's folder for one of them.
        init_checkpoint: prefix, file or folder of a google-research/bert checkpoint, or of another format that
            `checkpoints_tools.source.open_weights` reads.

    Returns:
        A tf-models `BertEncoder`. `checkpoints_tools.encoder.build_encoder` documents its inputs and outputs.

    Raises:
        InputError: the config or the checkpoint cannot be read, or they do not match. The message counts the missing
            variables, the unexpected ones and those with another shape, and names the first of each.
    """
    from checkpoints_tools.source import open_source

    return open_source(init_checkpoint, bert_config_file).encoder()
