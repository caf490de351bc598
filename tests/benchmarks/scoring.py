"""Scoring pairs and encoding texts: ours beside sentence-transformers, same weights, lengths and batches.

python tests/benchmarks/scoring.py DATA_FOLDER RUN_OF_PAIR RUN_OF_VECTOR [--count 320] [--rounds 2]

The peer gets the runs by ``checkpoints_tools convert --to huggingface``, classifier included, and the same pieces. Both
sort by length, as they always do. Loading, and a first batch, are not counted.
"""

import argparse
import json
import tempfile
from pathlib import Path

from hugging_face import convert
from sides import HEADER, alternate, measure, row

BATCH = 32
PEER = "sentence-transformers"


def read(data, count):
    texts = json.loads((data / "honbun_data.json").read_text(encoding="utf-8"))
    some = list(texts.values())
    return list(zip(some[:count], some[count : 2 * count], strict=True))


def ours_pairs(arguments, pairs):
    from keras_negaposi.scorer import Scorer

    scorer = Scorer(str(arguments.pair))
    list(scorer.stream(pairs[:BATCH], BATCH))
    return lambda: list(scorer.stream(pairs, BATCH))


def peers_pairs(arguments, pairs):
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(arguments.huggingface / "pair"), max_length=arguments.length, device="cpu")
    model.predict(pairs[:BATCH], batch_size=BATCH)
    return lambda: model.predict(pairs, batch_size=BATCH)


def ours_texts(arguments, pairs):
    from keras_negaposi.config import IndexConfig
    from keras_negaposi.indexing.build import _encoder
    from keras_negaposi.indexing.cached import CachedScorer

    texts = sorted((a for a, _ in pairs), key=len)  # as build_index does
    encode = _encoder(CachedScorer(str(arguments.vector)), str(arguments.vector), IndexConfig(batch_size=BATCH))
    encode(texts[:BATCH])
    return lambda: encode(texts)


def peers_texts(arguments, pairs):
    from sentence_transformers import SentenceTransformer, models

    transformer = models.Transformer(str(arguments.huggingface / "vector"), max_seq_length=arguments.length)
    pooling = models.Pooling(transformer.get_word_embedding_dimension(), "mean")
    model = SentenceTransformer(modules=[transformer, pooling], device="cpu")
    texts = [a for a, _ in pairs]
    model.encode(texts[:BATCH], batch_size=BATCH)
    return lambda: model.encode(texts, batch_size=BATCH)


SIDES = {"pairs": {"ours": ours_pairs, PEER: peers_pairs}, "texts": {"ours": ours_texts, PEER: peers_texts}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("pair", type=Path, help="run of the head pair")
    parser.add_argument("vector", type=Path, help="run of the head vector")
    parser.add_argument("--count", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--work", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--huggingface", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    config = json.loads((arguments.pair / "config.json").read_text())["config"]
    arguments.length = config["max_seq_length"]
    if arguments.side:
        return measure(SIDES[arguments.work][arguments.side](arguments, read(arguments.data, arguments.count)))
    print(HEADER.format("work", "items", PEER, "items"))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("pair", "vector"):
            run = getattr(arguments, name)
            convert(run, run / "tokenizer.model", Path(folder) / name, arguments.length)
        command = [__file__, arguments.data, arguments.pair, arguments.vector, "--count", arguments.count]
        for work in SIDES:
            more = ["--huggingface", folder, "--work", work, "--side"]
            found = alternate(lambda side, more=more: [*command, *more, side], SIDES[work], arguments.rounds)
            print(row(work, arguments.count, "ours", PEER, found), flush=True)


if __name__ == "__main__":
    main()
