"""Becomes a part of the platform: python -I -S part.py SUPERVISOR COMMAND …

A file of its own that imports nothing of ours, so that it costs milliseconds. What it does has to happen in the child,
and running our code there between fork and exec (preexec_fn) may hang where the supervisor has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(supervisor: int, command: list[str]) -> None:
    """Ends with the supervisor, even if that one is killed; makes files that nobody else may read."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:  # it was gone before the kernel was asked
        sys.exit(1)
    os.umask(0o077)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
