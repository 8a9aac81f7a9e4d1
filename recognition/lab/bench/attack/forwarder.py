"""Stands between a client and a Unix socket, and can fall silent: connections stay open, nothing comes through."""

import selectors
import socket
import threading


class Forwarder:
    """Listens on a port of loopback and passes on what comes to the socket at `path`, and back, unless it is silent."""

    def __init__(self, path: str):
        self.path = path
        self.silent = threading.Event()
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ways = selectors.DefaultSelector()  # one end → the other
        self._ways.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        for key in list(self._ways.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._ways.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            if self.silent.is_set():
                self._over.wait(0.05)
                continue
            for key, _ in self._ways.select(0.05):
                if key.fileobj is self._listener:
                    self._connect()
                elif key.fileobj in self._ways.get_map():
                    self._pass_on(key.fileobj, key.data)  # type: ignore[arg-type]

    def _connect(self) -> None:
        near, _ = self._listener.accept()
        far = socket.socket(socket.AF_UNIX)
        far.connect(self.path)
        self._ways.register(near, selectors.EVENT_READ, far)
        self._ways.register(far, selectors.EVENT_READ, near)

    def _pass_on(self, source: socket.socket, drain: socket.socket) -> None:
        try:
            data = source.recv(65536)
            if data:
                drain.sendall(data)
                return
        except OSError:
            pass
        for end in (source, drain):
            self._ways.unregister(end)
            end.close()
