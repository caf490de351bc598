"""Every head on one budget: how right it is, and what ranking all pages with it costs.

python tests/benchmarks/heads.py DATA_FOLDER BERT_FOLDER RUNS_FOLDER [--heads pair vector ...] [flags of train]

RUNS_FOLDER keeps a run, an index and the figures a head; what is finished there is not made again. All pages are in the
index of a head that keeps one vector a page; of the others those to be tested on, and what ranking all takes follows
from these. ``--frozen_layers`` is not for the heads after ``--whole``: what reads both texts in one input has to learn
to compare.
"""

import argparse
import functools
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from keras_negaposi.data.documents import Documents
from keras_negaposi.data.splits import read_split
from keras_negaposi.evaluation.ranking import hard_candidates
from keras_negaposi.modeling.heads import HEADS, is_cacheable
from keras_negaposi.retrieval import Index
from keras_negaposi.serving.scorer import Scorer

CANDIDATES = 1000
RERANKED = (20, 100)
BATCH = 32
CROSS = "pair"
COMPARED = ["vector", CROSS, "midfusion", "dot", "additive", "lowrank", "reduced"]
ONE_VECTOR = ("vector",)
HEADER = (
    "head",
    "accuracy",
    "PR AUC",
    "layers trained",
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


def training_minutes(run, config):
    """By the median of the steps' own clock, so that what else ran for a while beside it does not count."""
    points = json.loads((run / "history.json").read_text())
    speed = statistics.median(point["pairs_per_second"] for point in points)
    return points[-1]["step"] * config["train_batch_size"] / speed / 60


def questions(texts, run, count):
    """(A and its true B, the pages to tell it from), of the test part, and the pages of that part."""
    test = list(read_split(str(run / "split.json"))["test"])
    positives = [pair for pair in test if pair.label]
    drawn = [positives[i] for i in np.random.default_rng(0).permutation(len(positives))[:count]]
    pages = sorted({title for pair in test for title in (pair.a, pair.b)})
    others = hard_candidates(texts, drawn, pages, Documents(r"^(.*),"), CANDIDATES - 1)
    return list(zip(drawn, others, strict=True)), pages


def recall(asked, rank):
    """R@10, a page that scores as high as the true one before it."""
    return float(np.mean([rank(pair.a, [pair.b, *others]).index(pair.b) < 10 for pair, others in asked]))


def kept(file, key, measure):
    """What ``measure`` gives, or what it gave for the same key when it was last called."""
    before = json.loads(file.read_text()) if file.exists() else {}
    if before.get("key") != key:
        before = {"key": key, "figures": measure()}
        file.write_text(json.dumps(before, indent=1))
    return before["figures"]


def measure(run, texts, asked, model):
    """What ranking costs and finds."""
    found = recall(asked, model.rank)
    seconds = statistics.median(model.seconds_to_rank(pair.a) for pair, _ in asked[:5])
    scorer = Scorer(str(run))
    pairs = [(texts[pair.a], texts[b]) for pair, others in asked[:1] for b in others]
    scoring, _ = timed(lambda: list(scorer.stream(pairs, BATCH)))
    return {
        "recall": found,
        "seconds": seconds * len(texts) / model.pages,
        "pages": model.pages,
        "pairs_per_second": len(pairs) / scoring,
        "bytes_a_page": model.bytes_a_page,
    }


def ordered(titles, scores):
    return [titles[i] for i in sorted(range(len(titles)), key=lambda i: (-scores[i], i == 0))]


class Together:
    """A head that has to read every pair."""

    def __init__(self, run, texts):
        self.scorer, self.texts = Scorer(str(run)), texts
        self.pages, self.bytes_a_page = CANDIDATES, 0
        self.seconds = []

    def rank(self, a, titles):
        pairs = [(self.texts[a], self.texts[title]) for title in titles]
        seconds, scores = timed(lambda: [score for score, _ in self.scorer.stream(pairs, BATCH)])
        self.seconds += [seconds] if len(titles) == CANDIDATES else []
        return ordered(titles, scores)

    def seconds_to_rank(self, a):
        """To rank ``self.pages`` of them."""
        return statistics.median(self.seconds)


class Apart:
    """A head with an index."""

    def __init__(self, run, texts, honbun, pages):
        self.texts, folder = texts, run.parent / f"{run.name}.index"
        if run.name not in ONE_VECTOR:
            honbun = run.parent / "pages.json"
            honbun.write_text(json.dumps({title: texts[title] for title in pages}))
        command("index", run, "--honbun", honbun, "--output", folder)
        self.index = Index(str(folder))
        self.pages = len(self.index.store.keys())
        self.bytes_a_page = self.index.store.bytes() / self.pages

    def rank(self, a, titles):
        return ordered(titles, self.index.score(self.texts[a], titles))

    def seconds_to_rank(self, a):
        return timed(lambda: self.index.suggest(self.texts[a], 10, [a]))[0]


def make_model(head, run, texts, honbun, pages):
    return Apart(run, texts, honbun, pages) if is_cacheable(head) else Together(run, texts)


def reranked(quick, thorough, count, a, titles):
    first = quick.rank(a, titles)
    return thorough.rank(a, first[:count]) + first[count:]


def row(head, run, figures, all_pages):
    metrics = json.loads((run / "metrics.json").read_text())
    config = json.loads((run / "config.json").read_text())["config"]
    some = figures["pages"] < 0.9 * all_pages
    return [
        head,
        f"{metrics['eval_accuracy']:.1%}",
        f"{metrics['figures']['pr_auc']['value']:.3f}",
        f"all but {config['frozen_layers']}" if config["frozen_layers"] else "all",
        f"{figures['recall']:.0%}",
        f"{training_minutes(run, config):.0f}",
        f"{figures['seconds']:.3g}" + (f" (from {figures['pages']:,} pages)" if some else ""),
        f"{figures['pairs_per_second']:.0f}",
        f"{figures['bytes_a_page']:,.0f}",
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of honbun_data.json and negaposi.json")
    parser.add_argument("bert", help="folder of the checkpoint")
    parser.add_argument("runs", type=Path)
    parser.add_argument("--heads", nargs="+", default=COMPARED, choices=list(HEADS))
    parser.add_argument("--questions", type=int, default=30)
    parser.add_argument(
        "--whole", nargs="*", default=[CROSS], choices=list(HEADS), help="heads trained without frozen layers"
    )
    arguments, flags = parser.parse_known_args()
    honbun = arguments.data / "honbun_data.json"
    texts = json.loads(honbun.read_text())
    data = ["--honbun", honbun, "--negaposi", arguments.data / "negaposi.json", "--init_checkpoint", arguments.bert]
    rows, models = [], {}
    for head in arguments.heads:
        run = arguments.runs / head
        if not (run / "metrics.json").exists():
            more = ["--embedding_cache", arguments.runs / "vectors.npz", "--rank_queries", 0]
            resume = ["--resume"] if (run / "config.json").exists() else []
            whole = ["--frozen_layers", 0] if head in arguments.whole else []
            command("train", *data, "--head", head, *more, "--output_dir", run, *flags, *whole, *resume)
        asked, pages = questions(texts, run, arguments.questions)
        models[head] = functools.partial(make_model, head, run, texts, honbun, pages)
        key = [head, arguments.questions, sorted(map(str, flags)), (run / "config.json").stat().st_mtime]
        figures = kept(
            run.parent / f"{head}.json",
            key,
            lambda: measure(run, texts, asked, models[head]()),  # noqa: B023
        )
        rows.append(row(head, run, figures, len(texts)))
        print(f"| {' | '.join(rows[-1])} |", flush=True)
    if "vector" in models and CROSS in models:
        quick, thorough = models["vector"](), models[CROSS]()
        for count in RERANKED:
            seconds, found = timed(
                functools.partial(recall, asked, functools.partial(reranked, quick, thorough, count))
            )
            print(
                f"vector, its best {count} put in order by {CROSS}: R@10 {found:.0%}, "
                f"{seconds / len(asked):.3g} s a question"
            )
    print("\n".join([f"| {' | '.join(HEADER)} |", "|---" * len(HEADER) + "|"]))
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))


if __name__ == "__main__":
    main()
