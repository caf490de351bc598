"""Reads the rows of a Parquet file. Needs pyarrow (the extra ``parquet``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.readers.columns import GROUP, Row, Wanted

SUFFIX = ".parquet"


def parquet_rows(file: BinaryIO, name: str, wanted: Wanted) -> Iterator[Row]:
    """Yields the rows of a table, with the wanted columns and the group alone.

    Args:
        file: read whole, because Parquet has its table of contents at the end, to which a pipe cannot jump.
        name: name of the file in error messages.
        wanted: the columns that the table must have.

    Raises:
        InputError: pyarrow is not installed, the file is not Parquet, or a column or value is missing; names the row.
    """
    try:
        from pyarrow import ArrowException, BufferReader
        from pyarrow.parquet import ParquetFile
    except ImportError:
        fix = "pip install 'keras_negaposi[parquet]', or save the table as CSV"
        raise InputError(f"{name}: Parquet needs pyarrow, which is not installed; {fix}") from None
    number = 0
    try:
        table = ParquetFile(BufferReader(file.read()))
        header = table.schema_arrow.names
        names, kind = wanted.check_header(name, header)
        used = {column: ours for column, ours in zip(header, names, strict=True) if ours in {*kind, GROUP}}
        for batch in table.iter_batches(columns=[*used]):
            for values in batch.to_pylist():
                number += 1
                row = {ours: values[column] for column, ours in used.items()}
                place = f"{name}: row {number}"
                wanted.check_row(place, row, kind)
                yield place, row
    except (ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        raise InputError(f"{name}: not a readable Parquet file ({quoted(str(error))}); write it again") from None
