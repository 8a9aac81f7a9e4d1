"""The background jobs of this app: procrastinate looks for them here."""

from accounts.audit.tasks import note_audit_head, seal_audit

__all__ = ["note_audit_head", "seal_audit"]
