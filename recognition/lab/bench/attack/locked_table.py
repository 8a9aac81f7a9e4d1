"""Somebody holds the table of people locked, while 30 members list people."""

import subprocess
import sys
from collections import Counter

from recognition.lab.bench.attack.target import Attack, ask, many
from recognition.lab.bench.child import ROOT

CLIENTS = 30
LOCK = """
from django.db import connection, transaction
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("LOCK TABLE gallery_identity IN ACCESS EXCLUSIVE MODE")
    print("locked", flush=True)
    cursor.execute("SELECT pg_sleep(%s)", [{seconds}])
"""


class LockedTable(Attack):
    def run(self, seconds: float) -> Counter[str]:
        command = [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", LOCK.format(seconds=seconds)]
        with subprocess.Popen(command, env=self.target.environment, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout
            if "locked" not in holder.stdout.readline():
                return Counter({"not locked": 1})
            return many(CLIENTS, self._list, seconds)

    def _list(self, deadline: float) -> str:
        return ask(self.target, "GET", "/api/v1/identities", None, self.target.headers)[0]
