"""A temporary folder that lives as long as the objects that use it."""

from __future__ import annotations

import contextlib
import tempfile
import weakref

from checkpoints_tools.common import temporary
from checkpoints_tools.common.errors import InputError


class TemporaryFolder:
    """An empty folder that is removed with this object, or else at the end of the process.

    If the process is killed, a later process removes the folder (`temporary`). A copy of an object that has a temporary
    folder shares it. It cannot be pickled, because another process would find the folder removed.

    Attributes:
        path: of the folder.
    """

    def __init__(self) -> None:
        stack = contextlib.ExitStack()
        self.path = stack.enter_context(temporary.folder(tempfile.gettempdir()))
        weakref.finalize(self, stack.close)

    def __deepcopy__(self, memo: dict[int, object]) -> TemporaryFolder:
        return self

    def __reduce__(self) -> str:
        raise InputError("a model in a temporary folder cannot be pickled; save it, and pickle what load returns")
