"""Downloads that are generated while they are sent."""

from collections.abc import Generator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse


def download(request: HttpRequest, blocks: Generator[bytes], *, name: str, content_type: str) -> StreamingHttpResponse:
    """A response to be saved as `name`.

    The blocks become an asynchronous iterator under ASGI, where Django would read a plain one to its end before sending.
    """
    under_asgi = isinstance(getattr(request, "_request", request), ASGIRequest)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    content = _OneByOne(blocks) if under_asgi else blocks
    return StreamingHttpResponse(content, content_type=content_type, headers=headers)


class _OneByOne:
    """Makes each block in the request's thread, which holds its database connection.

    Django closes it there together with the response, also when the client has disconnected.
    """

    def __init__(self, blocks: Generator[bytes]) -> None:
        self._next = sync_to_async(lambda: next(blocks, None), thread_sensitive=True)
        self.close = blocks.close

    def __aiter__(self) -> "_OneByOne":
        return self

    async def __anext__(self) -> bytes:
        if (block := await self._next()) is None:
            raise StopAsyncIteration
        return block
