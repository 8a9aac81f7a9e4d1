"""Parses the JSON of requests, and refuses what would fail later."""

import io
import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError

ESCAPED_SURROGATE = (b"\\ud", b"\\uD")


class JSONParser(parsers.JSONParser):
    """Refuses JSON that is nested too deeply, and text with half a surrogate pair, which cannot be stored or sent back."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        data = stream.read()
        try:
            content = super().parse(io.BytesIO(data), media_type, parser_context)
            if any(escape in data for escape in ESCAPED_SURROGATE):
                json.dumps(content, ensure_ascii=False).encode()
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply. Send it with fewer levels.") from error
        except UnicodeEncodeError as error:
            raise ParseError(
                f"A text contains half a surrogate pair: {error.object[error.start]!a}. Remove it and try again."
            ) from error
        return content
