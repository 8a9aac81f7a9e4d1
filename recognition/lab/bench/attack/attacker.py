"""Attacks from a process of its own, so that it does not hold up the honest callers: python -m …attacker NAME

It reads the target as JSON and reports when it is ready. Then it attacks for as many seconds as each further line says.
"""

import json
import sys
import time

from recognition.lab.bench.attack.black_hole import BlackHole
from recognition.lab.bench.attack.bodies import NestedJson, SlowUploads, Streams, ZipDirectory
from recognition.lab.bench.attack.connections import Idle, SlowReaders
from recognition.lab.bench.attack.guessing import Guessing
from recognition.lab.bench.attack.hard_photos import HardPhotos
from recognition.lab.bench.attack.imports import LongImports
from recognition.lab.bench.attack.locked_table import LockedTable
from recognition.lab.bench.attack.memory import LackOfMemory
from recognition.lab.bench.attack.target import Attack, Target

ATTACKS: dict[str, type[Attack]] = {
    "hard-photos": HardPhotos,
    "memory": LackOfMemory,
    "imports": LongImports,
    "streams": Streams,
    "slow-uploads": SlowUploads,
    "nested-json": NestedJson,
    "zip-directory": ZipDirectory,
    "slow-readers": SlowReaders,
    "idle": Idle,
    "guessing": Guessing,
    "locked-table": LockedTable,
    "black-hole": BlackHole,
}


def main(name: str) -> None:
    attack = ATTACKS[name](Target(**json.loads(sys.stdin.readline())))
    try:
        print(json.dumps({"port": attack.port, "web": attack.web}), flush=True)
        for line in sys.stdin:
            spent = time.process_time()
            answers = attack.run(float(line))
            print(json.dumps({"answers": answers, "cpu": time.process_time() - spent}), flush=True)
    finally:
        attack.close()


if __name__ == "__main__":
    main(sys.argv[1])
