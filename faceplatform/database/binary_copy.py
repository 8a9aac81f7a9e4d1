"""Many rows at once between NumPy and PostgreSQL: COPY in its binary format, for columns of fixed width.

Format: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT. All numbers are big-endian. A halfvec of
pgvector is an int16 with the number of dimensions, an unused int16 (0), then float16s.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from django.db.backends.utils import CursorWrapper

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
UUID = np.dtype("V16")


def halfvec(dim: int) -> np.dtype[Any]:
    """The dtype of a halfvec column with `dim` dimensions; the vector is in the field `values`."""
    return np.dtype([("dim", ">i2"), ("unused", ">i2"), ("values", ">f2", (dim,))])


def read_blocks(
    cursor: CursorWrapper, query: str, columns: dict[str, np.dtype[Any]], *, block: int
) -> Iterator[np.ndarray]:
    """The rows of `query`, `block` at a time, as structured arrays (block,) with the fields `columns`. No value may be null.

    Raises ValueError if a value does not have the width of its dtype.
    """
    record = _record(columns)
    buffer = bytearray()
    with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT binary)") as copy:
        start = len(SIGNATURE)
        for data in copy:
            buffer += data
            if start and len(buffer) >= start:
                del buffer[:start]
                start = 0
            while len(buffer) >= block * record.itemsize:
                yield _pop_rows(buffer, block, record, columns)
    if rows := (len(buffer) - len(TRAILER)) // record.itemsize:
        yield _pop_rows(buffer, rows, record, columns)


def write_rows(cursor: CursorWrapper, table: str, columns: dict[str, np.ndarray]) -> None:
    """Inserts a row for each element of the arrays, which must all have the same length."""
    record = _record({name: values.dtype for name, values in columns.items()})
    rows = np.zeros(len(next(iter(columns.values()))), record)
    rows["fields"] = len(columns)
    for name, values in columns.items():
        rows[f"{name} bytes"] = values.dtype.itemsize
        rows[name] = values
    with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)") as copy:
        copy.write(SIGNATURE)
        copy.write(rows.tobytes())
        copy.write(TRAILER)


def constant(value: bytes | float | bool | np.generic, rows: int) -> np.ndarray:
    """A column (rows,) that repeats one value. Text is given as bytes; an int becomes int32, a float float64."""
    if isinstance(value, bytes):
        return np.full(rows, np.void(value), f"V{len(value)}")
    return np.full(rows, value, {bool: "?", int: ">i4", float: ">f8"}[type(value)])


def _record(columns: dict[str, np.dtype[Any]]) -> np.dtype[Any]:
    """A row as COPY writes it: the number of fields, then each value after its width in bytes."""
    fields: list[tuple[str, Any]] = [("fields", ">i2")]
    for name, dtype in columns.items():
        fields += [(f"{name} bytes", ">i4"), (name, dtype)]
    return np.dtype(fields)


def _pop_rows(buffer: bytearray, rows: int, record: np.dtype[Any], columns: dict[str, np.dtype[Any]]) -> np.ndarray:
    """Removes the first `rows` rows from the buffer and returns them."""
    size = rows * record.itemsize
    taken = np.frombuffer(bytes(buffer[:size]), record)
    del buffer[:size]
    for name, dtype in columns.items():
        if not (taken[f"{name} bytes"] == dtype.itemsize).all():
            raise ValueError(f"The column {name} is not {dtype.itemsize} bytes wide everywhere.")
    return taken[list(columns)]
