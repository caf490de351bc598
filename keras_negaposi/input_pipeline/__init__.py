"""From texts to batches: tokenizer, input layouts, TFRecords and ``tf.data`` pipelines."""
