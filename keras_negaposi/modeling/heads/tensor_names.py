"""Names of the tensors that a cacheable head computes for one text.

They are keys in the SavedModel's signatures and names of an index's arrays, so they must not change.
"""

from __future__ import annotations

VECTOR = "vector"
"""The text's embedding, ``[batch, size]``, of length 1."""
DENSITY = "density"
"""How close the text is to the pages of the corpus, ``[batch, 1]``: see `serving.density`."""
QUERY = "query"
"""A's query, ``[batch, size]``."""
KEYS = "keys"
"""B's keys, ``[batch, seq, size]``."""
STATES = "states"
"""Hidden states of the tokens, ``[batch, seq, size]``."""
MASK = "mask"
"""1 for a token and 0 for padding, ``int32 [batch, seq]``: accompanies every tensor that has one row per token."""
