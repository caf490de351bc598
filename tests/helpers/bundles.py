"""Writes a checkpoint's ``.index`` with any entries in it, as TensorFlow would: a table with right checksums."""

import struct

from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto

_POLYNOMIAL = 0x82F63B78


def crc32c(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(crc):
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(number):
    content = b""
    while number > 127:
        content += bytes([number & 127 | 128])
        number >>= 7
    return content + bytes([number])


def block(rows):
    """Rows of (bytes shared with the key before, the rest of the key, value)."""
    content = b"".join(
        varint(shared) + varint(len(key)) + varint(len(value)) + key + value for shared, key, value in rows
    )
    return content + struct.pack("<II", 0, 1)


def table(rows):
    """A table of one block."""
    parts = [block(rows), block([])]
    places, content = [], b""
    for number, part in enumerate([*parts, None]):
        part = block([(0, b"~", places[0])]) if number == 2 else part
        places.append(varint(len(content)) + varint(len(part)))
        content += part + b"\0" + struct.pack("<I", masked(crc32c(part + b"\0")))
    footer = (places[1] + places[2]).ljust(40, b"\0")
    return content + footer + struct.pack("<Q", 0xDB4775248B80FB57)


def rows_of(path):
    from checkpoints_tools.formats.tf_bundle import _rows

    return dict(_rows(path.read_bytes()))


def write_rows(path, rows):
    path.write_bytes(table([(0, key, value) for key, value in sorted(rows.items())]))


def change_entry(path, name, **fields):
    """Changes an entry of an index; ``shape`` is a list."""
    rows = rows_of(path)
    entry = BundleEntryProto.FromString(rows[name.encode()])
    if "shape" in fields:
        del entry.shape.dim[:]
        for size in fields.pop("shape"):
            entry.shape.dim.add().size = size
    for field, value in fields.items():
        setattr(entry, field, value)
    write_rows(path, rows | {name.encode(): entry.SerializeToString()})
