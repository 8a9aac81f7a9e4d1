"""The clock of the whole platform jumps, by libfaketime. The clients keep their own."""

import os
import time
from pathlib import Path
from tempfile import gettempdir

from tests.hardening.campaign.fault import Fault

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
TOLD = Path(gettempdir()) / f"campaign-clock-{os.getpid()}"
JUMPS = ("-3600", "+7200", "-7200", "+3600")  # seconds, one after the other, each from the true time


class Clock(Fault):
    environment = {
        "LD_PRELOAD": str(LIBRARIES[0]) if LIBRARIES else "",
        "FAKETIME_TIMESTAMP_FILE": str(TOLD),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }

    @classmethod
    def missing(cls) -> str:
        if not LIBRARIES:
            return "libfaketime is not installed"
        tell("+0")
        return ""

    def run(self, seconds: float) -> str:
        for jump in JUMPS:
            tell(jump)
            time.sleep(seconds / len(JUMPS) / 2)
            [(there,)] = self.field.rows("SELECT extract(epoch FROM clock_timestamp())::float")
            assert abs(there - time.time() - int(jump)) < 60, "the database's clock did not jump"
            time.sleep(seconds / len(JUMPS) / 2)
        tell("+0")
        return ", ".join(f"{int(jump) / 3600:+.0f} h" for jump in JUMPS)


def tell(offset: str) -> None:
    """Replaces the file at once, so that nobody reads half of it."""
    new = TOLD.with_suffix(".new")
    new.write_text(f"{offset}\n")
    new.chmod(0o644)
    new.replace(TOLD)
