"""Scoring pairs and encoding texts: ours compared with sentence-transformers, same weights, lengths and batches.

python tests/benchmarks/scoring.py DATA_FOLDER BERT_FOLDER [--count 320] [--rounds 3]

Of the heads `pair` and `vector`, with the checkpoint's encoder. The peer gets both by ``checkpoints_tools convert --to
huggingface``, classifier included, and the same pieces. Both sort by length, as they always do. Loading, and a first
batch, are not counted.
"""

import argparse
import dataclasses
import json
import shutil
import tempfile
from pathlib import Path

import tensorflow as tf
from hugging_face import convert
from sides import HEADER, alternate, measure, row

from keras_negaposi.modeling.precision import choose_precision

BATCH = 32
LENGTH = 128
OURS_INT8, OURS_BFLOAT16 = "ours, int8", "ours, bfloat16"
PEER, PEER_BFLOAT16 = "sentence-transformers", "sentence-transformers, bfloat16"


def read(data, count):
    texts = json.loads((data / "honbun_data.json").read_text(encoding="utf-8"))
    some = list(texts.values())
    return list(zip(some[:count], some[count : 2 * count], strict=True))


def make_run(bert, folder, head):
    """What a finished run holds that scores; the head is not trained, which is no matter for its speed."""
    from checkpoints_tools.common.cli import make_config
    from checkpoints_tools.encoder import assign_encoder
    from keras_negaposi.config import TrainConfig, complete_model_files
    from keras_negaposi.modeling.common import encoder_of
    from keras_negaposi.modeling.heads import build
    from keras_negaposi.modeling.pretrained import read_pretrained
    from keras_negaposi.serving.by_ids import run_preprocessor
    from keras_negaposi.serving.calibration import Calibration
    from keras_negaposi.serving.export import export

    given = {
        "init_checkpoint": str(bert),
        "max_seq_length": LENGTH,
        "head": head,
        "honbun": "unused",
        "negaposi": "unused",
    }
    config = make_config(TrainConfig, complete_model_files(given))
    pretrained = read_pretrained(config)
    model = build(config, pretrained.bert_config)
    assign_encoder(encoder_of(model), pretrained.source.weights, pretrained.source.config)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"config": dataclasses.asdict(config)}))
    (folder / "bert_config.json").write_text(json.dumps(pretrained.bert_config.to_google()))
    shutil.copy(config.model_file, folder / "tokenizer.model")
    shutil.copy(config.vocab_file, folder / "tokenizer.vocab")
    preprocessor = run_preprocessor(str(folder))
    model({name: tf.ones([1, 5], tf.int32) for name in preprocessor.layout.inputs})
    export(model, preprocessor, Calibration(), str(folder / "saved_model"))
    return folder


def ours_pairs(arguments, pairs):
    from keras_negaposi.serving.scorer import Scorer

    scorer = Scorer(str(arguments.runs / "pair"), arguments.precision)
    list(scorer.stream(pairs[:BATCH], BATCH))
    return lambda: list(scorer.stream(pairs, BATCH))


def peers_pairs(arguments, pairs):
    from sentence_transformers import CrossEncoder

    options = {"dtype": arguments.precision}
    model = CrossEncoder(
        str(arguments.runs / "huggingface pair"), max_length=LENGTH, device="cpu", model_kwargs=options
    )
    model.predict(pairs[:BATCH], batch_size=BATCH)
    return lambda: model.predict(pairs, batch_size=BATCH)


def ours_texts(arguments, pairs):
    from keras_negaposi.config import IndexConfig
    from keras_negaposi.retrieval.build import _encoder
    from keras_negaposi.retrieval.cached_encoder import CachedScorer

    texts = sorted((a for a, _ in pairs), key=len)  # as build_index does
    run, config = str(arguments.runs / "vector"), IndexConfig(batch_size=BATCH, precision=arguments.precision)
    encode = _encoder(CachedScorer(run, arguments.precision), run, config)
    encode(texts[:BATCH])
    return lambda: encode(texts)


def peers_texts(arguments, pairs):
    from sentence_transformers import SentenceTransformer, models

    options = {"dtype": arguments.precision}
    folder = str(arguments.runs / "huggingface vector")
    transformer = models.Transformer(folder, max_seq_length=LENGTH, model_args=options)
    pooling = models.Pooling(transformer.get_word_embedding_dimension(), "mean")
    model = SentenceTransformer(modules=[transformer, pooling], device="cpu")
    texts = [a for a, _ in pairs]
    model.encode(texts[:BATCH], batch_size=BATCH)
    return lambda: model.encode(texts, batch_size=BATCH)


def using(precision, side):
    def work(arguments, pairs):
        arguments.precision = precision
        return side(arguments, pairs)

    return work


SIDES = {
    work: {
        "ours": ours,
        OURS_INT8: using("int8", ours),
        PEER: peer,
        OURS_BFLOAT16: using("bfloat16", ours),
        PEER_BFLOAT16: using("bfloat16", peer),
    }
    for work, ours, peer in (("pairs", ours_pairs, peers_pairs), ("texts", ours_texts, peers_texts))
}
COMPARED = (("ours", PEER), (OURS_INT8, PEER), (OURS_BFLOAT16, PEER_BFLOAT16), (OURS_INT8, PEER_BFLOAT16))
"""Ours and the peer's; those in bfloat16 only where the processor has it."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("bert", help="folder of the checkpoint")
    parser.add_argument("--count", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.precision = "float32"
    if arguments.side:
        return measure(SIDES[arguments.work][arguments.side](arguments, read(arguments.data, arguments.count)))
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        for head in ("pair", "vector"):
            run = make_run(arguments.bert, runs / head, head)
            convert(run, run / "tokenizer.model", runs / f"huggingface {head}", LENGTH)
        print(HEADER.format("work", "items", PEER, "items"))
        has_bfloat16 = choose_precision("auto") == "bfloat16"
        command = [__file__, arguments.data, arguments.bert, "--count", arguments.count, "--runs", runs, "--work"]
        for work, sides in SIDES.items():
            measured = [side for side in sides if has_bfloat16 or "bfloat16" not in side]
            found = alternate(lambda side, work=work: [*command, work, "--side", side], measured, arguments.rounds)
            for ours, peer in COMPARED:
                if {ours, peer} <= set(measured):
                    print(row(f"{work}, {ours}; {peer}", arguments.count, ours, peer, found), flush=True)


if __name__ == "__main__":
    main()
