"""Downloads that are generated while they are sent."""

from collections.abc import AsyncIterator, Generator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse


def download(request: HttpRequest, blocks: Generator[bytes], *, name: str, content_type: str) -> StreamingHttpResponse:
    """A response to be saved as `name`.

    The blocks become an asynchronous iterator under ASGI, where Django would read a plain one to its end before sending.
    """
    under_asgi = isinstance(getattr(request, "_request", request), ASGIRequest)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    content = _one_by_one(blocks) if under_asgi else blocks
    return StreamingHttpResponse(content, content_type=content_type, headers=headers)


async def _one_by_one(blocks: Generator[bytes]) -> AsyncIterator[bytes]:
    """Makes each block in the request's thread, which holds its database connection."""
    next_block = sync_to_async(lambda: next(blocks, None), thread_sensitive=True)
    try:
        while (block := await next_block()) is not None:
            yield block
    finally:
        await sync_to_async(blocks.close, thread_sensitive=True)()
