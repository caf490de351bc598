"""A SavedModel, looked at before TensorFlow loads it.

A SavedModel is a program: its graphs can read and write files as the user can, some already while it is loaded. One
that `keras_negaposi.serving.export` wrote computes and nothing else. This is a safety belt, no sandbox: it stops
operations by their names, and what TensorFlow itself does with a hostile graph is not in our hands.
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

from checkpoints_tools.common.errors import InputError, shortened
from checkpoints_tools.common.files import join, read_bytes
from checkpoints_tools.formats.base import shown
from checkpoints_tools.formats.tf1 import Reader

PROGRAM = "saved_model.pb"
_OUTSIDE = re.compile(
    "File|Save|Restore|Checkpoint|Reader|Record|Dataset|Iterator|Summary|Event|Print|Dump|Debug|Load|Vocab|ImmutableConst"
    "|Proto|Unigram|Skipgram|Py|Remote|Rpc|Host|Collective|Distributed|Library|CustomCall|CallModule|Abort|Socket|Infeed"
    "|Outfeed"
)
"""In the names of TensorFlow's operations that touch files, devices, the network, Python or the process itself."""
_LONGEST_REASON = 200
_OTHER = "give one that train has written"


def load_saved_model(folder: str) -> tf.Module:
    """Loads what `keras_negaposi.serving.export` wrote.

    Raises:
        InputError: it is missing or damaged, or holds operations that such a model does not need.
    """
    check_saved_model(folder)
    try:
        return tf.saved_model.load(folder)
    except Exception as error:  # TensorFlow has one of its own for each kind of damage
        reason = shortened(" ".join(str(error).split()), _LONGEST_REASON)
        raise InputError(f"{folder}: the SavedModel cannot be loaded; copy it again: {reason}") from None


def check_saved_model(folder: str) -> None:
    """Checks a SavedModel's program and that its variables are there, without loading it.

    Raises:
        InputError: as `load_saved_model`.
    """
    _check_program(join(folder, PROGRAM), folder)
    Reader(join(folder, "variables", "variables")).check()


def find_signature(
    loaded: tf.Module, name: str, folder: str, outputs: Collection[str] = ()
) -> tf.types.experimental.ConcreteFunction:
    """A signature of a loaded SavedModel.

    Raises:
        InputError: it has none of this name, or the signature does not give one of ``outputs``.
    """
    signature = getattr(loaded, "signatures", {}).get(name)
    if signature is None:
        raise InputError(f"{folder}: the SavedModel has no signature {name}; {_OTHER}")
    given = signature.structured_outputs
    for output in outputs:
        if not isinstance(given, dict) or output not in given:
            raise InputError(f"{folder}: the SavedModel's signature {name} does not give {output}; {_OTHER}")
    return signature


def _check_program(file: str, folder: str) -> None:
    """Checks that no operation that can run is one of those that reach outside of the model.

    Raises:
        InputError: the file is damaged, or names the operation.
    """
    try:
        graphs = SavedModel.FromString(read_bytes(file)).meta_graphs
    except DecodeError:
        raise InputError(f"{file}: not a readable SavedModel; copy it again") from None
    if len(graphs) != 1 or not graphs[0].HasField("object_graph_def"):
        raise InputError(f"{file}: not a SavedModel of TensorFlow 2; {_OTHER}")
    objects, library = graphs[0].object_graph_def, graphs[0].graph_def.library
    # What saves and restores is called by the outer graph alone, which is not run.
    roots = [*objects.concrete_functions]
    for node in objects.nodes:
        roots += [*node.function.concrete_functions, node.bare_concrete_function.concrete_function_name]
    gradients = {pair.function_name: pair.gradient_func for pair in library.gradient}
    for node in _reachable(roots, {function.signature.name: function for function in library.function}, gradients):
        if _OUTSIDE.search(node.op):
            raise InputError(
                f"{file}: holds the operation {shown(node.op)}, with which a model could reach files or run programs, "
                f"and which none of ours needs; {_OTHER}, or look into it: saved_model_cli show --dir {folder} --all"
            )


def _reachable(roots: list[str], functions: dict[str, FunctionDef], gradients: dict[str, str]) -> Iterator[NodeDef]:
    """The nodes of the functions of these names, and of those that they can call."""
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
    """The functions that attributes name; a name may come with attributes of its own."""
    for value in attributes:
        for called in (value.func, *value.list.func):
            yield called.name
            yield from _named(called.attr.values())
