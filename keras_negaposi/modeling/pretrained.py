"""Reads a pre-trained BERT: configuration, checkpoint and tokenizer, checked against each other."""

from __future__ import annotations

import dataclasses

import tf_keras

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.source import Source, open_source
from keras_negaposi.config import PretrainedConfig
from keras_negaposi.modeling.fast_layers import accelerate
from keras_negaposi.tokenizers.base import BaseTokenizer
from keras_negaposi.tokenizers.opening import open_tokenizer


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """A checkpoint that matches its configuration and its tokenizer."""

    source: Source
    tokenizer: BaseTokenizer

    @property
    def bert_config(self) -> BertConfig:
        """Architecture of the encoder."""
        return self.source.config

    def encoder(self) -> tf_keras.Model:
        """Builds the encoder with the checkpoint's weights, in the current precision."""
        return accelerate(self.source.encoder())


def read_pretrained(config: PretrainedConfig) -> Pretrained:
    """Reads and checks the four files, including every value of the checkpoint; builds nothing.

    Raises:
        InputError: a file is invalid, the files do not belong together, or ``max_seq_length`` exceeds the positions
            of the BERT.
    """
    source = open_source(config.init_checkpoint, config.bert_config_file, config.num_attention_heads)
    bert_config = source.config
    tokenizer = open_tokenizer(config)
    if tokenizer.vocab_size > bert_config.vocab_size:
        file = config.vocab_file or config.model_file
        raise InputError(
            f"{file}: {tokenizer.vocab_size:,} pieces, but the BERT has {bert_config.vocab_size:,} "
            f"({source.config_file or config.init_checkpoint}); give the files of one pre-training"
        )
    if config.max_seq_length > bert_config.max_position_embeddings:
        raise InputError(
            f"--max_seq_length {config.max_seq_length}: this BERT has {bert_config.max_position_embeddings} positions "
            f"({source.config_file or config.init_checkpoint}); give at most that"
        )
    for name in source.weights:  # detects a file that is cut short before anything is written
        source.weights[name]
    return Pretrained(source, tokenizer)
