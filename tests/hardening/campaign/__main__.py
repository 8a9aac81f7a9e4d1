"""python -m tests.hardening.campaign [--seed N] [--minutes M] [--only NAME …] [--inputs COUNT] [--json FILE]"""

import argparse
import json
import os
import random
import sys
import time
import traceback
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # as for all tests: their helpers import each other so

from tests.hardening.campaign import inputs, verdict
from tests.hardening.campaign.clients import Clients
from tests.hardening.campaign.fault import Fault
from tests.hardening.campaign.faults import FAULTS
from tests.hardening.campaign.field import Field, Size
from tests.hardening.campaign.verdict import Row

NAMES = [*FAULTS, "inputs"]
QUIET = 3.0  # seconds that the clients work before and after a fault


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


def run(names: list[str], seed: int, seconds: float) -> Iterator[Row]:
    """Faults that need the same environment share a platform, until one does not recover."""
    field: Field | None = None
    environment: dict[str, str] = {}
    try:
        for name in names:
            kind = FAULTS[name]
            if reason := kind.missing():
                yield skipped(name, reason)
                continue
            if field and kind.environment() != environment:
                field.__exit__()
                field = None
            if field is None:
                environment = kind.environment()
                field = Field(environment, disk=True).__enter__()
            if reason := kind.why_not(field):
                yield skipped(name, reason)
                continue
            row = break_it(name, kind, field, seed, seconds)
            yield row
            if row.recovered is None:
                print("\n".join(field.platform.lines[-60:]))
                field.__exit__()
                field = None
    finally:
        if field:
            field.__exit__()


def try_inputs(seed: int, count: int) -> Iterator[Row]:
    if count:
        with Field(inputs.ENVIRONMENT) as field:
            yield from inputs.run(field, seed, count)


def break_it(name: str, kind: type[Fault], field: Field, seed: int, seconds: float) -> Row:
    before, rows_before = field.size(), verdict.counts(field)
    clients = Clients(field, seed)
    clients.start()
    time.sleep(QUIET)
    wrong = []
    try:
        strikes = kind(field, random.Random(f"{seed} {name}")).run(seconds)
    except Exception as error:  # noqa: BLE001  # one that fails must not hide the others
        traceback.print_exc()
        strikes, wrong = "", [f"the fault itself failed: {type(error).__name__}: {error}"[:200]]
    recovered = verdict.seconds_to_recover(field)
    time.sleep(QUIET)
    ledger = clients.finish()
    if recovered is not None:
        wrong += verdict.wrongs(field, rows_before, ledger)
    after = field.size()
    return Row(
        fault=name,
        strikes=strikes,
        acknowledged=sum(map(len, ledger.made.values())),
        answers=dict(ledger.answers),
        slowest=round(ledger.slowest, 1),
        recovered=recovered,
        before=before,
        after=after,
        wrong=wrong + verdict.grown(before, after),
    )


def skipped(name: str, reason: str) -> Row:
    nothing = Size(0, 0)
    return Row(name, "", 0, {}, 0.0, None, nothing, nothing, [], reason)


if __name__ == "__main__":
    sys.exit(main())
