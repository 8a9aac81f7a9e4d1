"""The report of an import: one line per photo, as a CSV that is safe to open in a spreadsheet."""

from collections.abc import Iterator

from faceplatform.spreadsheet import csv_blocks, harmless
from recognition.imports.models import Import

HEADINGS = ["name", "external_id", "photo", "status", "code", "reason"]


def report_lines(job: Import) -> Iterator[list[str]]:
    """The headings, then the cells of one line per photo, ordered by path."""
    yield HEADINGS
    rows = job.rows.order_by("path").values_list("name", "key", "path", "status", "code", "reason")
    for row in rows.iterator(chunk_size=2000):
        yield [harmless(cell) for cell in row]


def report_blocks(job: Import) -> Iterator[str]:
    """The report as CSV text, some lines at a time."""
    return csv_blocks(report_lines(job))
