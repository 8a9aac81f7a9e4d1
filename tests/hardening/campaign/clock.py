"""The clock of the whole platform, its database included, is set back and forward. The clients keep their own."""

import atexit
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

from tests.hardening.campaign.fault import Fault

SOURCE = Path(__file__).with_name("clock.c")
JUMPS = (-3600, 7200, -7200, 3600)  # seconds from the true time, one after the other


class Clock(Fault):
    @classmethod
    def environment(cls) -> dict[str, str]:
        return {"LD_PRELOAD": str(folder() / "clock.so"), "CAMPAIGN_CLOCK": str(folder() / "offset")}

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("cc") else "it takes a C compiler"

    def run(self, seconds: float) -> str:
        for jump in JUMPS:
            tell(jump)
            time.sleep(seconds / len(JUMPS) / 2)
            [(there,)] = self.field.rows("SELECT extract(epoch FROM clock_timestamp())::float")
            assert abs(there - time.time() - jump) < 60, "the database's clock did not jump"
            time.sleep(seconds / len(JUMPS) / 2)
        tell(0)
        return ", ".join(f"{jump / 3600:+.0f} h" for jump in JUMPS)


@cache
def folder() -> Path:
    """With the library that moves the clock, and the file that says how far. All users may read both."""
    made = Path(tempfile.mkdtemp(prefix="campaign-clock-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    made.chmod(0o755)
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(made / "clock.so"), str(SOURCE), "-ldl"], check=True)
    (made / "offset").write_bytes(bytes(8))
    return made


def tell(offset: int) -> None:
    with (folder() / "offset").open("r+b") as file:
        file.write(offset.to_bytes(8, "little", signed=True))
