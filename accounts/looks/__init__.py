"""Who looked at what: a view says it with `seen`, and the middleware writes it once the answer is there."""

from accounts.looks.writing import Kind, in_a_page, seen

__all__ = ["Kind", "in_a_page", "seen"]
