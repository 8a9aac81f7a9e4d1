"""The report of an import: one line per photo, as a CSV that is safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterator
from itertools import islice

from recognition.imports.models import Import

BLOCK_LINES = 500
HEADINGS = ["name", "external_id", "photo", "status", "code", "reason"]


def report_lines(job: Import) -> Iterator[list[str]]:
    """The headings, then the cells of one line per photo, ordered by path."""
    yield HEADINGS
    rows = job.rows.order_by("path").values_list("name", "key", "path", "status", "code", "reason")
    for row in rows.iterator(chunk_size=2000):
        yield [_escape_formula(cell) for cell in row]


def report_blocks(job: Import) -> Iterator[str]:
    """The report as CSV text, BLOCK_LINES lines at a time."""
    lines = report_lines(job)
    while block := list(islice(lines, BLOCK_LINES)):
        text = io.StringIO()
        csv.writer(text).writerows(block)
        yield text.getvalue()


def _escape_formula(cell: str) -> str:
    """Keeps a spreadsheet from running the cell: https://owasp.org/www-community/attacks/CSV_Injection"""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
