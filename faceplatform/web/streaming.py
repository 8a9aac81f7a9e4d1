"""Downloads that are generated block by block, and sent from a temporary file; and answers that go on and on."""

import tempfile
from collections.abc import Callable, Generator
from typing import IO

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse

BLOCK, IN_MEMORY = 64 * 1024, 1024 * 1024  # bytes
# What ends the answers that would go on: called on the event loop when the server begins to stop, so that it need not wait.
at_stop: set[Callable[[], None]] = set()


def download(request: HttpRequest, blocks: Generator[bytes], *, name: str, content_type: str) -> StreamingHttpResponse:
    """A response to be saved as `name`.

    The blocks become an asynchronous iterator under ASGI, where Django would read a plain one to its end before sending.
    """
    under_asgi = isinstance(getattr(request, "_request", request), ASGIRequest)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    content = _OneByOne(blocks) if under_asgi else blocks
    return StreamingHttpResponse(content, content_type=content_type, headers=headers)


class _OneByOne:
    """Makes all blocks in the request's thread, into a temporary file, and then gives back its database connection: a client
    that reads slowly keeps a file, not a connection.

    Django closes it in that thread together with the response, also when the client has disconnected.
    """

    def __init__(self, blocks: Generator[bytes]) -> None:
        self._blocks = blocks
        self._file: IO[bytes] | None = None
        self._next = sync_to_async(self._read, thread_sensitive=True)

    def _read(self) -> bytes:
        if self._file is None:
            self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed with the response
            self._file.writelines(self._blocks)
            self._file.seek(0)
            connections.close_all()
        return self._file.read(BLOCK)

    def close(self) -> None:
        self._blocks.close()
        if self._file is not None:
            self._file.close()

    def __aiter__(self) -> "_OneByOne":
        return self

    async def __anext__(self) -> bytes:
        if block := await self._next():
            return block
        raise StopAsyncIteration
