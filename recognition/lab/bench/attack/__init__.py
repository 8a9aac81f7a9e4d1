"""Attacks a platform that the benchmark starts itself, and measures what its honest callers notice."""
