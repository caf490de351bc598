"""Executors for work on independent items: the threads of this process, or the workers of Apache Beam.

An executor (`Engine`) is called with ``make_work`` and the items, and yields the results in the order of the items.
Each worker calls ``make_work`` once; it returns the function that is applied to an item. `in_threads`, `one_by_one` and
`beam.Beam` are executors.

Threads come from `concurrent.futures`, but its ``map`` reads all items before it yields a result (``buffersize`` is new
in Python 3.14). joblib and Dask would add a dependency, and neither runs on Dataflow, Flink or Spark as Beam does.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
MakeWork = Callable[[], Callable[[ItemT], ResultT]]
Engine = Callable[[MakeWork[ItemT, ResultT], Iterable[ItemT]], Iterator[ResultT]]


def in_threads(make_work: MakeWork[ItemT, ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
    """Applies the work in one thread per processor, and holds few items at a time.

    Threads run in parallel here because TensorFlow's ops release Python's global lock.
    """
    work, threads = make_work(), os.cpu_count() or 1
    remaining = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        while some := list(itertools.islice(remaining, 4 * threads)):
            yield from pool.map(work, some)


def one_by_one(make_work: MakeWork[ItemT, ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
    """Applies the work to one item after the other, for work that uses all processors by itself."""
    return map(make_work(), items)
