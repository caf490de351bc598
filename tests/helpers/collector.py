"""Makes Python look for reference cycles less often; imported before the packages that make many objects.

TensorFlow's modules and graphs are hundreds of thousands of objects that stay. With Python's own thresholds, importing
them takes a fifth longer, because they are looked at again and again while they become more.
"""

import gc

gc.set_threshold(20_000, 10, 10)
