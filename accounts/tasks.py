"""Background jobs of the accounts."""

from procrastinate.contrib.django import app

from accounts.audit_chain import seal


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="seal-audit", pass_context=False)
def seal_audit(timestamp: int = 0) -> None:
    """Seals the audit events of the last minutes."""
    seal()
