"""Downloads that are made while they are sent."""

from collections.abc import Generator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse


def download(request, blocks: Generator[bytes], *, name: str, content_type: str) -> StreamingHttpResponse:
    """An answer to be saved as `name`. Under ASGI Django would gather a plain iterator before it sends the first byte."""
    under_asgi = isinstance(getattr(request, "_request", request), ASGIRequest)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    content = _OneByOne(blocks) if under_asgi else blocks
    return StreamingHttpResponse(content, content_type=content_type, headers=headers)


class _OneByOne:
    """Each block is made in the request's thread, which holds its database connection. There it ends too: Django calls `close`
    with the response's, also where the client has gone."""

    def __init__(self, blocks: Generator[bytes]):
        self._next = sync_to_async(lambda: next(blocks, None), thread_sensitive=True)
        self.close = blocks.close

    def __aiter__(self):
        return self

    async def __anext__(self) -> bytes:
        if (block := await self._next()) is None:
            raise StopAsyncIteration
        return block
