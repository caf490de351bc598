"""Checks a SavedModel before TensorFlow loads it.

A SavedModel is a program: its graphs can read and write files with the user's permissions, some of them already while
TensorFlow loads it. A model that only computes needs no such operations, so a SavedModel that holds one is rejected.
This check is a safety net, not a sandbox: it knows operations by name and cannot protect against bugs in TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework.attr_value_pb2 import AttrValue
from tensorflow.core.framework.function_pb2 import FunctionDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import join, read_bytes
from checkpoints_tools.formats.base import reason_of, shown
from checkpoints_tools.formats.tf1 import Reader

PROGRAM = "saved_model.pb"
_OUTSIDE = re.compile(
    "File|Save|Restore|Checkpoint|Reader|Record|Dataset|Iterator|Summary|Event|Print|Dump|Debug|Load|Vocab|ImmutableConst"
    "|Proto|Unigram|Skipgram|Py|Remote|Rpc|Host|Collective|Distributed|Library|CustomCall|CallModule|Abort|Socket|Infeed"
    "|Outfeed"
)
"""Matches TensorFlow operations that use files, devices, the network, Python or the process itself."""
_OTHER = "give one that train wrote"


def load_saved_model(folder: str) -> tf.Module:
    """Checks and loads a SavedModel.

    Raises:
        InputError: it is missing or damaged, or holds operations that could reach files or run programs.
    """
    check_saved_model(folder)
    try:
        return tf.saved_model.load(folder)
    except Exception as error:  # each kind of damage raises another type
        raise InputError(f"{folder}: the SavedModel cannot be loaded; copy it again: {reason_of(error)}") from None


def check_saved_model(folder: str) -> None:
    """Checks a SavedModel's operations, and that its variables are complete, without loading it.

    Raises:
        InputError: it is missing or damaged, or holds operations that could reach files or run programs.
    """
    _check_program(join(folder, PROGRAM), folder)
    Reader(join(folder, "variables", "variables")).check()


def find_signature(
    loaded: tf.Module, name: str, folder: str, outputs: Collection[str] = ()
) -> tf.types.experimental.ConcreteFunction:
    """Returns a signature of a loaded SavedModel.

    Args:
        loaded: the SavedModel.
        name: the signature's name.
        folder: the SavedModel's folder, for error messages.
        outputs: names of outputs that the signature must have.

    Raises:
        InputError: there is no such signature, or it lacks one of the outputs.
    """
    signature = getattr(loaded, "signatures", {}).get(name)
    if signature is None:
        raise InputError(f"{folder}: the SavedModel has no signature {name}; {_OTHER}")
    given = signature.structured_outputs
    for output in outputs:
        if not isinstance(given, dict) or output not in given:
            raise InputError(f"{folder}: the SavedModel's signature {name} has no output {output}; {_OTHER}")
    return signature


def _check_program(file: str, folder: str) -> None:
    """Checks that no operation that can run reaches outside of the model.

    Raises:
        InputError: the file is damaged, or holds such an operation; the message names it.
    """
    try:
        graphs = SavedModel.FromString(read_bytes(file)).meta_graphs
    except DecodeError:
        raise InputError(f"{file}: not a readable SavedModel; copy it again") from None
    if len(graphs) != 1 or not graphs[0].HasField("object_graph_def"):
        raise InputError(f"{file}: not a SavedModel of TensorFlow 2; {_OTHER}")
    objects, library = graphs[0].object_graph_def, graphs[0].graph_def.library
    # Only the outer graph, which is never run, calls the functions that save and restore variables.
    roots = [*objects.concrete_functions]
    for node in objects.nodes:
        roots += [*node.function.concrete_functions, node.bare_concrete_function.concrete_function_name]
    gradients = {pair.function_name: pair.gradient_func for pair in library.gradient}
    for node in _reachable(roots, {function.signature.name: function for function in library.function}, gradients):
        if _OUTSIDE.search(node.op):
            raise InputError(
                f"{file}: holds the operation {shown(node.op)}, which could reach files or run programs; {_OTHER}, or "
                f"inspect it: saved_model_cli show --dir {folder} --all"
            )


def _reachable(roots: list[str], functions: dict[str, FunctionDef], gradients: dict[str, str]) -> Iterator[NodeDef]:
    """Yields the nodes of the named functions and of all functions that they can call."""
    left = list(roots)
    while left:
        name = left.pop()
        function = functions.pop(name, None)
        for node in function.node_def if function else ():
            yield node
            left += [node.op, *_named(node.attr.values())]
        if function and name in gradients:
            left.append(gradients[name])


def _named(attributes: Iterable[AttrValue]) -> Iterator[str]:
    """Yields the function names in attributes; a function in an attribute can have attributes with more names."""
    for value in attributes:
        for called in (value.func, *value.list.func):
            yield called.name
            yield from _named(called.attr.values())
