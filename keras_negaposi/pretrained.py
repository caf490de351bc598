"""The pre-trained BERT that a command starts from: configuration, checkpoint and tokenizer, checked together."""

from __future__ import annotations

import dataclasses

import tf_keras

from checkpoints_tools.config import BertConfig
from checkpoints_tools.encoder import Checkpoint, build_encoder
from checkpoints_tools.errors import InputError
from keras_negaposi.config import DataConfig
from keras_negaposi.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """A checkpoint that fits its configuration and its tokenizer."""

    bert_config: BertConfig
    checkpoint: Checkpoint
    tokenizer: Tokenizer

    def encoder(self) -> tf_keras.Model:
        """The encoder with the checkpoint's weights, in the precision in force."""
        encoder = build_encoder(self.bert_config)
        self.checkpoint.assign_to(encoder)
        return encoder


def read_pretrained(config: DataConfig) -> Pretrained:
    """Reads and checks the four files; nothing is built yet.

    Raises:
        InputError: one of them cannot be used, they do not belong together, or texts would be longer than the BERT
            has positions.
    """
    bert_config = BertConfig.from_file(config.bert_config_file)
    tokenizer = Tokenizer(config.model_file, config.vocab_file, config.do_lower_case)
    if tokenizer.vocab_size > bert_config.vocab_size:
        raise InputError(
            f"{config.vocab_file}: {tokenizer.vocab_size:,} pieces, but the BERT has {bert_config.vocab_size:,} "
            f"({config.bert_config_file}); give the files of one pre-training"
        )
    if config.max_seq_length > bert_config.max_position_embeddings:
        raise InputError(
            f"--max_seq_length {config.max_seq_length}: this BERT has {bert_config.max_position_embeddings} positions "
            f"({config.bert_config_file}); give at most that"
        )
    return Pretrained(bert_config, Checkpoint(bert_config, config.init_checkpoint), tokenizer)
