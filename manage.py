#!/usr/bin/env python
"""The platform's command line. `manage.py up` starts all of it."""

import os
import sys

from faceplatform import __version__
from recognition.engine import cpu


def main() -> None:
    cpu.prepare()  # AMX has to be asked for before MXNet is imported or a second thread started
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceplatform.settings")
    if sys.argv[1:] in (["version"], ["--version"]):  # Django's command would print Django's version
        print(f"Faceplatform {__version__}")
        return
    from faceplatform.command_line import run

    run(sys.argv)


if __name__ == "__main__":
    main()
