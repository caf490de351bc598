"""From texts to batches: input layouts, TFRecords and ``tf.data`` pipelines."""
