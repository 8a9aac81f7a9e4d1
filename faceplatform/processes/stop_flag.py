"""A flag that a signal handler may set."""

import os
import select


class StopFlag:
    """Like `threading.Event`, for setting in a signal handler.

    An Event takes a lock to be set. A handler runs between two instructions of the main thread, which may hold that lock, for
    instance while it waits or while a first signal is being handled: the handler would wait for itself. This flag takes none.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._readable, self._writable = os.pipe()

    def set(self, *_: object) -> None:
        """Sets the flag and wakes all waiting threads. Can be installed as a signal handler itself."""
        if not self._is_set:
            self._is_set = True
            os.write(self._writable, b"\0")  # stays in the pipe, so that every wait ends

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the flag is set, at most `timeout` seconds. Returns whether it is set."""
        if not self._is_set:
            select.select([self._readable], [], [], timeout)
        return self._is_set

    def __del__(self) -> None:
        os.close(self._readable)
        os.close(self._writable)
