"""The audit: who did what to whom. All apps write it with these three functions."""

from accounts.audit.writing import audited, record, record_all

__all__ = ["audited", "record", "record_all"]
