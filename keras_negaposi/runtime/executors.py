"""Who does work that falls into independent items: the threads of this process, or the workers of Apache Beam.

An engine takes ``make_work``, which gives the function of an item and is called once a worker, and the items; it yields
the results in their order. `in_threads` is one, `beam.Beam` another.
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
    """TensorFlow's ops do not hold Python's lock, so threads share the processors; few items are held at once."""
    work, threads = make_work(), os.cpu_count() or 1
    remaining = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        while some := list(itertools.islice(remaining, 4 * threads)):
            yield from pool.map(work, some)


def one_by_one(make_work: MakeWork[ItemT, ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
    """For work that takes all processors by itself."""
    return map(make_work(), items)
