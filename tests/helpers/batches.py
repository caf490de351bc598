"""Takes batches of records apart into single pairs."""

from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, INDEX

LENGTH = 37
"""Pieces of an input in the records of tests/input_pipeline."""


def in_order(batches):
    """Returns the features of all pairs in the order of their indexes, without padding."""
    rows = {}
    for batch in batches:
        for number, index in enumerate(batch[INDEX]):
            row = {name: values[number] for name, values in batch.items()}
            for mask in [name for name in row if name.endswith("input_mask")]:
                length = row[mask].sum()
                for name in (mask.replace("input_mask", each) for each in ENCODER_INPUTS):
                    assert not row[name][length:].any()
                    row[name] = row[name][:length].tolist()
            assert index not in rows or index < 0
            rows[int(index)] = row
    rows.pop(-1, None)  # empty pairs that fill a batch
    assert sorted(rows) == list(range(len(rows)))
    return [rows[index] for index in sorted(rows)]
