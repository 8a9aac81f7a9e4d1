"""The system user that root's platform runs as: PostgreSQL refuses to be root, and strangers' photos are not decoded by it.

It is made at the first start. Where somebody else than root starts the platform, it runs as that user throughout.
"""

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path

NAME = "faceplatform"


class NoSystemUser(RuntimeError):
    """The user cannot be made. The message says what to do."""


def owner() -> tuple[int, int]:
    """Whose the data are, user and group: the system user where we are root, else ourselves. Raises NoSystemUser."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    found = _system_user()
    return found.pw_uid, found.pw_gid


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return pwd.getpwnam(NAME)  # made by us, or by another process meanwhile
        except FileNotFoundError as error:
            raise NoSystemUser(_PROBLEM.format("useradd is not installed")) from error
        except KeyError:
            raise NoSystemUser(_PROBLEM.format(done.stderr.strip())) from None


_PROBLEM = (
    f"As root the platform runs PostgreSQL and its parts as the system user “{NAME}”, which cannot be made: {{}}. "
    "Make it, or run as an ordinary user."
)


def become(*, capabilities: Sequence[str] = ()) -> list[str]:
    """The start of a command that continues as the system user, with these capabilities of root's alone.

    Nothing where we are not root. Raises NoSystemUser.
    """
    if os.geteuid() != 0:
        return []
    user, group = owner()
    kept = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    command = ["setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups", "--no-new-privs"]
    return [*command, f"--inh-caps={kept}", f"--ambient-caps={kept}", "--"]


def environment(home: Path) -> dict[str, str]:
    """Ours, for what runs as the system user: root's home is closed to it."""
    return os.environ | {"HOME": os.fspath(home), "USER": NAME, "LOGNAME": NAME}
