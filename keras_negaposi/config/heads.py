"""The heads by name, a line each; nothing is imported for it, so that ``--help`` is quick."""

HEADS = {
    "pair": "together",
    "pair_means": "together",
    "vector": "apart",
    "dot": "apart",
    "additive": "apart",
    "reduced": "apart",
    "lowrank": "apart",
    "midfusion": "apart",
}
"""Name -> `features.Packing`: what is packed apart has a B that can be cached."""


def is_cacheable(head: str) -> bool:
    """Whether B's side of it can be kept."""
    return HEADS[head] == "apart"
