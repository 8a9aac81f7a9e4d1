"""Debian's PgBouncer between the platform and the tests' database."""

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from database_server import wait_until
from django.db import connection
from reverse_proxies import _answers, free_port

from faceplatform import system_user
from faceplatform.database import postgres


class Pooler:
    """The caller stops it. mode: session or transaction."""

    def __init__(self, mode: str) -> None:
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
        if program is None:
            pytest.skip("pgbouncer is not installed: apt install pgbouncer")
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="faceplatform-pooler-"))
        values = connection.settings_dict
        self.url = f"postgresql://{values['USER']}@127.0.0.1:{self.port}/{values['NAME']}"
        (self.folder / "users").write_text(f'"{postgres.RUNTIME}" ""\n"{postgres.OWNER}" ""\n')
        (self.folder / "ini").write_text(
            f"[databases]\n* = host={values['HOST']} port={values['PORT']}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {self.folder / 'users'}\nlogfile = {self.folder / 'log'}\n"
            f"pool_mode = {mode}\ndefault_pool_size = 40\nignore_startup_parameters = extra_float_digits,options\n"
        )
        for path in (self.folder, *self.folder.iterdir()):
            shutil.chown(path, *system_user.owner())
        become = system_user.become(capabilities=["dac_read_search"])
        self.process = subprocess.Popen([*become, program, "-q", str(self.folder / "ini")])
        wait_until(lambda: _answers(self.port) or self.process.poll())
        assert self.process.poll() is None, (self.folder / "log").read_text()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
