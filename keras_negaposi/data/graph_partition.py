"""Choosing the documents of the test side of a grouped split, as a graph bisection.

The documents are the nodes of a graph, and the number of pairs that join two documents is the weight of their edge. A
pair whose documents are on different sides crosses the cut and has to be dropped, so a good split cuts few pairs while
the test side gets the wanted share of them. Finding the smallest cut is NP-hard; this is the usual greedy heuristic of
multilevel graph partitioning: grow one side from a seed, then improve the border by single moves (Karypis and Kumar,
"A fast and high quality multilevel scheme for partitioning irregular graphs", SIAM J. Sci. Comput. 20(1), 1998).
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict

import numpy as np

TOLERANCE = 0.1
"""The size of the test side may deviate from the wanted size by this fraction."""
MAX_PASSES = 10
"""Passes over all documents that try to improve a side by single moves."""

_Links = dict[int, Counter[int]]


class DocumentGraph:
    """The documents, and how many pairs join two of them.

    Args:
        ends: documents of A and of B, ``int [pairs, 2]``, each below ``count``.
        count: number of documents.
    """

    def __init__(self, ends: np.ndarray, count: int) -> None:
        self._weight = np.bincount(ends.ravel(), minlength=count) / 2  # each end owns half of its pair
        self._documents = np.unique(ends)
        self._links: _Links = defaultdict(Counter)
        joined, pairs = np.unique(ends[:, 0] * count + ends[:, 1], return_counts=True)
        for key, number in zip(joined.tolist(), pairs.tolist(), strict=True):
            a, b = divmod(key, count)
            if a != b:
                self._links[a][b] += number
                self._links[b][a] += number

    def grow(self, wanted: float, rng: np.random.Generator) -> np.ndarray:
        """Chooses the documents of the test side.

        The side's size is counted in pairs: a pair inside it counts 1, a pair across the cut 1/2.

        Args:
            wanted: size of the test side; it ends within `TOLERANCE` of this if the documents allow it.
            rng: chooses the first document, and the order in which equally good documents are taken.

        Returns:
            Whether each document is on the test side, ``bool [documents]``.
        """
        order = rng.permutation(self._documents).tolist()
        side = _TestSide(self._weight.tolist(), self._links, order)
        side.grow(wanted)
        side.refine(wanted)
        return np.isin(np.arange(len(self._weight)), list(side.documents))


class _TestSide:
    """The test side while it is being built; all other documents are on the train side.

    Attributes:
        documents: the documents on the test side.
    """

    def __init__(self, weight: list[float], links: _Links, order: list[int]) -> None:
        self.documents: set[int] = set()
        self._weight, self._links, self._order = weight, links, order
        self._size = 0.0
        # By how many pairs the cut shrinks if the document changes sides. All documents are on the train side now, so
        # a move puts all of a document's links across the cut. `_move` updates the gains of the neighbours only: the
        # whole search visits each link a few times, however many pairs a single document has.
        self._gain = {document: -links[document].total() for document in order}

    def grow(self, wanted: float) -> None:
        """Adds documents until the side has the wanted size, always the one whose move gives the smallest cut.

        The heap contains the documents next to the side. Where it is empty, the side is empty or is a whole connected
        component of the graph: growth starts again at the next document of the random order.
        """
        rank = {document: number for number, document in enumerate(self._order)}  # breaks ties
        heap: list[tuple[int, int, int]] = []
        fresh = iter(self._order)
        while self._size < wanted:
            document = heapq.heappop(heap)[2] if heap else next(fresh, None)
            if document is None:
                break
            # A document is pushed again whenever its gain grows. The newest entry comes first, and the older ones are
            # skipped here, since the document is on the side by then (or is too large for it).
            if document in self.documents or self._size + self._weight[document] > wanted * (1 + TOLERANCE):
                continue
            self._move(document)
            for other in self._links[document]:
                if other not in self.documents:
                    heapq.heappush(heap, (-self._gain[other], rank[other], other))

    def refine(self, wanted: float) -> None:
        """Moves single documents to either side while that shrinks the cut and the size stays within `TOLERANCE`.

        Greedy growth takes early documents without knowing what follows, so some of them fit better on the other side.
        """
        for _ in range(MAX_PASSES):
            moved = False
            for document in self._order:
                sign = -1 if document in self.documents else 1
                change = sign * self._weight[document]
                if self._gain[document] > 0 and abs(self._size + change - wanted) <= wanted * TOLERANCE:
                    self._move(document)
                    moved = True
            if not moved:
                break

    def _move(self, document: int) -> None:
        """Moves a document to the other side, and updates the size and the gains."""
        joins = document not in self.documents
        self.documents.symmetric_difference_update((document,))
        self._size += self._weight[document] if joins else -self._weight[document]
        self._gain[document] = -self._gain[document]
        for other, count in self._links[document].items():
            # Their pairs are inside one side now if both are on the same side: a move of the neighbour would cut them.
            now_together = (other in self.documents) == joins
            self._gain[other] += -2 * count if now_together else 2 * count
