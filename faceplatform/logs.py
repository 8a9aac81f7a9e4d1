"""How a log line looks: plain for people, or JSON for programs. Neither repeats what PostgreSQL says of stored values."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

# What follows the first line of a database's error: it quotes rows, so names and vectors.
QUOTES = re.compile(r"^(?:DETAIL|CONTEXT|QUERY|STATEMENT|LINE \d+):.*$(?:\n(?!  File |\S).*$)*\n?", re.MULTILINE)


class DiscreetFormatter(logging.Formatter):
    """Leaves the values out of messages and tracebacks that the database's errors would bring along."""

    def format(self, record: logging.LogRecord) -> str:
        return QUOTES.sub("", super().format(record)).rstrip("\n")


class JsonFormatter(logging.Formatter):
    """A line each: time (UTC), level, logger, request_id, message, and for an error its traceback as exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "request_id": getattr(record, "request_id", "-"),
            "message": _discreet(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = _discreet(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def as_json(text: str, *, part: str) -> str:
    """A line of the supervisor, or one that a part printed without logging it, in the same form."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    rest = {"logger": "up", "request_id": "-", "message": _discreet(text), "part": part}
    return json.dumps({"time": time, "level": "INFO", **rest}, ensure_ascii=False)


def with_part(line: str, *, part: str) -> str:
    """A part's line, with the part's name."""
    try:
        found: Any = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return as_json(line, part=part)
    return json.dumps({**found, "part": part}, ensure_ascii=False)


def _discreet(text: str) -> str:
    return QUOTES.sub("", text).rstrip("\n")
