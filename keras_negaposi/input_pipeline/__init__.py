"""From texts to batches: tokenizer, packing, TFRecords, tf.data."""
