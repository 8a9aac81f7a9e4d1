"""CSV that is safe to open in a spreadsheet, block by block."""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice

BLOCK_LINES = 500
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_blocks(lines: Iterable[Iterable[str]]) -> Iterator[str]:
    """The lines as CSV text, BLOCK_LINES at a time."""
    left = iter(lines)
    while block := list(islice(left, BLOCK_LINES)):
        text = io.StringIO()
        csv.writer(text).writerows([harmless(cell) for cell in line] for line in block)
        yield text.getvalue()


def harmless(cell: str) -> str:
    """Keeps a spreadsheet from running the cell: https://owasp.org/www-community/attacks/CSV_Injection"""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
