"""An import's report: a line per photo, as a CSV that is safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterator
from itertools import islice

from recognition.imports.models import Import

BLOCK = 500  # lines
HEADINGS = ["name", "external_id", "photo", "status", "code", "reason"]


def report_lines(job: Import) -> Iterator[list[str]]:
    yield HEADINGS
    rows = job.rows.order_by("path").values_list("name", "key", "path", "status", "code", "reason")
    for row in rows.iterator(chunk_size=2000):
        yield [_harmless(cell) for cell in row]


def report_blocks(job: Import) -> Iterator[str]:
    """The same as text, BLOCK lines at a time."""
    lines = report_lines(job)
    while block := list(islice(lines, BLOCK)):
        text = io.StringIO()
        csv.writer(text).writerows(block)
        yield text.getvalue()


def _harmless(cell: str) -> str:
    """Not taken for a formula. https://owasp.org/www-community/attacks/CSV_Injection"""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
