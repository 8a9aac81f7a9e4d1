"""The common ground of the tests' camera servers: a thread a connection, all of them ended at the end."""

import socket
import ssl
import struct
import threading
from contextlib import suppress


class TcpServer:
    """Serves each connection by `serve(connection)` in a thread of its own. `stopping` ends every wait of theirs."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.stopping = threading.Event()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    @property
    def accepted(self) -> int:
        return len(self._connections)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with self._lock:
                if self.stopping.is_set():
                    connection.close()
                    return
                self._connections.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._connections.append(connection)
            with connection:
                self.serve(connection)
                # Without it, what another thread reads from this socket keeps its end from being told.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            self.stopping.set()
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
            self._socket.close()
            for connection in self._connections:
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in [self._accepting, *self._threads]:
            thread.join(5)
            assert not thread.is_alive(), "a connection of the test server did not end"

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.close()


def reset(connection: socket.socket) -> None:
    """Closes it with RST, also while another thread reads from it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RD)
    connection.close()
