"""``python -m keras_negaposi.sample.make``: makes the package's sample: decks, pairs, SentencePiece model, BERT.

The BERT is pre-trained on decks from the same phrase book; no slide of the sample is among them.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from checkpoints_tools.common.cli import (
    above,
    at_least,
    between,
    make_config,
    make_parser,
    option,
    path_option,
    run_command,
    say,
)
from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import is_remote, join, list_folder, staged_folder, write_bytes, write_json
from keras_negaposi.config.given import add_options, given_options
from keras_negaposi.config.headings import OUTPUT
from keras_negaposi.sample import FOLDER

if TYPE_CHECKING:
    import numpy as np

    from checkpoints_tools.bert_config import BertConfig
    from keras_negaposi.data.pairs import Pair
    from keras_negaposi.sample.corpus import Deck
    from keras_negaposi.tokenizers.sentencepiece import Tokenizer

MODEL_FILE, VOCAB_FILE, CHECKPOINT = "sample.model", "sample.vocab", "model.ckpt"
CONTROL_SYMBOLS = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]
"""Ids 3 to 6 in bert-japanese's vocabulary, after SentencePiece's own three."""
SEQ_LENGTH = 48
"""Pieces per input in the pre-training. Longer inputs make steps slower; one pair in eleven is truncated."""
PAIRS_A_CHUNK = 512
MOST_PAIRS_A_STEP = 256
"""A step takes its pairs from one chunk of a pass, and the smallest pass has only a few more pairs than this."""
BERT: dict[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "max_position_embeddings": 128,
    "type_vocab_size": 2,
    "initializer_range": 0.08,  # the usual 0.02 suits the width of BERT-base
}


@dataclasses.dataclass(frozen=True)
class MakeConfig:
    """Options of ``keras_negaposi.sample.make``."""

    output_dir: str = path_option(str(FOLDER), "folder for the sample", heading=OUTPUT)
    shelves: int = option(30, "shelves of 12 decks in the sample", check=at_least(4, 10_000))
    pretrain_shelves: int = option(150, "shelves of 12 decks for the pre-training", check=at_least(4, 10_000))
    pieces: int = option(1500, "size of the SentencePiece vocabulary", check=at_least(300, 100_000))
    steps: int = option(1500, "pre-training steps", check=at_least(20))
    batch_size: int = option(128, "pairs per step", check=between(1, MOST_PAIRS_A_STEP + 1))
    learning_rate: float = option(5e-4, "peak learning rate of the pre-training", check=above(0.0, 100.0))
    seed: int = option(0, "seed of everything", check=between(0, 2**32))


@dataclasses.dataclass(frozen=True)
class Corpus:
    """The generated texts.

    Attributes:
        texts: text of each slide of the sample by its title.
        pairs: labelled pairs of the sample.
        pretrain_decks: decks for the pre-training.
        pretrain_texts: text of each of their slides by its title.
    """

    texts: dict[str, str]
    pairs: list[Pair]
    pretrain_decks: list[Deck]
    pretrain_texts: dict[str, str]


@dataclasses.dataclass(frozen=True)
class TrainedBert:
    """The trained tokenizer and BERT.

    Attributes:
        model: content of the SentencePiece model file.
        vocabulary: content of its vocabulary file.
        config: architecture of the BERT.
        variables: its variables under their TF1 names.
    """

    model: bytes
    vocabulary: bytes
    config: BertConfig
    variables: dict[str, np.ndarray]


def make(config: MakeConfig) -> None:
    """Makes the sample.

    Raises:
        InputError: the folder is not empty, and is not the package's own.
    """
    others = list_folder(config.output_dir)
    if others and (is_remote(config.output_dir) or not os.path.samefile(config.output_dir, FOLDER)):
        raise InputError(
            f"--output_dir {quoted(config.output_dir)}: the folder contains {quoted(others[0])}; give a new folder"
        )
    with staged_folder(config.output_dir) as folder:
        corpus = make_corpus(config)
        write_sample(folder, corpus, train_bert(corpus, config))


def make_corpus(config: MakeConfig) -> Corpus:
    """Generates the decks of the sample, its labelled pairs, and the decks for the pre-training.

    Raises:
        InputError: the phrase book is too small for so many decks.
    """
    from keras_negaposi.sample.corpus import make_decks, make_pairs

    # The shipped BERT's pre-training left out the slides of an earlier sample, in which many were nearly the same. The
    # present sample leaves out those of the pre-training.
    earlier = make_decks(config.shelves, config.seed)
    pretrain_decks = make_decks(config.pretrain_shelves, config.seed + 1, frozenset(_texts(earlier).values()))
    pretrain_texts = _texts(pretrain_decks)
    decks = make_decks(config.shelves, config.seed, frozenset(pretrain_texts.values()), varied=True)
    texts = _texts(decks)
    pairs = make_pairs(decks, config.seed)
    say(f"sample: {len(decks):,} decks, {len(texts):,} slides, {len(pairs):,} pairs")
    return Corpus(texts, pairs, pretrain_decks, pretrain_texts)


def train_bert(corpus: Corpus, config: MakeConfig) -> TrainedBert:
    """Trains the tokenizer and pre-trains the BERT on the decks for the pre-training.

    Raises:
        InputError: SentencePiece cannot make a vocabulary of this size.
    """
    from checkpoints_tools.bert_config import BertConfig
    from keras_negaposi.sample.pretrain import Schedule, pretrain, word_vectors
    from keras_negaposi.tokenizers.sentencepiece import Tokenizer

    model, vocabulary = _train_sentencepiece(list(corpus.pretrain_texts.values()), config.pieces)
    with tempfile.TemporaryDirectory() as folder:
        model_file, vocab_file = join(folder, MODEL_FILE), join(folder, VOCAB_FILE)
        write_bytes(model_file, model)
        write_bytes(vocab_file, vocabulary)
        tokenizer = Tokenizer(model_file, vocab_file)
    bert_config = BertConfig(vocab_size=tokenizer.vocab_size, **BERT)

    # Word vectors to start from: the pieces of every two adjacent slides.
    titles = list(corpus.pretrain_texts)
    ids = dict(zip(titles, tokenizer.encode(list(corpus.pretrain_texts.values())), strict=True))
    adjacent = (
        (ids[a.title], ids[b.title])
        for deck in corpus.pretrain_decks
        for a, b in zip(deck.slides, deck.slides[1:], strict=False)
    )
    vectors = word_vectors(adjacent, tokenizer.vocab_size, bert_config.hidden_size, 2 * bert_config.initializer_range)

    schedule = Schedule(config.steps, config.batch_size, config.learning_rate, config.seed)
    variables = pretrain(bert_config, tokenizer, vectors, _pretrain_chunks(corpus, tokenizer, config.seed), schedule)
    return TrainedBert(model, vocabulary, bert_config, variables)


def write_sample(folder: str, corpus: Corpus, bert: TrainedBert) -> None:
    """Writes the sample's files: texts, pairs, tokenizer, and a TF1 checkpoint with its configuration."""
    from checkpoints_tools.formats.tf1 import write_checkpoint

    write_json(join(folder, "honbun_data.json"), corpus.texts)
    write_json(join(folder, "negaposi.json"), [[pair.a, pair.b, pair.label] for pair in corpus.pairs])
    write_bytes(join(folder, MODEL_FILE), bert.model)
    write_bytes(join(folder, VOCAB_FILE), bert.vocabulary)
    write_json(join(folder, "bert_config.json"), bert.config.to_google())
    write_checkpoint(join(folder, CHECKPOINT), bert.variables)


def _texts(decks: list[Deck]) -> dict[str, str]:
    return {slide.title: slide.text for deck in decks for slide in deck.slides}


def _train_sentencepiece(texts: list[str], pieces: int) -> tuple[bytes, bytes]:
    """Trains a SentencePiece model; returns the contents of its model file and of its vocabulary file."""
    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(text.lower() for text in texts),
            model_writer=model,
            vocab_size=pieces,
            character_coverage=1.0,
            control_symbols=CONTROL_SYMBOLS,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:  # too many pieces for the texts, or too few for their characters
        raise InputError(f"--pieces {pieces}: {error}") from None
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    rows = (f"{processor.id_to_piece(i)}\t{processor.get_score(i):g}\n" for i in range(processor.get_piece_size()))
    return model.getvalue(), "".join(rows).encode()


def _pretrain_chunks(corpus: Corpus, tokenizer: Tokenizer, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Yields endless chunks of features of labelled pairs; each pass has other negative pairs."""
    import numpy as np
    import tensorflow as tf

    from keras_negaposi.config.heads import SIDES
    from keras_negaposi.input_pipeline.feature_spec import LABEL
    from keras_negaposi.input_pipeline.packing import JointPreprocessor
    from keras_negaposi.sample.corpus import make_pairs

    preprocessor = JointPreprocessor(tokenizer, SEQ_LENGTH)
    while True:
        pairs = make_pairs(corpus.pretrain_decks, seed)
        for start in range(0, len(pairs), PAIRS_A_CHUNK):
            chunk = pairs[start : start + PAIRS_A_CHUNK]
            a, b = (tf.constant([corpus.pretrain_texts[getattr(pair, side)] for pair in chunk]) for side in SIDES)
            packed = {name: value.numpy() for name, value in preprocessor.traced(a, b).items()}
            yield packed | {LABEL: np.array([pair.label for pair in chunk])}
        seed += 1


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_parser("keras_negaposi.sample.make", __doc__)
    add_options(parser, MakeConfig)

    def work(arguments: argparse.Namespace) -> None:
        make(make_config(MakeConfig, given_options(MakeConfig, arguments)))

    return run_command(parser, work, argv)


if __name__ == "__main__":
    sys.exit(main())
