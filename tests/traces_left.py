"""Looks for what is left of somebody: in every column of every table, in the planner's statistics, in every file.

It knows no table: whatever is added to the database is looked through as well.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from django.contrib.sessions.models import Session
from django.db import connection

COLUMNS = """
    SELECT format('%I.%I', n.nspname, c.relname), a.attname, quote_ident(a.attname)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND a.attnum > 0 AND NOT a.attisdropped
        AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_t'
    ORDER BY 1, a.attnum
"""
STATISTICS = """
    SELECT tablename || '.' || attname FROM pg_stats
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
        AND (most_common_vals::text ILIKE ANY (%(texts)s) OR histogram_bounds::text ILIKE ANY (%(texts)s)
             OR most_common_elems::text ILIKE ANY (%(texts)s))
"""


def traces_of(*needles: str | bytes, files: Path | None = None, besides: Iterable[str] = ()) -> set[str]:
    """Where one of `needles` is: “schema.table.column”, “statistics of table.column”, “session” or the path of a file.

    Bytes are looked for in bytea columns and in texts of hexadecimal digits. files: a folder to look through, `besides` names
    what is left out of it.
    """
    patterns = [
        f"%{_escaped(needle.hex() if isinstance(needle, bytes) else form)}%"
        for needle in needles
        for form in _forms(needle)
    ]
    found = {*_in_tables(patterns), *_in_statistics(patterns), *_in_sessions(needles)}
    return found | ({*_in_files(files, set(besides), needles)} if files else set())


def _forms(needle: str | bytes) -> list:
    """A text is also looked for as bytes."""
    return [needle] if isinstance(needle, bytes) else [needle, needle.encode().hex()]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _in_tables(patterns: list[str]) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS)
        for table, column, quoted in cursor.fetchall():
            cursor.execute(f"SELECT EXISTS (SELECT FROM {table} WHERE {quoted}::text ILIKE ANY (%s))", [patterns])
            if cursor.fetchone()[0]:
                yield f"{table}.{column}".removeprefix("public.")


def _in_statistics(patterns: list[str]) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(STATISTICS, {"texts": patterns})
        yield from (f"statistics of {column}" for (column,) in cursor.fetchall())


def _in_sessions(needles: Iterable[str | bytes]) -> Iterator[str]:
    """A session's data are packed, so they are unpacked first."""
    for session in Session.objects.all():
        text = str(session.get_decoded()).casefold()
        if any(isinstance(needle, str) and needle.casefold() in text for needle in needles):
            yield "session"


def _in_files(folder: Path, besides: set[str], needles: Iterable[str | bytes]) -> Iterator[str]:
    wanted = [needle if isinstance(needle, bytes) else needle.encode().lower() for needle in needles]
    for path in folder.rglob("*"):
        if path.is_file() and besides.isdisjoint(path.relative_to(folder).parts):
            data = path.read_bytes()
            if any(needle in data or needle in data.lower() for needle in wanted):
                yield str(path.relative_to(folder))
