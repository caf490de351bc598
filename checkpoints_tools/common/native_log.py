"""Keeps TensorFlow's native messages off the terminal, where they would bury the one line that a user must read.

A user who sets ``TF_CPP_MIN_LOG_LEVEL`` gets what it says: 0 everything, 1 warnings, 2 errors, 3 only what ends the
process.
"""

from __future__ import annotations

import ctypes
import glob
import os

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
ERRORS, NOTHING = "2", "3"
ACCELERATORS = ("/dev/nvidiactl", "/dev/dxg", "/dev/accel0", "/dev/vfio/0")
"""Devices of NVIDIA's driver on Linux, and in WSL2; of TPUs, older and newer ones."""
_SET_LEVEL_OF_ABSL = "_ZN4absl12lts_2025012714SetMinLogLevelENS0_18LogSeverityAtLeastE"
"""``absl::SetMinLogLevel`` in TensorFlow 2.20's library. Some messages, as XLA's first one, know no other level."""


def limit() -> None:
    """Sets the level for TensorFlow's first import, unless the user did: errors, and without an accelerator none.

    There TensorFlow reports as an error that there is no GPU. Errors that matter are exceptions as well.
    """
    os.environ.setdefault(LEVEL, ERRORS if any(map(os.path.exists, ACCELERATORS)) else NOTHING)


def limit_absl() -> None:
    """Gives the messages that TensorFlow sends to absl directly the same level, but never hides their errors.

    TensorFlow must be imported. With a version whose library lacks the function, the messages stay.
    """
    import tensorflow as tf

    level = os.environ.get(LEVEL)
    if level not in ("1", ERRORS, NOTHING):
        return
    for path in glob.glob(os.path.join(tf.sysconfig.get_lib(), "libtensorflow_framework.*")):
        set_level = getattr(ctypes.CDLL(path), _SET_LEVEL_OF_ABSL, None)
        if set_level:
            set_level(ctypes.c_int(int(min(level, ERRORS))))
