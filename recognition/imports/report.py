"""An import's report: a line per photo, as a CSV that is safe to open in a spreadsheet."""

from collections.abc import Iterator

from recognition.models import Import

HEADINGS = ["name", "external_id", "photo", "status", "code", "reason"]


def report_lines(job: Import) -> Iterator[list[str]]:
    yield HEADINGS
    rows = job.rows.order_by("path").values_list("name", "key", "path", "status", "code", "reason")
    for row in rows.iterator(chunk_size=2000):
        yield [_harmless(cell) for cell in row]


def _harmless(cell: str) -> str:
    """Not taken for a formula. https://owasp.org/www-community/attacks/CSV_Injection"""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
