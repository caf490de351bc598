"""The user's texts and labelled pairs, their splits, and how pairs are sampled."""
