"""The web server's process: uvicorn, with bounded connections."""

import contextlib
import functools
import resource
import socket
import time
from typing import Any

import uvicorn
from django.conf import settings

from faceplatform.web import streaming
from faceplatform.web.connections import Bounds, Connection, Connections

KEEP_ALIVE = 5  # seconds an unused connection stays open after an answer
FILES_KEPT = 256  # open files for everything but connections: the database, uploads, static files


class Server(uvicorn.Server):
    """Also looks once a second for connections that take too long."""

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.check(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for end in list(streaming.at_stop):
            end()
        await super().shutdown(sockets)


def serve(*, host: str, port: int) -> bool:
    """Runs the platform's application until SIGTERM or SIGINT. Returns whether it could listen."""
    server = server_of("faceplatform.asgi:application", bounds(), host=host, port=port)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return server.started


def server_of(application: Any, bounds: Bounds, *, host: str, port: int) -> Server:
    """A server of an ASGI application, or of the name of one."""
    protocol: Any = functools.partial(Connection, connections=Connections(bounds))
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,  # its lines are like all others
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # see proxies.py
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=settings.WEB_GRACE_SECONDS,
    )
    return Server(config)


def bounds() -> Bounds:
    """As the settings say, as far as the system allows so many open files."""
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.CONNECTIONS + FILES_KEPT
    files = wanted if most_files == resource.RLIM_INFINITY else min(wanted, most_files)
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != resource.RLIM_INFINITY and now < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most_files))
    return Bounds(
        most=max(files - FILES_KEPT, files // 2),
        an_address=settings.CONNECTIONS_PER_ADDRESS,
        exempt=settings.TRUSTED_PROXIES,
        headers=settings.HEADER_SECONDS,
    )
