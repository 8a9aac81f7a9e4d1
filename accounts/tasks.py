"""The background jobs of this app: procrastinate looks for them here."""

from accounts.audit.tasks import note_audit_head, seal_audit
from accounts.looks.tasks import delete_old_looks
from accounts.mails.tasks import send_link

__all__ = ["delete_old_looks", "note_audit_head", "seal_audit", "send_link"]
