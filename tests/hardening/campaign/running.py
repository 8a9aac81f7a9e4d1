"""Breaks a platform, fault by fault, while clients work with it."""

import random
import time
import traceback
from collections.abc import Iterator

from tests.hardening.campaign import verdict
from tests.hardening.campaign.clients import Clients
from tests.hardening.campaign.fault import Fault
from tests.hardening.campaign.faults import FAULTS
from tests.hardening.campaign.field import Field, Size
from tests.hardening.campaign.verdict import Row

QUIET = 3.0  # seconds that the clients work before and after a fault


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
