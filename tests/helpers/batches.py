"""Batches of records as single pairs."""

from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, INDEX

LENGTH = 37
"""Pieces of an input in the records of tests/input_pipeline."""


def in_order(batches):
    """The features of all pairs of batches of different lengths, as rows without their padding, by index."""
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
    rows.pop(-1, None)  # what fills a batch up
    assert sorted(rows) == list(range(len(rows)))
    return [rows[index] for index in sorted(rows)]
