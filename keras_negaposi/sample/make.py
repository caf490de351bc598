"""``python -m keras_negaposi.sample.make``: makes the package's sample: decks, pairs, SentencePiece model, BERT.

The BERT is pre-trained on decks from the same phrase book; no slide of the sample is among theirs.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from checkpoints_tools.common.cli import (
    above,
    add_flags,
    at_least,
    between,
    given_flags,
    make_config,
    make_parser,
    option,
    path_option,
    run_command,
    say,
)
from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import is_remote, join, list_folder, staged_folder, write_bytes, write_json
from keras_negaposi.config.headings import OUTPUT
from keras_negaposi.sample import FOLDER

if TYPE_CHECKING:
    import numpy

MODEL_FILE, VOCAB_FILE, CHECKPOINT = "sample.model", "sample.vocab", "model.ckpt"
CONTROL_SYMBOLS = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]
"""Ids 3 to 6 in bert-japanese's vocabulary, after SentencePiece's own three."""
SEQ_LENGTH = 48
"""A step's cost grows with it; one pair in eleven is a little longer and is cut."""
PAIRS_A_CHUNK = 512
MOST_PAIRS_A_STEP = 256
"""A step takes its pairs from one chunk of a pass, and the smallest pass has few more than that."""
BERT = {
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "max_position_embeddings": 128,
    "type_vocab_size": 2,
    "initializer_range": 0.08,  # the usual 0.02 is for BERT-base's width
}


@dataclasses.dataclass(frozen=True)
class MakeConfig:
    """``keras_negaposi.sample.make``."""

    output_dir: str = path_option(str(FOLDER), "folder for the sample", heading=OUTPUT)
    shelves: int = option(30, "shelves of 12 decks in the sample", check=at_least(4, 10_000))
    pretrain_shelves: int = option(150, "shelves of 12 decks to pre-train on", check=at_least(4, 10_000))
    pieces: int = option(1500, "size of the SentencePiece vocabulary", check=at_least(300, 100_000))
    steps: int = option(1500, "pre-training steps", check=at_least(20))
    batch_size: int = option(128, "pairs a step", check=between(1, MOST_PAIRS_A_STEP + 1))
    learning_rate: float = option(5e-4, "peak learning rate of the pre-training", check=above(0.0, 100.0))
    seed: int = option(0, "seed of everything", check=between(0, 2**32))


def make(config: MakeConfig) -> None:
    """Writes the sample's files.

    Raises:
        InputError: the folder holds something, and is not the package's own.
    """
    others = list_folder(config.output_dir)
    if others and (is_remote(config.output_dir) or not os.path.samefile(config.output_dir, FOLDER)):
        raise InputError(f"--output_dir {quoted(config.output_dir)}: it holds {quoted(others[0])}; give a new folder")
    with staged_folder(config.output_dir) as folder:
        _make(dataclasses.replace(config, output_dir=folder))


def _make(config: MakeConfig) -> None:
    from keras_negaposi.sample.corpus import draw_pairs, make_decks

    decks = make_decks(config.shelves, config.seed)
    texts = {slide.title: slide.text for deck in decks for slide in deck.slides}
    pairs = draw_pairs(decks, config.seed)
    write_json(join(config.output_dir, "honbun_data.json"), texts)
    write_json(join(config.output_dir, "negaposi.json"), [[pair.a, pair.b, pair.label] for pair in pairs])
    say(f"sample: {len(decks):,} decks, {len(texts):,} slides, {len(pairs):,} pairs")
    others = make_decks(config.pretrain_shelves, config.seed + 1, frozenset(texts.values()))
    other_texts = {slide.title: slide.text for deck in others for slide in deck.slides}
    _train_sentencepiece(list(other_texts.values()), config)

    import numpy as np
    import tensorflow as tf

    from checkpoints_tools.bert_config import BertConfig
    from checkpoints_tools.formats.tf1 import write_checkpoint
    from keras_negaposi.input_pipeline.feature_spec import LABEL
    from keras_negaposi.input_pipeline.packing import JointPreprocessor
    from keras_negaposi.input_pipeline.tokenizer import Tokenizer
    from keras_negaposi.sample.corpus import draw_pairs
    from keras_negaposi.sample.pretrain import pretrain, word_vectors

    tokenizer = Tokenizer(join(config.output_dir, MODEL_FILE), join(config.output_dir, VOCAB_FILE))
    bert_config = BertConfig(vocab_size=tokenizer.vocab_size, **BERT)
    write_json(join(config.output_dir, "bert_config.json"), bert_config.to_google())

    preprocessor = JointPreprocessor(tokenizer, SEQ_LENGTH)

    def passes() -> Iterator[dict[str, numpy.ndarray]]:
        number = 0
        while True:  # other negatives in every pass
            drawn = draw_pairs(others, config.seed + number)
            for start in range(0, len(drawn), PAIRS_A_CHUNK):
                some = drawn[start : start + PAIRS_A_CHUNK]
                sides = [other_texts[pair.a] for pair in some], [other_texts[pair.b] for pair in some]
                packed = {name: value.numpy() for name, value in preprocessor.traced(*map(tf.constant, sides)).items()}
                yield packed | {LABEL: np.array([pair.label for pair in some])}
            number += 1

    ids = dict(zip(other_texts, tokenizer.encode(list(other_texts.values())), strict=True))
    neighbours = (
        (ids[a.title], ids[b.title]) for deck in others for a, b in zip(deck.slides, deck.slides[1:], strict=False)
    )
    vectors = word_vectors(neighbours, tokenizer.vocab_size, bert_config.hidden_size, 2 * bert_config.initializer_range)
    variables = pretrain(
        bert_config,
        tokenizer,
        vectors,
        passes(),
        config.steps,
        config.batch_size,
        config.learning_rate,
        config.seed,
    )
    write_checkpoint(join(config.output_dir, CHECKPOINT), variables)


def _train_sentencepiece(texts: list[str], config: MakeConfig) -> None:
    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(text.lower() for text in texts),
            model_writer=model,
            vocab_size=config.pieces,
            character_coverage=1.0,
            control_symbols=CONTROL_SYMBOLS,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:  # too many pieces for the texts, or too few for their letters
        raise InputError(f"--pieces {config.pieces}: {error}") from None
    write_bytes(join(config.output_dir, MODEL_FILE), model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    rows = (f"{processor.id_to_piece(i)}\t{processor.get_score(i):g}\n" for i in range(processor.get_piece_size()))
    write_bytes(join(config.output_dir, VOCAB_FILE), "".join(rows).encode())


def main(argv: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = make_parser("keras_negaposi.sample.make", __doc__)
    add_flags(parser, MakeConfig)

    def work(arguments: argparse.Namespace) -> None:
        make(make_config(MakeConfig, given_flags(MakeConfig, arguments)))

    return run_command(parser, work, argv)


if __name__ == "__main__":
    sys.exit(main())
