"""Writes files as ``torch.save`` writes a dict of tensors, in both of its formats, without PyTorch."""

import struct
import zipfile

KINDS = {"float64": "Double", "float32": "Float", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long"}
MAGIC = 0x1950A86A20F9469CFC6C


def name(module, of):
    """The instruction that loads a global name."""
    return f"c{module}\n{of}\n".encode()


def value(content):
    """The instructions that make a string, a number, a bool, ``None`` or a tuple or dict of these."""
    if content is None or isinstance(content, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[content]
    if isinstance(content, str):
        return b"X" + struct.pack("<I", len(content.encode())) + content.encode()
    if isinstance(content, int):
        if -(2**31) <= content < 2**31:
            return b"J" + struct.pack("<i", content)
        octets = content.to_bytes(content.bit_length() // 8 + 1, "little", signed=True)
        return b"\x8a" + bytes([len(octets)]) + octets
    if isinstance(content, tuple):
        return b"(" + b"".join(map(value, content)) + b"t"
    if isinstance(content, list):
        return b"](" + b"".join(map(value, content)) + b"e"
    if isinstance(content, dict):
        return b"}(" + b"".join(value(part) for item in content.items() for part in item) + b"u"
    return content  # instructions already


class Raw(bytes):
    """Instructions."""


def tensor(array, key, count=None, shape=None, strides=None, kind=None, view=()):
    """The instructions that make a tensor of a storage of its own."""
    kind = name("torch", f"{kind or KINDS[array.dtype.name]}Storage")
    storage = b"(" + value("storage") + kind + value(key) + value("cpu")
    storage += value(array.size if count is None else count) + b"".join(map(value, view)) + b"tQ"
    steps = tuple(step // array.itemsize for step in array.strides) if strides is None else strides
    arguments = value(0) + value(array.shape if shape is None else shape) + value(steps) + value(False)
    hooks = name("collections", "OrderedDict") + b")R"
    return Raw(name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + arguments + hooks + b"tR")


def state_dict(tensors):
    """The instructions of an OrderedDict of tensors, with the versions of its modules."""
    items = b"".join(value(key) + code for key, code in tensors.items())
    versions = value({"_metadata": {"": {"version": 1}}})
    return name("collections", "OrderedDict") + b")Rq\x00(" + items + b"u" + versions + b"b"


def pickled(code):
    """A pickle of protocol 2."""
    return b"\x80\x02" + code + b"."


def save_zip(path, arrays, code=None):
    """Writes an archive, as PyTorch since 1.6; ``code`` replaces the instructions."""
    keys = {title: str(number) for number, title in enumerate(arrays)}
    with zipfile.ZipFile(path, "w") as archive:
        content = code or state_dict({title: tensor(array, keys[title]) for title, array in arrays.items()})
        archive.writestr("archive/data.pkl", pickled(content))
        archive.writestr("archive/byteorder", "little")
        for title, array in arrays.items():
            archive.writestr(f"archive/data/{keys[title]}", array.tobytes())
    return path


def save_sequential(path, arrays, code=None):
    """Writes the older format: pickles, then the numbers; ``code`` replaces the instructions."""
    keys = {title: f"9{number}" for number, title in enumerate(arrays)}
    tensors = {title: tensor(array, keys[title], view=(None,)) for title, array in arrays.items()}
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [value(MAGIC), value(1001), value(system), code or state_dict(tensors), value(list(keys.values()))]
    numbers = [struct.pack("<q", array.size) + array.tobytes() for array in arrays.values()]
    path.write_bytes(b"".join([*map(pickled, parts), *numbers]))
    return path
