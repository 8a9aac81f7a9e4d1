"""python -m tests.hardening.campaign [--seed N] [--minutes M] [--only NAME …] [--inputs COUNT] [--json FILE]"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # as for all tests: their helpers import each other so

from tests.hardening.campaign import inputs, verdict
from tests.hardening.campaign.faults import FAULTS
from tests.hardening.campaign.field import Field
from tests.hardening.campaign.running import run
from tests.hardening.campaign.verdict import Row

NAMES = [*FAULTS, "inputs"]


def main() -> int:
    chosen = arguments()
    faults = [name for name in chosen.only if name in FAULTS]
    seconds = max(10.0, chosen.minutes * 60 / max(1, len(faults)))
    count = chosen.inputs if "inputs" in chosen.only else 0
    print(f"seed {chosen.seed}, {seconds:.0f} s for each fault, {len(os.sched_getaffinity(0))} cores", flush=True)
    rows = []
    for row in chain(run(faults, chosen.seed, seconds), try_inputs(chosen.seed, count)):
        rows.append(row)
        print(verdict.table([row])[-1], flush=True)
        if chosen.json:
            chosen.json.write_text(json.dumps([row.as_dict() for row in rows], indent=1))
    print("\n".join(["", *verdict.table(rows)]))
    return 1 if any(row.wrong or (row.recovered is None and not row.skipped) for row in rows) else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.hardening.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn by lot")
    parser.add_argument("--minutes", type=float, default=15, help="for all faults together, without recovery")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--inputs", type=int, default=10_000, help="how many inputs by lot, under the name inputs")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    return parser.parse_args()


def try_inputs(seed: int, count: int) -> Iterator[Row]:
    if count:
        with Field(inputs.ENVIRONMENT) as field:
            yield from inputs.run(field, seed, count)


if __name__ == "__main__":
    sys.exit(main())
