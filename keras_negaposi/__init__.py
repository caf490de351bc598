"""Does text B come next after text A? A Keras-native pair classifier for short Japanese texts."""

import os

# tf-models is written for Keras 2. Said before TensorFlow's first import, it also spares loading Keras 3.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# TensorFlow's start-up chatter would bury the one line that a user must read.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
