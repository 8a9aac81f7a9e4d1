"""Downloads that are made while they are sent."""

from collections.abc import AsyncIterator, Generator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse


def download(request, blocks: Generator[bytes], *, name: str, content_type: str) -> StreamingHttpResponse:
    """An answer to be saved as `name`. Under ASGI Django would gather a plain iterator before it sends the first byte."""
    under_asgi = isinstance(getattr(request, "_request", request), ASGIRequest)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    content = _one_by_one(blocks) if under_asgi else blocks
    return StreamingHttpResponse(content, content_type=content_type, headers=headers)


async def _one_by_one(blocks: Generator[bytes]) -> AsyncIterator[bytes]:
    """Each block is made in the request's thread, which holds its database connection."""
    following = sync_to_async(next, thread_sensitive=True)
    try:
        while (block := await following(blocks, None)) is not None:
            yield block
    finally:
        await sync_to_async(blocks.close, thread_sensitive=True)()
