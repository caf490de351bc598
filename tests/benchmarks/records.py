"""Texts to TFRecords: pairs/s and memory compared with bert-japanese's own functions, and how both grow.

python tests/benchmarks/records.py DATA_FOLDER BERT_FOLDER BERT_JAPANESE_FOLDER [--pairs 8940 100000 ...]

BERT_JAPANESE_FOLDER is a checkout of github.com/yoheikikuta/bert-japanese with its submodule; its TF1 calls are
TensorFlow's compat.v1.
Ours and the peer's work alternate, each in a process of its own, on the same pairs; reading, imports and loading the
tokenizer are not counted. More pairs than there are come by going through them again with other partners.
"""

import argparse
import json
import os
import tempfile
from itertools import islice
from pathlib import Path

import original
from sides import HEADER, alternate, measure, row

MAX_SEQ_LENGTH = 256


def read(data, count):
    """Texts, and the titles and labels of ``count`` pairs, which are not held."""
    texts = json.loads((data / "honbun_data.json").read_text(encoding="utf-8"))
    given = json.loads((data / "negaposi.json").read_text(encoding="utf-8"))
    if isinstance(given, dict):
        given = [[a, b, label] for label, name in enumerate(("nega", "posi")) for a, b in given[name]]
    rounds = -(-count // len(given))
    pairs = ((row[0], given[(i + r) % len(given)][1], row[2]) for r in range(rounds) for i, row in enumerate(given))
    return texts, islice(pairs, count)


def ours(arguments, texts, pairs, output):
    from types import SimpleNamespace

    from keras_negaposi.data.pairs import Pair, Pairs
    from keras_negaposi.data.splits import Split
    from keras_negaposi.input_pipeline.packing import JointPreprocessor
    from keras_negaposi.input_pipeline.tfrecords import prepare
    from keras_negaposi.tokenizers.sentencepiece import Tokenizer

    tokenizer = Tokenizer(str(arguments.bert / "wiki-ja.model"), str(arguments.bert / "wiki-ja.vocab"))
    tokenizer.encode(["本文"])
    inputs = SimpleNamespace(
        data=SimpleNamespace(texts=texts),
        split=Split({"train": Pairs.of(Pair(*pair) for pair in pairs)}),
        preprocessor=JointPreprocessor(tokenizer, MAX_SEQ_LENGTH),
        config=SimpleNamespace(
            max_seq_length=MAX_SEQ_LENGTH, honbun=None, negaposi=None, model_file=None, vocab_file=None
        ),
        fingerprint="",
    )
    return lambda: prepare(inputs, output)


def bert_japanese(arguments, texts, pairs, output):
    run_classifier, tokenization = original.load(
        arguments.bert_japanese, "run_classifier", "tokenization_sentencepiece"
    )
    tokenizer = original.make_tokenizer(tokenization, arguments.bert)
    examples = original.make_examples(run_classifier, texts, pairs)
    return lambda: run_classifier.file_based_convert_examples_to_features(
        examples, ["0", "1"], MAX_SEQ_LENGTH, tokenizer, os.path.join(output, "train.tf_record")
    )


SIDES = {"ours": ours, "bert-japanese": bert_japanese}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of honbun_data.json and negaposi.json")
    parser.add_argument("bert", type=Path, help="folder of wiki-ja.model and wiki-ja.vocab")
    parser.add_argument("bert_japanese", type=Path)
    parser.add_argument("--pairs", type=int, nargs="+", default=[1000, 8940, 10_000, 100_000, 10**6, 10**7])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer_up_to", type=int, default=100_000, help="more pairs only by ours, once")
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        with tempfile.TemporaryDirectory() as output:
            texts, pairs = read(arguments.data, arguments.pairs[0])
            measure(SIDES[arguments.side](arguments, texts, pairs, output))
        return
    folders = (arguments.data, arguments.bert, arguments.bert_japanese)
    print(HEADER.format("pairs", "pairs", "bert-japanese", "pairs"))
    for count in arguments.pairs:
        sides, rounds = (list(SIDES), arguments.rounds) if count <= arguments.peer_up_to else (["ours"], 1)
        command = [__file__, *folders, "--pairs", count, "--side"]
        found = alternate(lambda side, command=command: [*command, side], sides, rounds)
        print(row(f"{count:,}", count, *SIDES, found), flush=True)


if __name__ == "__main__":
    main()
