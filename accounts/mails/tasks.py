"""The background jobs that send e-mails to accounts."""

import logging

from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app

from accounts.mails.sending import send_link_now
from faceplatform.processes.jobs import DELIVERIES, is_held

logger = logging.getLogger(__name__)
# After 6 s, 36 s, 4 min, 22 min, 2 h and 13 h. Then it remains as failed: the System page, doctor and metrics tell.
PATIENCE = RetryStrategy(max_attempts=6, exponential_wait=6)


@app.task(queue=DELIVERIES, retry=PATIENCE, pass_context=True)
def send_link(context: JobContext, kind: str, user_id: str, state: str, site: str, number: str) -> None:
    """Sends a link, at least once: a worker that is killed after the mail server has taken it sends it again."""
    assert context.job.id is not None
    if not is_held(context.job.id, context.job.attempts):
        logger.warning("a mail (%s) is left to the worker that has taken it over", kind)
    elif not send_link_now(kind=kind, user_id=user_id, state=state, site=site, number=number):
        logger.info("a mail (%s) was not sent: nobody waits for it", kind)
