"""Every head on one budget: how right it is, and what ranking all pages with it costs.

python tests/benchmarks/heads.py DATA_FOLDER BERT_FOLDER RUNS_FOLDER [--heads pair vector ...] [flags of train]

RUNS_FOLDER keeps a run and an index a head; what is finished there is not made again.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from keras_negaposi.heads import HEADS, is_cacheable
from keras_negaposi.indexing import Index
from keras_negaposi.judging.ranking import hard_candidates
from keras_negaposi.labelled import Pair
from keras_negaposi.scorer import Scorer
from keras_negaposi.splits import Documents

CANDIDATES = 1000
RERANKED = 20
BATCH = 32
CROSS = "pair_means"
HEADER = (
    "head",
    "accuracy",
    "PR AUC",
    f"R@10 among {CANDIDATES:,}",
    "training, min",
    "rank all pages, s",
    "pairs/s",
    "bytes a page",
)


def command(module, *arguments):
    subprocess.run([sys.executable, "-m", f"keras_negaposi.{module}", *map(str, arguments)], check=True)


def timed(work):
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def training_minutes(run):
    """By the steps' own clock."""
    batch = json.loads((run / "config.json").read_text())["config"]["train_batch_size"]
    points = json.loads((run / "history.json").read_text())
    steps = np.diff([0, *(point["step"] for point in points)])
    return sum(steps * batch / [point["pairs_per_second"] for point in points]) / 60


def questions(texts, run, count):
    """(A, its true B, the pages to tell it from), of the test part; the same for every head."""
    test = [Pair(*row) for row in json.loads((run / "split.json").read_text())["test"]]
    positives = [pair for pair in test if pair.label]
    drawn = [positives[i] for i in np.random.default_rng(0).permutation(len(positives))[:count]]
    pages = sorted({title for pair in test for title in (pair.a, pair.b)})
    others = hard_candidates(texts, drawn, pages, Documents(r"^(.*),"), CANDIDATES - 1)
    return list(zip(drawn, others, strict=True))


def recall(asked, rank):
    """R@10, a page that scores as high as the true one before it."""
    return np.mean([rank(pair.a, [pair.b, *others]).index(pair.b) < 10 for pair, others in asked])


def ordered(titles, scores):
    return [titles[i] for i in sorted(range(len(titles)), key=lambda i: (-scores[i], i == 0))]


class Together:
    """A head that has to read every pair."""

    def __init__(self, run, texts):
        self.scorer, self.texts = Scorer(str(run)), texts
        self.bytes_a_page = 0

    def rank(self, a, titles):
        pairs = [(self.texts[a], self.texts[title]) for title in titles]
        return ordered(titles, [score for score, _ in self.scorer.stream(pairs, BATCH)])

    def seconds_to_rank_all(self, a, titles):
        """Extrapolated from `CANDIDATES` pages."""
        return timed(lambda: self.rank(a, titles[:CANDIDATES]))[0] * len(self.texts) / CANDIDATES


class Apart(Together):
    """A head with an index."""

    def __init__(self, run, texts, honbun):
        super().__init__(run, texts)
        folder = run.parent / f"{run.name}.index"
        command("index", run, "--honbun", honbun, "--output", folder)
        self.index = Index(str(folder))
        self.bytes_a_page = self.index.store.bytes() / len(self.index.store.keys())

    def rank(self, a, titles):
        place = {found.title: n for n, found in enumerate(self.index.suggest(self.texts[a], len(self.texts), [a]))}
        return sorted(titles, key=lambda title: place[title])

    def seconds_to_rank_all(self, a, titles):
        return timed(lambda: self.index.suggest(self.texts[a], 10, [a]))[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of honbun_data.json and negaposi.json")
    parser.add_argument("bert", help="folder of the checkpoint")
    parser.add_argument("runs", type=Path)
    parser.add_argument("--heads", nargs="+", default=list(HEADS), choices=list(HEADS))
    parser.add_argument("--questions", type=int, default=50)
    arguments, flags = parser.parse_known_args()
    honbun = arguments.data / "honbun_data.json"
    texts = json.loads(honbun.read_text())
    data = ["--honbun", honbun, "--negaposi", arguments.data / "negaposi.json", "--init_checkpoint", arguments.bert]
    rows, models = [], {}
    for head in arguments.heads:
        run = arguments.runs / head
        if not (run / "metrics.json").exists():
            resume = ["--resume"] if (run / "config.json").exists() else []
            command("train", *data, "--head", head, "--rank_queries", 0, "--output_dir", run, *flags, *resume)
        model = models[head] = Apart(run, texts, honbun) if is_cacheable(head) else Together(run, texts)
        asked = questions(texts, run, arguments.questions)
        metrics = json.loads((run / "metrics.json").read_text())
        pages = list(texts)
        model.seconds_to_rank_all(asked[0][0].a, pages)  # the first is slower
        seconds = statistics.median(model.seconds_to_rank_all(pair.a, pages) for pair, _ in asked[:5])
        pairs = [(texts[pair.a], texts[b]) for pair, others in asked[:1] for b in others]
        scoring, _ = timed(lambda: list(model.scorer.stream(pairs, BATCH)))  # noqa: B023
        rows.append(
            [
                head,
                f"{metrics['eval_accuracy']:.1%}",
                f"{metrics['figures']['pr_auc']['value']:.3f}",
                f"{recall(asked, model.rank):.0%}",
                f"{training_minutes(run):.0f}",
                f"{seconds:.3g}" + ("" if is_cacheable(head) else f" (from {CANDIDATES:,} pages)"),
                f"{len(pairs) / scoring:.0f}",
                f"{model.bytes_a_page:,.0f}",
            ]
        )
        print(f"| {' | '.join(rows[-1])} |", flush=True)
    if "vector" in models and CROSS in models:

        def reranked(a, titles):
            first = models["vector"].rank(a, titles)
            return models[CROSS].rank(a, first[:RERANKED]) + first[RERANKED:]

        print(f"vector, its best {RERANKED} put in order by {CROSS}: R@10 {recall(asked, reranked):.0%}")
    print("\n".join([f"| {' | '.join(HEADER)} |", "|---" * len(HEADER) + "|"]))
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))


if __name__ == "__main__":
    main()
