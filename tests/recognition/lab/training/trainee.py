"""A small training in its own process, which can be killed or be one of several: trainee.py FOLDER STEPS BATCH [die_at]"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4]))

from recognition.lab.training import cluster
from recognition.lab.training.exchange import Exchange
from recognition.lab.training.faces import MemoryFaces
from recognition.lab.training.loop import Run, Trainer
from recognition.lab.training.options import Options
from tests.training_tools import patterns, tiny_net


def main(folder: str, steps: int, batch: int, die_at: int = 0, *, frozen: bool = False) -> None:
    net = tiny_net(dropout=0.0 if frozen else 0.3)
    options = Options(
        batch=batch, steps=steps, lr=0.05, scale=16, processes=cluster.workers(), frozen_batchnorm=frozen, augment=True
    )

    def stop() -> bool:  # asked after every step
        if die_at and trainer.outcome.step == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    run = Run(Path(folder), threads=1, check_every=4, log_every=1, resume=True, stop=stop)
    exchange = Exchange(1, distributed=cluster.role() == "worker")
    trainer = Trainer(net, MemoryFaces(*patterns(6, 8)), options, run, exchange=exchange)
    losses = trainer.train().losses
    if exchange.rank == 0:
        print("losses", *(f"{loss:.9f}" for loss in losses), flush=True)


if __name__ == "__main__":
    folder, *numbers = sys.argv[1:]
    main(folder, *map(int, numbers[:3]), frozen=len(numbers) > 3)
