"""Who does work that falls into independent items: the threads of this process, or the workers of Apache Beam.

An engine takes ``make_work``, which gives the function of an item and is called once a worker, and the items; it yields
the results in their order. `in_threads` is one, `Beam` another.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from checkpoints_tools.files import PARTIAL, join
from keras_negaposi.config.engine import EngineConfig

EXCHANGE = f"{PARTIAL}beam"
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
MakeWork = Callable[[], Callable[[ItemT], ResultT]]
Engine = Callable[[MakeWork[ItemT, ResultT], Iterable[ItemT]], Iterator[ResultT]]


def engine_of(config: EngineConfig, folder: str, here: Engine) -> Engine:
    """What the options say.

    Args:
        config: names Beam's runner, or none.
        folder: the output's, where the exchange is unless ``config`` says otherwise.
        here: the engine where no runner is named.

    Raises:
        InputError: there is no such runner.
    """
    if not config.runner:
        return here
    from keras_negaposi.beam import Beam

    return Beam(config.runner, config.runner_options or (), join(config.runner_folder or folder, EXCHANGE))


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
