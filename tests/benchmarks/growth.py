"""How index and suggest grow with the number of pages: time, memory, bytes, and how much of the exact answer is found.

    python -m keras_negaposi.index --honbun DATA/honbun_data.json --init_checkpoint BERT --output INDEX
    python tests/benchmarks/growth.py INDEX [--work vectors lexical pairs duplicates] [--sizes 10000 100000 ...]

INDEX holds real pages and their vectors. More than it has are made from them:

- A vector is a real one plus normal noise with the covariance of its `NEAR` nearest neighbours around it.
- A page has the length of a real one, and sentences of two real documents, which are the same for ten pages. For the
  n-grams of more than `MOST_REAL` pages, see `build_lexical`.

Each size builds in one process and searches in another, with one thread, so that memory is that of the size alone.
Lines on stderr are those that the work says to users.
Times are CPU seconds, and both clocks per query. Queries are made like the data, but are not among them.
"""

import argparse
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np

from keras_negaposi.data.documents import Documents
from keras_negaposi.index_files import lexical_index
from keras_negaposi.index_files.build_shards import update_shards
from keras_negaposi.index_files.checked_files import release
from keras_negaposi.index_files.lexical_index import LexicalIndex
from keras_negaposi.index_files.nearest_neighbours import Exact
from keras_negaposi.index_files.store import Store
from keras_negaposi.index_files.vector_shards import open_neighbours
from keras_negaposi.index_files.vectors import Vectors, unit
from keras_negaposi.lexical.vocabulary import PageFrequencies

NEAR, BLOCK, PER_SEGMENT = 16, 4096, 20_480
QUERIES, WARM_UP = 100, 20
QUERY_BLOCK = 10**6
"""Number of the block that queries come from; no data reach it."""
PAGES_OF_DOCUMENT = 10
MOST_REAL = 10_000
"""Real pages, drawn at random, from whose vectors or n-grams others are made."""
PER_THOUSAND = "CPU s per 1,000 pages"
SHARE_KEPT = 0.7
"""Share of a page's n-grams that its copy has."""


def cpu():
    return sum(os.times()[:2])


def memory(field):
    """Of this process in MB: VmRSS now, VmHWM at most, RssAnon without mapped files."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024


class MadeVectors:
    """Vectors with the distribution of the real ones; block by block, the same ones every time."""

    def __init__(self, store):
        real = Vectors(store.segments, store.keys(), centred=True)
        self.real = real.read(np.random.default_rng(0).permutation(np.flatnonzero(real.used))[:MOST_REAL])
        self.near = np.concatenate([row for start in range(0, len(self.real), 1024) for row in self._nearest(start)])

    def _nearest(self, start):
        cosines = self.real[start : start + 1024] @ self.real.T
        cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -2
        return [np.argpartition(-cosines, NEAR - 1)[:, :NEAR].copy()]  # not a view, which would keep all of it

    def block(self, number, size=BLOCK):
        random = np.random.default_rng([0, number])
        base = random.integers(len(self.real), size=size)
        noise = random.standard_normal((size, NEAR), np.float32) / np.float32(np.sqrt(NEAR))
        made = self.real[base] * (1 - noise.sum(axis=1, keepdims=True))
        for place in range(NEAR):
            made += noise[:, place : place + 1] * self.real[self.near[base, place]]
        return unit(made)

    def blocks(self, count):
        """Real vectors if there are enough, otherwise made ones."""
        for start in range(0, count, BLOCK):
            size = min(BLOCK, count - start)
            real = self.real[start : start + size]
            yield real if count <= len(self.real) else self.block(start // BLOCK)[:size]


def real_pages(store):
    """Texts of an index, and of queries that are not among them."""
    texts = list(dict.fromkeys(store.pages.values()))
    texts = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))[: MOST_REAL + QUERIES + WARM_UP]]
    return texts[:MOST_REAL], texts[MOST_REAL:]


def made_pages(store, count):
    """Yields titles and texts."""
    document, sentences, lengths = Documents("^([^,]+)"), {}, []
    for title, text in store.pages.items():
        sentences.setdefault(document(title), []).extend(re.split(r"(?<=[。！？\n])|\s{2,}", text))
        lengths.append(len(text))
    names = list(sentences)
    for number in range(-(-count // PAGES_OF_DOCUMENT)):
        random = np.random.default_rng([1, number])
        pool = [s for i in random.integers(len(names), size=2) for s in sentences[names[i]] if s]
        for page in range(min(PAGES_OF_DOCUMENT, count - number * PAGES_OF_DOCUMENT)):
            text, length = "", lengths[random.integers(len(lengths))]
            while len(text) < length:
                text += pool[random.integers(len(pool))] if pool else "。"
            yield f"made{number:07d},{page:03d}", text[:length]


def build_vectors(store, folder, count):
    made, index, started = MadeVectors(store), Store(folder), cpu()
    index.begin({"dtype": "float16"}, {}, {})
    rows, number = [], 0
    for block in made.blocks(count):
        rows.append(block.astype(np.float16))
        if (size := sum(map(len, rows))) >= PER_SEGMENT or number + size == count:
            index.add([f"{key:024x}" for key in range(number, number + size)], [{"vector": each} for each in rows])
            rows, number = [], number + size
    index.finish(index.keys())
    stored, started = cpu() - started, cpu()
    update_shards(index, Vectors(index.segments, index.keys(), centred=False))
    return {"store": stored, "build": cpu() - started, "build MB": memory("VmHWM"), "bytes": index.bytes() / count}


def search_vectors(store, folder, count):
    queries = MadeVectors(store).block(QUERY_BLOCK, QUERIES + WARM_UP)
    del store
    before, started = memory("VmRSS"), cpu()
    index = Store(folder)
    vectors = Vectors(index.segments, index.keys(), centred=False)
    search = open_neighbours(index, vectors, None)
    found = {"open": cpu() - started}
    nearest, times = timed(lambda query: search.nearest(query[np.newaxis], 10)[0][0], queries)
    found |= times | {"RSS": memory("VmRSS"), "of it before": before}
    exact = Exact(vectors, np.flatnonzero(vectors.used)).nearest(queries[WARM_UP:], 10)
    return found | {"recall@10": recall(nearest, [rows for rows, _ in exact])}


def build_lexical(store, folder, count):
    """Counts real pages. Beyond them, copies repeat their n-grams, of which each leaves out others."""
    texts, _ = real_pages(store)
    texts = texts[:count]
    started = cpu()
    index = LexicalIndex.of(PageFrequencies.of(texts), texts)
    found = {"build, ms per page": (cpu() - started) / len(texts) * 1e3, "build MB": memory("VmHWM")}
    copies, lengths = count // len(texts), np.diff(index.starts)
    first = np.arange(len(index.texts)) + np.repeat(index.starts[:-1] * (copies - 1), lengths)
    arrays = {"starts": index.starts * copies}
    for name in ("texts", "weights"):
        array, shape = getattr(index, name), (copies * len(index.texts),)
        arrays[name] = np.lib.format.open_memmap(f"{folder}/{name}.npy", "w+", array.dtype, shape)
    for copy in range(copies):
        kept = copies == 1 or np.random.default_rng([2, copy]).random(len(first), np.float32) < SHARE_KEPT
        arrays["texts"][first] = index.texts + copy * len(texts)
        arrays["weights"][first] = index.weights * kept
        first += np.repeat(lengths, lengths)
    np.save(f"{folder}/starts.npy", arrays["starts"])
    np.savez(f"{folder}/frequencies.npz", **{kind: n * copies for kind, n in index.frequencies.counts.items()})
    return found | {"bytes": sum(array.nbytes for array in arrays.values()) / count}


def search_lexical(store, folder, count):
    _, texts = real_pages(store)
    before, started = memory("VmRSS"), cpu()
    frequencies = PageFrequencies(count, dict(np.load(os.path.join(folder, "frequencies.npz"))))
    names = (lexical_index.STARTS, lexical_index.TEXTS, lexical_index.WEIGHTS)
    arrays = {name: np.load(os.path.join(folder, f"{name}.npy"), mmap_mode="r") for name in names}
    index = LexicalIndex.from_arrays(frequencies, arrays, count)
    for array in arrays.values():
        release(array)
    found = {"open": cpu() - started}

    def nearest(text):
        return next(index.nearest([text], 100))[0]

    limited, times = timed(nearest, texts)
    found |= times | {"RSS": memory("VmRSS"), "of it before": before}
    lexical_index.MOST_POSTINGS = 1 << 62
    exact, times = timed(nearest, texts)
    first = [rows[:10] for rows in exact]
    return found | {
        "exact p50 CPU ms": times["p50 CPU ms"],
        "recall@100": recall(limited, exact),
        "of the first 10": recall(limited, first),
    }


def build_pairs(store, folder, count):
    file = os.path.join(folder, "honbun_data.json")
    with open(file, "w", encoding="utf-8") as honbun:
        for number, (title, text) in enumerate(made_pages(store, count)):
            honbun.write(f"{',' if number else '{'}\n{json.dumps(title)}: {json.dumps(text, ensure_ascii=False)}")
        honbun.write("}\n")
    return {}


def search_pairs(store, folder, count):
    from keras_negaposi.config import PairsConfig
    from keras_negaposi.pair_generation.generate import make_pairs

    del store
    started = cpu()
    pairs = make_pairs(os.path.join(folder, "honbun_data.json"), PairsConfig(output=os.path.join(folder, "pairs")))
    return {PER_THOUSAND: (cpu() - started) / count * 1e3, "peak MB": memory("VmHWM"), "pairs": len(pairs)}


def build_duplicates(store, folder, count):
    return {}


def search_duplicates(store, folder, count):
    """A fifth of the texts is compared with the others."""
    from keras_negaposi.evaluation.leakage_audit import near_duplicates

    texts = [text for _, text in made_pages(store, count)]
    made, started = memory("VmRSS"), cpu()
    found = near_duplicates(texts[: count // 5], texts[count // 5 :])
    spent = {PER_THOUSAND: (cpu() - started) / count * 1e3}
    return spent | {"peak MB": memory("VmHWM"), "of it texts": made, "found": len(found)}


def timed(answer, queries):
    """The answers to queries but the first; and the wall and CPU time that each has taken."""
    answers, clocks = [], []
    for query in queries:
        started = time.perf_counter(), time.process_time()
        answers.append(answer(query))
        clocks.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    p50, p99 = np.percentile(np.array(clocks[WARM_UP:]) * 1e3, [50, 99], axis=0)
    names = ("p50 ms", "p50 CPU ms", "p99 ms", "p99 CPU ms")
    return answers[WARM_UP:], dict(zip(names, (*p50, *p99), strict=True))


def recall(found, expected):
    return np.mean([np.isin(e, f).mean() for f, e in zip(found, expected, strict=True) if len(e)])


STEPS = {name: globals()[name] for name in list(globals()) if re.match("(build|search)_", name)}
WORK = ("vectors", "lexical", "pairs", "duplicates")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("--work", nargs="+", choices=WORK, default=WORK)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        made = STEPS[arguments.step](Store(str(arguments.index)), arguments.folder, *arguments.sizes)
        print(json.dumps(made), flush=True)
        return
    for work in arguments.work:
        for number, size in enumerate(arguments.sizes):
            found = {}
            with tempfile.TemporaryDirectory() as folder:
                for step in (f"build_{work}", f"search_{work}"):
                    command = [sys.executable, __file__, arguments.index, "--step", step, "--folder", folder]
                    done = subprocess.run([*command, "--sizes", str(size)], stdout=subprocess.PIPE, check=True)
                    found |= json.loads(done.stdout.splitlines()[-1])
            if not number:
                print(f"| {work} | {' | '.join(found)} |\n|{'---|' * (len(found) + 1)}")
            print(f"| {size:,} | {' | '.join(f'{value:,.4g}' for value in found.values())} |", flush=True)


if __name__ == "__main__":
    main()
