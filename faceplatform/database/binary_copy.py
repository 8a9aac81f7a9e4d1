"""Many rows at once between NumPy and PostgreSQL: COPY in its binary format, for columns of a fixed width.

Format: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT, numbers big-endian. A halfvec of pgvector
is int16 dimensions, int16 nought, then float16s.
"""

from collections.abc import Iterator

import numpy as np

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
UUID = np.dtype("V16")


def halfvec(dim: int) -> np.dtype:
    return np.dtype([("dim", ">i2"), ("nought", ">i2"), ("values", ">f2", (dim,))])


def read_blocks(cursor, query: str, columns: dict[str, np.dtype], *, block: int) -> Iterator[np.ndarray]:
    """The rows of `query`, `block` at a time, as structured arrays with `columns`. No value may be null."""
    record = _record(columns)
    waiting = bytearray()
    with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT binary)") as copy:
        start = len(SIGNATURE)
        for data in copy:
            waiting += data
            if start and len(waiting) >= start:
                del waiting[:start]
                start = 0
            while len(waiting) >= block * record.itemsize:
                yield _take(waiting, block, record, columns)
    if rows := (len(waiting) - len(TRAILER)) // record.itemsize:
        yield _take(waiting, rows, record, columns)


def write_rows(cursor, table: str, columns: dict[str, np.ndarray]) -> None:
    """Adds a row for each element of the arrays, which are as long as each other."""
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
    """A column with one value: text as bytes; True, int32 and float64 as numbers."""
    if isinstance(value, bytes):
        return np.full(rows, np.void(value), f"V{len(value)}")
    return np.full(rows, value, {bool: "?", int: ">i4", float: ">f8"}[type(value)])


def _record(columns: dict[str, np.dtype]) -> np.dtype:
    fields = [("fields", ">i2")]
    for name, dtype in columns.items():
        fields += [(f"{name} bytes", ">i4"), (name, dtype)]
    return np.dtype(fields)


def _take(waiting: bytearray, rows: int, record: np.dtype, columns: dict[str, np.dtype]) -> np.ndarray:
    size = rows * record.itemsize
    found = np.frombuffer(bytes(waiting[:size]), record)
    del waiting[:size]
    for name, dtype in columns.items():
        if not (found[f"{name} bytes"] == dtype.itemsize).all():
            raise ValueError(f"The column {name} is not {dtype.itemsize} bytes wide everywhere.")
    return found[list(columns)]
