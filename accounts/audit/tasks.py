"""Background jobs of the audit."""

import logging

from procrastinate.contrib.django import app

from accounts.audit import chain
from accounts.models import AuditSeal
from faceplatform.processes.jobs import MAINTENANCE

logger = logging.getLogger(__name__)


@app.periodic(cron="* * * * *")
@app.task(queue=MAINTENANCE, queueing_lock="seal-audit", pass_context=False, aliases=["accounts.tasks.seal_audit"])
def seal_audit(timestamp: int = 0) -> None:
    """Seals the audit events of the last minutes, and at each full hour those that long transactions have left."""
    full_hour = timestamp % 3600 == 0
    chain.seal(late=2 * chain.LONGEST if full_hour else chain.LATE)


@app.periodic(cron="7 3 * * *")
@app.task(
    queue=MAINTENANCE, queueing_lock="note-audit-head", pass_context=False, aliases=["accounts.tasks.note_audit_head"]
)
def note_audit_head(timestamp: int = 0) -> None:
    """Seals all unsealed events and logs the head of the chain: a copy outside the database, for `audit verify --expect`."""
    chain.seal(everything=True)
    if last := AuditSeal.objects.last():
        logger.info("the audit's head is %s:%s", last.number, bytes(last.digest).hex())
