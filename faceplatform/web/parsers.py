"""JSON as clients send it, checked for what would fail later on."""

import io
import json

from rest_framework import parsers
from rest_framework.exceptions import ParseError

ESCAPED_SURROGATE = (b"\\ud", b"\\uD")


class JSONParser(parsers.JSONParser):
    """Refuses JSON nested too deep to be read, and text with half a surrogate pair, which nothing can store or answer."""

    def parse(self, stream, media_type=None, parser_context=None):
        data = stream.read()
        try:
            content = super().parse(io.BytesIO(data), media_type, parser_context)
            if any(escape in data for escape in ESCAPED_SURROGATE):
                json.dumps(content, ensure_ascii=False).encode()
        except RecursionError as error:
            raise ParseError("The JSON is nested too deep. Send it flatter.") from error
        except UnicodeEncodeError as error:
            raise ParseError(
                f"A text holds half a surrogate pair: {error.object[error.start]!a}. Send it without."
            ) from error
        return content
