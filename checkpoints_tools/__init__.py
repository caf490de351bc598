"""The bridge between TF1 BERT checkpoints and today's tf-models ``BertEncoder``."""

import os

# tf-models is written for Keras 2. Said before TensorFlow's first import, it also spares loading Keras 3.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from checkpoints_tools.common.errors import InputError

__all__ = ["InputError", "load_encoder"]


def load_encoder(bert_config_file: str | None, init_checkpoint: str):  # noqa: ANN201 - TensorFlow is not imported yet
    """Builds the encoder of a BERT config and loads a checkpoint into it.

    Args:
        bert_config_file: ``bert_config.json``, bert-japanese's ``config.ini`` or Hugging Face's ``config.json``;
            looked for beside the checkpoint if ``None``.
        init_checkpoint: prefix, file or folder of a google-research/bert checkpoint, or another format that
            `checkpoints_tools.source.open_weights` takes.

    Returns:
        A tf-models `BertEncoder`; see `checkpoints_tools.encoder.build_encoder` for what it takes and gives.

    Raises:
        InputError: config or checkpoint cannot be read, or they do not belong together; every missing, unexpected
            and misshapen variable is counted and named.
    """
    from checkpoints_tools.source import open_source

    return open_source(init_checkpoint, bert_config_file).encoder()
