"""Who looked at what: a view says it with `seen`, and the middleware writes it once the answer is there; a worker says `note`."""

from accounts.looks.writing import Kind, Seen, in_a_page, note, seen

__all__ = ["Kind", "Seen", "in_a_page", "note", "seen"]
