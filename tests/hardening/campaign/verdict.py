"""What a fault has done: nothing acknowledged may be lost, nothing doubled, and all parts have to be alive."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException

from recognition.lab.bench.api.client import form
from tests.hardening.campaign.clients import Ledger, id_in, numbered
from tests.hardening.campaign.field import Field, Size

RECOVERY_LIMIT = 400.0  # seconds
IDLE_LIMIT = 120.0  # seconds until photos are done that nobody waits for any more
REPLAYS = 20  # acknowledged calls that are sent once more
GROWTH = 1.5  # times the size before, and SPARE, that all parts may have after a fault
SPARE = Size(200, 200)
TABLES = {
    "person": "SELECT id FROM gallery_identity",
    "sample": "SELECT id FROM gallery_facesample",
    "recognition": "SELECT id FROM recognition_recognitionrequest WHERE purpose = 'recognize' AND status = 'done'",
}
COUNTED = {
    "person": "SELECT count(*) FROM gallery_identity",
    "sample": "SELECT count(*) FROM gallery_facesample",
    "recognition": "SELECT count(*) FROM recognition_recognitionrequest WHERE purpose = 'recognize' AND status <> 'failed'",
}
WAITING = "SELECT count(*) FROM recognition_recognitionrequest WHERE status IN ('queued', 'running')"
WRONG = {
    "two people of one name": "SELECT count(*) FROM (SELECT name FROM gallery_identity GROUP BY name HAVING count(*) > 1) x",
    "people with two samples": """SELECT count(*) FROM (SELECT identity_id FROM gallery_facesample GROUP BY identity_id
                                  HAVING count(*) > 1) x""",
    "photo still waiting": WAITING,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. acknowledged: calls with 201. recovered: seconds from the fault's end until all is well again; None: never.

    wrong: what must not be; empty if the platform held.
    """

    fault: str
    strikes: str
    acknowledged: int
    answers: dict[str, int]
    slowest: float
    recovered: float | None
    before: Size
    after: Size
    wrong: list[str]
    skipped: str = ""

    def as_dict(self) -> dict:
        return asdict(self)


def seconds_to_recover(field: Field) -> float | None:
    """Until all parts are there, the platform calls itself ready, and a face is found in a new photo."""
    began, number = time.monotonic(), 0
    while (passed := time.monotonic() - began) < RECOVERY_LIMIT:
        number += 1
        if field.is_whole() and is_ready(field) and detects(field, f"{began}-{number}"):
            return round(passed, 1)
        time.sleep(0.25)
    return None


def is_ready(field: Field) -> bool:
    connection = HTTPConnection("127.0.0.1", field.platform.port, timeout=10)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def detects(field: Field, text: str) -> bool:
    client = field.connect()
    data, headers = form({"photo": numbered(field.photos[0], text)}, gallery=field.gallery)
    try:
        return client.call("POST", "/detections", data, headers | {"Prefer": "wait=5"}).status == 201
    finally:
        client.close()


def wrongs(field: Field, before: dict[str, int], ledger: Ledger) -> list[str]:
    """What the platform has lost, doubled or refused although it should not, in words."""
    wait_until_idle(field)
    found = [f"{count} × {words}" for words, query in WRONG.items() if (count := field.rows(query)[0][0])]
    for kind, query in TABLES.items():
        there = {str(pk) for (pk,) in field.rows(query)}
        if lost := set(ledger.made[kind]) - there:
            found.append(f"{len(lost)} × {kind} lost")
        if len(set(ledger.made[kind])) < len(ledger.made[kind]):
            found.append(f"{kind} acknowledged twice")
    found += doubled(before, counts(field), ledger)
    found += [f"{count} × refused: {word}" for word, count in ledger.refused.items()]
    found += [f"{count} × never answered: {word}" for word, count in ledger.given_up.items()]
    found += [f"{count} × {word}" for word, count in ledger.answers.items() if word.startswith("500")]
    return found + replayed(field, ledger)


def wait_until_idle(field: Field) -> int:
    """Until no photo waits any more; returns how many still do after a while."""
    deadline = time.monotonic() + IDLE_LIMIT
    while (left := field.rows(WAITING)[0][0]) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


def counts(field: Field) -> dict[str, int]:
    """How many rows of each kind there are, finished or not; what failed has had no effect."""
    return {kind: field.rows(query)[0][0] for kind, query in COUNTED.items()}


def doubled(before: dict[str, int], after: dict[str, int], ledger: Ledger) -> list[str]:
    """Rows beside those that were acknowledged. A call that was given up may have taken effect unseen."""
    found = []
    for kind in COUNTED:
        given_up = sum(count for word, count in ledger.given_up.items() if word.startswith(kind))
        more = after[kind] - before[kind] - len(ledger.made[kind]) - given_up
        found += [f"{more} × {kind} that nobody was told about"] if more > 0 else []
    return found


def replayed(field: Field, ledger: Ledger) -> list[str]:
    """Sends the latest calls once more: the answers have to be those of before."""
    if not ledger.repeats:
        return []
    client, other = field.connect(), 0
    for path, data, headers, told in ledger.repeats[-REPLAYS:]:
        client.close()
        answer = client.call("POST", path, data, headers)
        kind = "sample" if path.endswith("/samples") else "other"
        other += answer.status != 201 or id_in(kind, answer.body) != told
    client.close()
    return [f"{other} × another answer to a repeated call"] if other else []


def grown(before: Size, after: Size) -> list[str]:
    found = []
    if after.megabytes > before.megabytes * GROWTH + SPARE.megabytes:
        found.append(f"memory grew from {before.megabytes} to {after.megabytes} MB")
    if after.files > before.files * GROWTH + SPARE.files:
        found.append(f"open files grew from {before.files} to {after.files}")
    return found


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of a table in Markdown."""
    lines = [
        "| fault | times | acknowledged | other answers | slowest | recovered after | MB | open files | wrong |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row.skipped:
            lines.append(f"| `{row.fault}` | | | skipped: {row.skipped} | | | | | |")
            continue
        others = ", ".join(f"{count} × {word}" for word, count in Counter(row.answers).most_common() if word != "201")
        recovered = "never" if row.recovered is None else f"{row.recovered} s"
        lines.append(
            f"| `{row.fault}` | {row.strikes} | {row.acknowledged} | {others or '–'} | {row.slowest:.1f} s | {recovered} | "
            f"{row.before.megabytes}, then {row.after.megabytes} | {row.before.files}, then {row.after.files} | "
            f"{'; '.join(row.wrong) or 'nothing'} |"
        )
    return lines
