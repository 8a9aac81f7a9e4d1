"""The audit: who did what to whom. Everybody writes it through these three."""

from accounts.audit.writing import audited, record, record_all

__all__ = ["audited", "record", "record_all"]
